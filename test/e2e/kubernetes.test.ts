/** A real API server and kubectl, through the door: what a grant allows, what it refuses, what it hides, when it ends. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { type Cluster, clientPath, noCluster, startCluster } from '../fixtures/kubernetes.ts'
import { type Ran, until } from '../fixtures/run.ts'

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
kind: Secret
metadata: { name: card-keys, namespace: shop }
stringData: { key: the-key-of-all-cards }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: shop }
data: { color: blue }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec: { containers: [{ name: app, image: none }] }
`

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  cluster = await startCluster(home)
  await cluster.apply(manifest)
  gateway = await startGateway(home, {
    okta,
    connections: `${cluster.connection('prod')}    token_login: true
${cluster.connection('as-nobody', '{ bearer: env:CLUSTER_TOKEN, impersonate: { user: somebody-without-rights } }')}`,
    env: { CLUSTER_TOKEN: cluster.tokens.admin },
    rules: `
  - { group: reader-agents, connection: prod, ttl: 10m, scope: { verbs: [get, list, watch], resources: [pods, secrets, configmaps, selfsubjectaccessreviews.authorization.k8s.io], namespaces: [shop], discovery: true } }
  - { group: writer-agents, connection: prod, ttl: 10m, scope: { verbs: [get, list, create, patch, delete], resources: [configmaps, secrets, selfsubjectaccessreviews.authorization.k8s.io], namespaces: [shop], discovery: true } }
  - { group: clear-agents, connection: prod, ttl: 10m, scope: { verbs: [get], resources: [secrets], namespaces: [shop], names: [card-keys], secrets: clear, discovery: true } }
  - { group: reader-agents, connection: as-nobody, ttl: 10m, scope: { verbs: [get, list], resources: [pods], namespaces: [shop], discovery: true } }
`,
  })
})
after(() => home?.close())

const kubectl = (group: string, ...args: string[]): Promise<Ran> =>
  gateway.cli(['connect', 'prod', '--', ...args], {
    token: okta.token({ groups: [group] }),
    env: { PATH: clientPath, HOME: home.dir },
  })

/** A request with a grant's password, past kubectl. */
async function ask(
  group: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  more: RequestInit = {},
): Promise<Response> {
  const granted = await gateway.grant(okta.token({ groups: [group] }), 'prod')
  return fetch(`${gateway.url}/c/prod${path}`, {
    ...more,
    headers: { authorization: `Bearer ${granted.json.credential.password}`, ...headers },
  })
}

test('kubectl reads what the grant reads, unchanged', { skip }, async () => {
  const pods = await kubectl('reader-agents', 'get', 'pods', '-n', 'shop')
  assert.equal(pods.status, 0, pods.stderr)
  assert.match(pods.stdout, /^NAME .*\nweb +0\/1 +Pending/)
  const named = await kubectl(
    'reader-agents',
    '-n',
    'shop',
    'get',
    'cm/settings',
    '-o',
    'jsonpath={.data.color}',
  )
  assert.equal(named.stdout, 'blue', named.stderr)
  assert.match((await kubectl('reader-agents', 'version')).stdout, /Server Version: /)
})

test('postern run sets KUBECONFIG for any command', { skip }, async () => {
  const ran = await gateway.cli(
    ['run', 'prod', '--', 'sh', '-c', 'kubectl get cm settings -n shop -o name'],
    {
      token: okta.token({ groups: ['reader-agents'] }),
      env: { PATH: clientPath, HOME: home.dir },
    },
  )
  assert.equal(ran.stdout, 'configmap/settings\n', ran.stderr)
})

test('what is not in scope is Forbidden, in words that kubectl prints', { skip }, async () => {
  const cases: readonly (readonly [RegExp, ...string[]])[] = [
    [/Forbidden.*postern: .*every namespace/s, 'get', 'pods', '-A'],
    [/Forbidden.*postern: namespace kube-system/s, 'get', 'pods', '-n', 'kube-system'],
    [/Forbidden.*postern: .*services is not in scope/s, 'get', 'services', '-n', 'shop'],
    [/Forbidden.*postern: delete is not in scope/s, 'delete', 'pod', 'web', '-n', 'shop'],
    [/postern: .*never allowed/s, 'get', '--raw', '/api/v1/namespaces/shop/pods/web/proxy/'],
    [/postern: .*impersonate-user/s, 'get', '--raw', '/api/v1/namespaces/shop/pods', '--as', 'system:admin'],
    [/postern: .*exec/s, 'exec', '-n', 'shop', 'web', '--', 'id'],
    [/postern: .*\/metrics is not in scope/s, 'get', '--raw', '/metrics'],
  ]
  for (const [said, ...args] of cases) {
    const ran = await kubectl('reader-agents', ...args)
    assert.notEqual(ran.status, 0, args.join(' '))
    assert.match(ran.stderr, said, args.join(' '))
  }
  const still = await cluster.kubectl(['get', 'pod', 'web', '-n', 'shop'])
  assert.equal(still.status, 0, 'it was not deleted')
})

