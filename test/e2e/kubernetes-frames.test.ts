/** An exec frame by frame, past every client: what the API server takes for a message is recorded as that, or refused. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { type Cluster, clientPath, noCluster, startCluster, startKubelet } from '../fixtures/kubernetes.ts'
import { until } from '../fixtures/run.ts'

const skip = noCluster
let home: Home
let okta: FakeOkta
let cluster: Cluster
let gateway: Gateway

const manifest = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop }
spec: { nodeName: n1, containers: [{ name: app, image: none }] }
`

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  cluster = await startCluster(home)
  await startKubelet(home, cluster)
  await cluster.apply(manifest)
  const runs = ['--subresource=status', '--type=merge', '-p', '{"status":{"phase":"Running"}}']
  const patched = await cluster.kubectl(['patch', 'pod', 'web', '-n', 'shop', ...runs])
  assert.equal(patched.status, 0, patched.stderr)
  gateway = await startGateway(home, {
    okta,
    connections: cluster.connection('prod'),
    env: { CLUSTER_TOKEN: cluster.tokens.admin },
    rules: `
  - { group: any-agents, connection: prod, ttl: 10m, scope: { verbs: [get], resources: [pods], namespaces: [shop], exec: ["*"], discovery: true } }
`,
  })
})
after(() => home?.close())

/** A client's frame; `first` is FIN and the opcode. */
function frame(first: number, channel: number | undefined, text: string): Buffer {
  const payload = Buffer.concat([Buffer.from(channel === undefined ? [] : [channel]), Buffer.from(text)])
  assert.ok(payload.length < 126)
  return Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}
const whole = 0x82
const beginning = 0x02
const going = 0x00
const ending = 0x80

interface Said {
  /** What came back, frames and all. */
  readonly text: string
  readonly journal: string
}

/** Writes them one by one into an exec of `sh`, and waits until it is over. */
async function exec(...frames: readonly Buffer[]): Promise<Said> {
  const token = okta.token({ groups: ['any-agents'] })
  const { json } = await gateway.grant(token, 'prod')
  const socket = connect(gateway.ports.http, '127.0.0.1')
  let text = ''
  let isOver = false
  socket.on('error', () => undefined).on('close', () => (isOver = true))
  socket.on('data', bytes => (text += bytes.toString('latin1')))
  const query = 'command=sh&stdin=true&stdout=true&stderr=true'
  const lines = [
    `GET /c/prod/api/v1/namespaces/shop/pods/web/exec?${query} HTTP/1.1`,
    `host: 127.0.0.1:${gateway.ports.http}`,
    `authorization: Bearer ${json.credential.password}`,
    'connection: upgrade',
    'upgrade: websocket',
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-version: 13',
    'sec-websocket-protocol: v5.channel.k8s.io',
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  await until('it is open', () => text.includes('101 Switching Protocols'))
  for (const one of frames) {
    socket.write(one)
    await new Promise(done => setTimeout(done, 30))
  }
  await until('it is over', () => isOver || /"status":"(Success|Failure)"/.test(text))
  socket.destroy()
  // A grant that ends while the gateway still says goodbye would be the end that is recorded.
  await new Promise(done => setTimeout(done, 400))
  await gateway.api('DELETE', `/v1/grants/${json.id}`, token)
  const journals = (await gateway.dataFiles()).filter(file => file.endsWith('session.jsonl'))
  const texts = await Promise.all(journals.map(file => readFile(file, 'utf8')))
  return { text, journal: texts.find(one => one.includes(json.id)) ?? '' }
}

const typed = 'echo seen | tr a-z A-Z\nexit 3\n'
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

test('what is typed in whole messages reaches the command, and is what the recording says', {
  skip,
}, async () => {
  const { text, journal } = await exec(frame(whole, 0, typed))
  assert.match(text, /SEEN/)
  assert.ok(journal.includes(sha256(typed)), journal)
})

test('a message in fragments is refused: each of them is a message to the API server', { skip }, async () => {
  const evasions: Readonly<Record<string, readonly Buffer[]>> = {
    'behind another channel': [frame(beginning, 1, ''), frame(ending, 0, typed)],
    'behind an empty beginning': [frame(beginning, undefined, ''), frame(ending, 0, typed)],
    'in the middle': [frame(beginning, 9, ''), frame(going, 0, typed), frame(ending, 9, '')],
    'of a message that never began': [frame(ending, 0, typed)],
    'begun on its own channel': [frame(beginning, 0, 'echo '), frame(ending, 0, typed)],
  }
  for (const [what, frames] of Object.entries(evasions)) {
    const { text, journal } = await exec(...frames)
    assert.doesNotMatch(text, /SEEN/, what)
    assert.match(journal, /"code":"(statement_unparsable|protocol_violation)"/, what)
  }
})

test('a message within another is refused', { skip }, async () => {
  const { text, journal } = await exec(frame(beginning, 1, ''), frame(whole, 0, typed))
  assert.doesNotMatch(text, /SEEN/)
  assert.match(journal, /"code":"protocol_violation"/)
})

test('what kubectl sends and gets is whole, however long it is', { skip }, async () => {
  const long = `${'x'.repeat(99)}\n`.repeat(20_000)
  const ran = await gateway.cli(['connect', 'prod', '--', '-n', 'shop', 'exec', '-i', 'web', '--', 'cat'], {
    input: long,
    token: okta.token({ groups: ['any-agents'] }),
    env: { PATH: clientPath, HOME: home.dir },
  })
  assert.ok(ran.stdout === long, ran.stderr)
})
