/** exec, attach, logs and watches through the door: a real API server, kubectl, and the kubelet's own streams. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { freePort } from '../../src/demo/ports.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { type Cluster, clientPath, noCluster, startCluster, startKubelet } from '../fixtures/kubernetes.ts'
import { type Ran, type Running, until } from '../fixtures/run.ts'

const skip = noCluster
let home: Home
let okta: FakeOkta
let cluster: Cluster
let gateway: Gateway
let forwarded: number

const manifest = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec: { nodeName: n1, containers: [{ name: app, image: none }] }
`

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  forwarded = await freePort()
  cluster = await startCluster(home)
  await startKubelet(home, cluster)
  await cluster.apply(manifest)
  const runs = '{"status":{"phase":"Running"}}'
  const patched = await cluster.kubectl([
    'patch',
    'pod',
    'web',
    '-n',
    'shop',
    '--subresource=status',
    '--type=merge',
    '-p',
    runs,
  ])
  assert.equal(patched.status, 0, patched.stderr)
  const scope = 'verbs: [get, list, watch], resources: [pods, pods/log], namespaces: [shop], discovery: true'
  gateway = await startGateway(home, {
    okta,
    connections: cluster.connection('prod'),
    env: { CLUSTER_TOKEN: cluster.tokens.admin },
    rules: `
  - { group: exec-agents, connection: prod, ttl: 10m, scope: { ${scope}, exec: ["echo *", "cat", "sh -c 'echo out; echo err >&2; exit 7'"] } }
  - { group: any-agents, connection: prod, ttl: 10m, scope: { ${scope}, exec: ["*"] } }
  - { group: port-agents, connection: prod, ttl: 10m, scope: { ${scope}, port_forward: [${forwarded}] } }
  - { group: read-agents, connection: prod, ttl: 10m, scope: { ${scope} } }
`,
  })
})
after(() => home?.close())

const kubectl = (group: string, args: readonly string[], how: Running = {}): Promise<Ran> =>
  gateway.cli(['connect', 'prod', '--', '-n', 'shop', ...args], {
    ...how,
    token: okta.token({ groups: [group] }),
    env: { PATH: clientPath, HOME: home.dir },
  })

test('exec runs what the patterns allow, with its input, its streams and its exit code', {
  skip,
}, async () => {
  const echoed = await kubectl('exec-agents', ['exec', 'web', '--', 'echo', 'hello', 'there'])
  assert.deepEqual([echoed.stdout, echoed.status], ['hello there\n', 0], echoed.stderr)
  const piped = await kubectl('exec-agents', ['exec', '-i', 'web', '--', 'cat'], {
    input: 'through\nand back\n',
  })
  assert.equal(piped.stdout, 'through\nand back\n', piped.stderr)
  const failed = await kubectl('exec-agents', [
    'exec',
    'web',
    '--',
    'sh',
    '-c',
    'echo out; echo err >&2; exit 7',
  ])
  assert.equal(failed.stdout, 'out\n')
  assert.match(failed.stderr, /^err\n[\s\S]*exit code 7/)
})

test('exec of anything else is Forbidden, and kubectl says why', { skip }, async () => {
  for (const words of [['id'], ['sh', '-c', 'echo x'], ['echo', '-n', 'x'], ['cat', '/etc/shadow']]) {
    const ran = await kubectl('exec-agents', ['exec', 'web', '--', ...words])
    assert.notEqual(ran.status, 0)
    assert.match(ran.stderr, /postern: this command is not in scope/, words.join(' '))
    assert.equal(ran.stdout, '')
  }
  assert.match(
    (await kubectl('read-agents', ['exec', 'web', '--', 'id'])).stderr,
    /postern: exec is not in scope/,
  )
  assert.match((await kubectl('exec-agents', ['attach', 'web'])).stderr, /postern: attach is not in scope/)
})

test('attach joins what runs, where any command is in scope', { skip }, async () => {
  const ran = await kubectl('any-agents', ['attach', '-i', 'web'], { input: 'said to it\n' })
  assert.match(ran.stdout, /said to it/, ran.stderr)
})

test('a terminal becomes an asciicast, everything else digests with its exit code', { skip }, async () => {
  const granted = await gateway.grant(okta.token({ groups: ['any-agents'] }), 'prod')
  const { WebSocket } = await import('ws')
  const url = `${gateway.url.replace('http', 'ws')}/c/prod/api/v1/namespaces/shop/pods/web/exec`
  const words = ['sh', '-c', 'read line; echo "you said $line"; exit 3'].map(
    word => `command=${encodeURIComponent(word)}`,
  )
  const socket = new WebSocket(
    `${url}?${words.join('&')}&stdin=true&stdout=true&tty=true`,
    ['v5.channel.k8s.io'],
    {
      headers: { authorization: `Bearer ${granted.json.credential.password}` },
    },
  )
  let out = ''
  let status = ''
  socket.on('message', (data: Buffer) => {
    if (data[0] === 1) out += data.subarray(1).toString()
    if (data[0] === 3) status += data.subarray(1).toString()
  })
  socket.on('open', () => {
    socket.send(Buffer.concat([Buffer.of(4), Buffer.from('{"Width":100,"Height":30}')]))
    socket.send(Buffer.concat([Buffer.of(0), Buffer.from('my-typed-words\n')]))
  })
  await new Promise((done, failed) => socket.once('close', done).once('error', failed))
  assert.equal(out, 'you said my-typed-words\n')
  assert.match(status, /"ExitCode","message":"3"/)
  await gateway.api('DELETE', `/v1/grants/${granted.json.id}`, okta.token({ groups: ['any-agents'] }))
  const files = await gateway.dataFiles()
  const casts = await Promise.all(
    files.filter(file => file.endsWith('.cast')).map(file => readFile(file, 'utf8')),
  )
  const cast = casts.find(text => text.includes('you said'))
  assert.match(cast ?? '', /"r", ?"100x30"/)
  const journals = files.filter(file => file.endsWith('session.jsonl'))
  const lines = (await Promise.all(journals.map(file => readFile(file, 'utf8')))).join('\n').split('\n')
  const statement = lines.find(line => line.includes('"kind":"exec"') && line.includes('you said $line'))
  assert.match(
    statement ?? '',
    /"act":"exec","on":"shop\/pods\/exec\/web"\},\{"act":"run","on":"sh -c read line/,
  )
  assert.ok(lines.some(line => line.includes('"tag":"exit 3"')))
  assert.ok(
    lines.some(line => line.includes('"tag":"exit 7"')),
    'the one of kubectl, without a terminal',
  )
})

test('logs, followed ones until the grant ends', { skip }, async () => {
  assert.equal(
    (await kubectl('read-agents', ['logs', 'web'])).stdout,
    'line 1 of web\nline 2 of web\nline 3 of web\n',
  )
  const followed = await cut('read-agents', 'logs', ['logs', '-f', 'web'], /line 5/)
  assert.notEqual(followed.status, 0)
})

test('an exec is cut with its grant, and the command is told to stop', { skip }, async () => {
  const ran = await cut(
    'any-agents',
    'exec',
    ['exec', 'web', '--', 'sh', '-c', 'while echo tick; do sleep 0.1; done'],
    /tick/,
  )
  assert.notEqual(ran.status, 0)
})

test('a watch that is cut ends with a Status, which kubectl prints', { skip }, async () => {
  // kubectl lists first, and prints that before it asks for the watch: only a change tells that the watch is there.
  const ran = await cut('read-agents', 'watch', ['get', 'pods', '--watch'], /web/, {
    change: () => cluster.kubectl(['label', 'pod', 'web', '-n', 'shop', 'watched=yes']),
    seen: /web(.|\n)*web/,
  })
  assert.match(ran.stdout, /Failure +Forbidden +postern: .* session ended/)
  for (const accept of [
    'application/json',
    'application/vnd.kubernetes.protobuf',
    'application/json;as=Table;v=v1;g=meta.k8s.io',
  ]) {
    const token = okta.token({ groups: ['read-agents'] })
    const granted = await gateway.grant(token, 'prod')
    const answer = await fetch(`${gateway.url}/c/prod/api/v1/namespaces/shop/pods?watch=1`, {
      headers: { authorization: `Bearer ${granted.json.credential.password}`, accept },
    })
    let seen = ''
    const whole = (async () => {
      for await (const chunk of answer.body ?? []) seen += Buffer.from(chunk).toString()
    })()
    await until('the first event', () => /"ADDED".*\n/.test(seen))
    await gateway.api('DELETE', `/v1/grants/${granted.json.id}`, token)
    await whole
    const last = JSON.parse(seen.trim().split('\n').at(-1) ?? '')
    assert.deepEqual([last.type, last.object.kind, last.object.status], ['ERROR', 'Status', 'Failure'])
  }
})

test('kubectl port-forward reaches the ports in scope, each connection recorded, and no other', {
  skip,
}, async () => {
  const server = createServer((request, response) => void response.end(`${request.url} from the pod`))
  await new Promise<void>(done => server.listen(forwarded, '127.0.0.1', done))
  home.onEnd(() => void server.close())
  const [near, other] = [await freePort(), await freePort()]
  const forward = kubectl('port-agents', ['port-forward', 'web', `${near}:${forwarded}`, `${other}:22`], {
    timeout: 20_000,
  })
  const ask = (port: number, path: string) =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } }).then(
      answer => answer.text(),
      () => undefined,
    )
  for (let i = 0; i < 5; i++)
    assert.equal(await until('it forwards', () => ask(near, `/${i}`)), `/${i} from the pod`)
  // The port that is not in scope ends the whole tunnel.
  assert.equal(await ask(other, '/'), undefined)
  await until('the tunnel has gone', async () => (await ask(near, '/')) === undefined)
  const ran = await forward
  assert.match(ran.stderr, /lost connection to pod/)
  const journals = (await gateway.dataFiles()).filter(file => file.endsWith('session.jsonl'))
  const all = (await Promise.all(journals.map(file => readFile(file, 'utf8')))).join('\n')
  assert.ok(all.includes(`{"act":"forward","on":"shop/pods/web:${forwarded}"}],"verdict":"allow"`))
  assert.match(all, /"on":"shop\/pods\/web:22"\}\],"verdict":"refused"/)
  assert.match(
    (await kubectl('read-agents', ['port-forward', 'web', ':80'])).stderr,
    /postern: port-forward is not in scope/,
  )
})

/** Runs it until `seen` is in its output, and what `next` changes there too; locks its subject, and waits for its end. */
async function cut(
  group: string,
  who: string,
  args: readonly string[],
  seen: RegExp,
  next?: { readonly change: () => Promise<Ran>; readonly seen: RegExp },
): Promise<Ran> {
  const sub = `${who}@example.com`
  const child = spawn(
    `${import.meta.dirname}/../../bin/postern`,
    ['connect', 'prod', '--', '-n', 'shop', ...args],
    {
      env: {
        ...process.env,
        POSTERN_URL: gateway.url,
        POSTERN_TOKEN: okta.token({ groups: [group], sub }),
        PATH: clientPath,
        HOME: home.dir,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    },
  )
  home.keep(child)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', chunk => (stdout += chunk))
  child.stderr.on('data', chunk => (stderr += chunk))
  const closed = new Promise<number | null>(done => child.once('close', code => done(code)))
  await until(`${who} runs`, () => seen.test(stdout), 20_000)
  if (next) {
    const changed = await next.change()
    assert.equal(changed.status, 0, changed.stderr)
    await until(`${who} hears of a change`, () => next.seen.test(stdout), 20_000)
  }
  const lock = await gateway.api('POST', '/v1/locks', okta.person(['postern-operators']), {
    subject: sub,
    reason: 'test',
  })
  assert.equal(lock.status, 201, lock.text)
  return { status: await closed, stdout, stderr }
}