test("Secrets' values stay in the cluster, in whatever form they are asked for", { skip }, async () => {
  const encoded = Buffer.from('the-key-of-all-cards').toString('base64')
  const shown: string[] = []
  for (const output of ['yaml', 'json', 'wide', 'jsonpath={.data}', 'go-template={{.data.key}}'])
    shown.push(
      (await kubectl('reader-agents', 'get', 'secret', 'card-keys', '-n', 'shop', '-o', output)).stdout,
    )
  shown.push((await kubectl('reader-agents', 'get', 'secrets', '-n', 'shop')).stdout)
  const path = '/api/v1/namespaces/shop/secrets'
  for (const accept of [
    'application/json',
    'application/vnd.kubernetes.protobuf',
    'application/json;as=Table;g=meta.k8s.io;v=v1',
    'application/yaml',
    'application/cbor',
    '*/*',
  ]) {
    shown.push(await (await ask('reader-agents', path, { accept })).text())
    shown.push(await (await ask('reader-agents', `${path}?includeObject=Object`, { accept })).text())
  }
  for (const text of shown) {
    assert.match(text, /card-keys|Kioq|key/)
    assert.ok(!text.includes(encoded) && !text.includes('the-key-of-all-cards'), text)
  }
  assert.match(shown[0] ?? '', /key: Kioq\n/)
  // A change that is let through answers with the object.
  const patched = await ask(
    'writer-agents',
    `${path}/card-keys`,
    { 'content-type': 'application/merge-patch+json' },
    {
      method: 'PATCH',
      body: '{"metadata":{"labels":{"touched":"yes"}}}',
    },
  )
  const answer = await patched.text()
  assert.equal(patched.status, 200, answer)
  assert.ok(!answer.includes(encoded))
  const clear = await kubectl(
    'clear-agents',
    'get',
    'secret',
    'card-keys',
    '-n',
    'shop',
    '-o',
    'jsonpath={.data.key}',
  )
  assert.equal(clear.stdout, encoded, clear.stderr)
})

test('a watch of Secrets is masked event by event, and ends with the grant', { skip }, async () => {
  const granted = await gateway.grant(okta.token({ groups: ['reader-agents'] }), 'prod')
  const answer = await fetch(`${gateway.url}/c/prod/api/v1/namespaces/shop/secrets?watch=1`, {
    headers: { authorization: `Bearer ${granted.json.credential.password}` },
  })
  let seen = ''
  const over = (async () => {
    for await (const chunk of answer.body ?? []) seen += Buffer.from(chunk).toString()
  })().then(
    () => 'ended',
    () => 'broken off',
  )
  await until('the first event', () => /"type":"ADDED".*card-keys.*\n/.test(seen))
  await cluster.kubectl([
    'create',
    'secret',
    'generic',
    'later',
    '-n',
    'shop',
    '--from-literal=pin=4711-4711',
  ])
  await until('the next event', () => seen.includes('"later"'))
  assert.ok(!seen.includes(Buffer.from('4711-4711').toString('base64')))
  const since = performance.now()
  await gateway.api('DELETE', `/v1/grants/${granted.json.id}`, okta.token({ groups: ['reader-agents'] }))
  assert.ok(['ended', 'broken off'].includes(await over))
  assert.ok(performance.now() - since < 5000)
})

test('server-side apply, create and delete, where the scope has them', { skip }, async () => {
  const file = `${home.dir}/cm.yaml`
  await writeFile(
    file,
    'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: made, namespace: shop }\ndata: { a: b }\n',
  )
  const applied = await kubectl('writer-agents', 'apply', '--server-side', '-f', file)
  assert.equal(applied.status, 0, applied.stderr)
  assert.match(applied.stdout, /serverside-applied/)
  assert.match((await kubectl('writer-agents', 'delete', '-f', file)).stdout, /deleted/)
  assert.match((await kubectl('writer-agents', 'auth', 'can-i', 'get', 'pods', '-n', 'shop')).stdout, /yes/)
})

