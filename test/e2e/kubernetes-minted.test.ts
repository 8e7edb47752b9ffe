/** A token made for each session at a real API server: what it may, that nothing is left of it, also after a crash. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { type Cluster, noCluster, startCluster } from '../fixtures/kubernetes.ts'
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
kind: ServiceAccount
metadata: { name: reader, namespace: shop }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: reader, namespace: shop }
rules: [{ apiGroups: [""], resources: [pods], verbs: [get, list] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: reader, namespace: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader }
subjects: [{ kind: ServiceAccount, name: reader, namespace: shop }]
`

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  cluster = await startCluster(home)
  await cluster.apply(manifest)
  const connection = (name: string, account: string) =>
    cluster.connection(
      name,
      `{ minted: true, service_account: ${account}, admin: { bearer: env:CLUSTER_TOKEN } }`,
    )
  gateway = await startGateway(home, {
    okta,
    connections: connection('prod', 'shop/reader') + connection('gone', 'shop/nobody'),
    env: { CLUSTER_TOKEN: cluster.tokens.admin },
    rules: ['prod', 'gone']
      .map(
        name =>
          `  - { group: sre-agents, connection: ${name}, ttl: 10m, scope: { verbs: [get, list], resources: ["*"], namespaces: [shop], discovery: true } }\n`,
      )
      .join(''),
  })
})
after(() => home?.close())

async function session(
  connection = 'prod',
): Promise<{ get(path: string): Promise<Response>; end(): Promise<void> }> {
  const token = okta.token()
  const granted = await gateway.grant(token, connection)
  assert.equal(granted.status, 201, granted.text)
  const authorization = `Bearer ${granted.json.credential.password}`
  return {
    get: path => fetch(`${gateway.url}/c/${connection}${path}`, { headers: { authorization } }),
    end: async () => void (await gateway.api('DELETE', `/v1/grants/${granted.json.id}`, token)),
  }
}

const anchors = async (): Promise<string> =>
  (await cluster.kubectl(['get', 'secrets', '-n', 'shop', '-l', 'postern.dev/gateway', '-o', 'name'])).stdout

test('a session has a token of the account, which the cluster holds to its own rules', { skip }, async () => {
  const one = await session()
  assert.equal((await one.get('/api/v1/namespaces/shop/pods')).status, 200)
  const refused = await one.get('/api/v1/namespaces/shop/configmaps')
  assert.equal(refused.status, 403)
  assert.match(await refused.text(), /system:serviceaccount:shop:reader/)
  assert.match(await anchors(), /^secret\/postern-\w+\n$/)
  await one.end()
  await until('nothing of it is left', async () => (await anchors()) === '')
})

test('two sessions have two, and a crash leaves none for long', { skip }, async () => {
  const two = [await session(), await session()]
  for (const one of two) assert.equal((await one.get('/api/v1/namespaces/shop/pods')).status, 200)
  assert.equal((await anchors()).split('\n').length, 3)
  await gateway.kill9()
  assert.notEqual(await anchors(), '')
  await gateway.start()
  await until('the sweep has been there', async () => (await anchors()) === '')
})

test('an account that is not there opens nothing and leaves nothing, and the caller learns no names', {
  skip,
}, async () => {
  const one = await session('gone')
  const answer = await one.get('/api/v1/namespaces/shop/pods')
  const text = await answer.text()
  assert.equal(answer.status, 422, text)
  assert.match(text, /could not be prepared/)
  assert.ok(!text.includes('nobody'))
  assert.equal(await anchors(), '')
})

test('no token is in a file or a log', { skip }, async () => {
  const texts = await Promise.all((await gateway.dataFiles()).map(file => readFile(file, 'latin1')))
  const all = texts.join('\n') + (await gateway.log())
  assert.ok(!all.includes(cluster.tokens.admin))
  assert.doesNotMatch(all, /eyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}/)
})