test('a lease that impersonates has the rights of whom it names, and its own are not shown', {
  skip,
}, async () => {
  const granted = await gateway.grant(okta.token({ groups: ['reader-agents'] }), 'as-nobody')
  const answer = await fetch(`${gateway.url}/c/as-nobody/api/v1/namespaces/shop/pods`, {
    headers: { authorization: `Bearer ${granted.json.credential.password}` },
  })
  assert.equal(answer.status, 403)
  assert.match(await answer.text(), /User \\"somebody-without-rights\\" cannot list resource/)
})

test('the token itself opens the door where the connection says so; a bad one and a stranger look alike', {
  skip,
}, async () => {
  const at = `${gateway.url}/c/prod/api/v1/namespaces/shop/pods`
  const bearer = async (token: string) => {
    const answer = await fetch(at, { headers: { authorization: `Bearer ${token}` } })
    return `${answer.status} ${((await answer.json()) as { kind: string }).kind}`
  }
  assert.equal(await bearer(okta.token({ groups: ['reader-agents'] })), '200 PodList')
  assert.equal(await bearer('pst_nonsense'), '401 Status')
  assert.equal(await bearer(cluster.tokens.admin), '401 Status')
})

test('a one-shot goes the same way', { skip }, async () => {
  const token = okta.token({ groups: ['reader-agents'] })
  const granted = await gateway.grant(token, 'prod')
  const request = (path: string) =>
    gateway.api('POST', `/v1/grants/${granted.json.id}/request`, token, { method: 'GET', path })
  const pods = await request('/api/v1/namespaces/shop/pods')
  assert.equal(pods.json.status, 200)
  assert.equal(JSON.parse(pods.json.body).items[0].metadata.name, 'web')
  assert.equal((await request('/api/v1/pods')).json.code, 'statement_refused')
  const secrets = await request('/api/v1/namespaces/shop/secrets/card-keys')
  assert.equal(JSON.parse(secrets.json.body).data.key, 'Kioq')
})

test('every request is recorded as what it did, and the lease is nowhere', { skip }, async () => {
  const files = await gateway.dataFiles()
  const texts = await Promise.all(files.map(file => readFile(file, 'utf8')))
  const all = texts.join('\n')
  assert.match(
    all,
    /"kind":"list","text":"GET \/api\/v1\/namespaces\/shop\/pods[^"]*","touches":\[\{"act":"list","on":"shop\/pods"\}\],"verdict":"allow"/,
  )
  assert.match(all, /"verdict":"refused"/)
  for (const secret of [cluster.tokens.admin, 'the-key-of-all-cards'])
    assert.ok(!all.includes(secret) && !all.includes(Buffer.from(secret).toString('base64')))
  assert.ok(!(await gateway.log()).includes(cluster.tokens.admin))
  const verified = await gateway.cli([
    'audit',
    'verify',
    '--data',
    `${gateway.dir}/data`,
    '--key',
    `${gateway.dir}/data/keys/audit.pub.pem`,
  ])
  assert.equal(verified.status, 0, verified.stdout + verified.stderr)
})

test('kubectl get --watch is cut with its grant', { skip }, async () => {
  const token = okta.token({ groups: ['reader-agents'], sub: 'watcher@example.com' })
  const child = spawn(
    `${process.cwd()}/bin/postern`,
    ['connect', 'prod', '--', 'get', 'pods', '-n', 'shop', '-w'],
    {
      env: {
        ...process.env,
        POSTERN_URL: gateway.url,
        POSTERN_TOKEN: token,
        PATH: clientPath,
        HOME: home.dir,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  home.keep(child)
  let out = ''
  child.stdout.on('data', chunk => (out += chunk))
  const closed = new Promise<number | null>(done => child.once('close', code => done(code)))
  await until('it watches', () => out.includes('web'), 15_000)
  const lock = await gateway.api('POST', '/v1/locks', okta.person(['postern-operators']), {
    subject: 'watcher@example.com',
    reason: 'test',
  })
  assert.equal(lock.status, 201)
  assert.notEqual(await closed, null)
})
