/** What writes to a real API server may do: change what is there, and make what is not only where `create` is in scope. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { updateOnly } from '../../src/protocol/kubernetes/creating.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { type Cluster, clientPath, noCluster, startCluster } from '../fixtures/kubernetes.ts'
import type { Ran } from '../fixtures/run.ts'

const skip = noCluster
let home: Home
let okta: FakeOkta
let cluster: Cluster
let gateway: Gateway

const deployment = (name: string, replicas = 1) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: shop }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template: { metadata: { labels: { app: ${name} } }, spec: { containers: [{ name: app, image: none }] } }
`
const settings = (name: string, color: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: ${name}, namespace: shop }
data: { color: ${color} }
`
const kinds =
  'configmaps, pods, services, services/status, endpoints, limitranges, events, deployments.apps, deployments.apps/scale, ' +
  'leases.coordination.k8s.io, roles.rbac.authorization.k8s.io, rolebindings.rbac.authorization.k8s.io'

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  cluster = await startCluster(home)
  await cluster.apply(
    `apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n---${deployment('web')}---${settings('settings', 'blue')}`,
  )
  const where = `resources: [${kinds}], namespaces: [shop], discovery: true`
  gateway = await startGateway(home, {
    okta,
    connections: cluster.connection('prod'),
    env: { CLUSTER_TOKEN: cluster.tokens.admin },
    rules: `
  - { group: change-agents, connection: prod, ttl: 10m, scope: { verbs: [get, list, update, patch], ${where} } }
  - { group: make-agents, connection: prod, ttl: 10m, scope: { verbs: [get, list, create, update, patch], ${where} } }
  - { group: named-agents, connection: prod, ttl: 10m, scope: { verbs: [get, update, patch], names: [settings, new-one], ${where} } }
  - { group: naming-agents, connection: prod, ttl: 10m, scope: { verbs: [get, create, update, patch], names: [settings, named], ${where} } }
`,
  })
})
after(() => home?.close())

const passwords = new Map<string, string>()

/** A request with the group's grant, past kubectl. */
async function ask(group: string, method: string, path: string, body: object, type = 'application/json') {
  if (!passwords.has(group)) {
    const { json } = await gateway.grant(okta.token({ groups: [group] }), 'prod')
    passwords.set(group, json.credential.password)
  }
  const headers = { authorization: `Bearer ${passwords.get(group)}`, 'content-type': type }
  const answer = await fetch(`${gateway.url}/c/prod${path}`, { method, headers, body: JSON.stringify(body) })
  return { status: answer.status, text: await answer.text() }
}

const kubectl = (group: string, args: readonly string[], input = ''): Promise<Ran> =>
  gateway.cli(['connect', 'prod', '--', '-n', 'shop', ...args], {
    input,
    token: okta.token({ groups: [group] }),
    env: { PATH: clientPath, HOME: home.dir },
  })

const apply = 'application/apply-patch+yaml'
const metadata = { name: 'new-one', namespace: 'shop' }
const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' }
const evil = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'evil' }]

/** What the API server makes of a PUT of a name that is not there, and what it makes of an apply. */
const created: readonly (readonly [string, object])[] = [
  ['/api/v1/namespaces/shop/endpoints', { apiVersion: 'v1', kind: 'Endpoints' }],
  ['/api/v1/namespaces/shop/limitranges', { apiVersion: 'v1', kind: 'LimitRange' }],
  [
    '/api/v1/namespaces/shop/services',
    { apiVersion: 'v1', kind: 'Service', spec: { ports: [{ port: 80 }], selector: { app: 'web' } } },
  ],
  [
    '/api/v1/namespaces/shop/events',
    { apiVersion: 'v1', kind: 'Event', involvedObject: { namespace: 'shop' } },
  ],
  [
    '/apis/coordination.k8s.io/v1/namespaces/shop/leases',
    { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' },
  ],
  [
    '/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings',
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', roleRef: role, subjects: evil },
  ],
]

test('without create nothing is made, by a PUT or by an apply', { skip }, async () => {
  const settled = { apiVersion: 'v1', kind: 'ConfigMap', metadata }
  for (const group of ['change-agents', 'named-agents'])
    for (const [at, object] of [...created, ['/api/v1/namespaces/shop/configmaps', settled] as const]) {
      const body = { ...object, metadata }
      for (const query of ['?fieldManager=x', '?fieldManager=x&dryRun=All', '?fieldManager=x&force=true']) {
        const applied = await ask(group, 'PATCH', `${at}/new-one${query}`, body, apply)
        assert.equal(applied.status, 403, `${at} ${applied.text}`)
        assert.match(applied.text, /makes what is not there, and create is not in scope/)
      }
      const put = await ask(group, 'PUT', `${at}/new-one`, body)
      assert.equal(put.status, at.endsWith('/configmaps') ? 404 : 403, `${at} ${put.text}`)
      const found = await cluster.kubectl(['get', '--raw', `${at}/new-one`])
      assert.match(found.stderr, /NotFound/, at)
    }
})

test('a subresource is no way round: a PUT of services/status makes a service', { skip }, async () => {
  const service = { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 80 }] } }
  const at = '/api/v1/namespaces/shop/services/new-one/status'
  for (const [method, type] of [
    ['PUT', 'application/json'],
    ['PATCH', apply],
  ] as const) {
    const answer = await ask('change-agents', method, at, service, type)
    assert.deepEqual([answer.status, method], [403, method], answer.text)
  }
  // Where create is in scope the API server makes it: the refusal above is not for nothing.
  const made = await ask('make-agents', 'PUT', at, service)
  assert.equal(made.status, 201, made.text)
})

test('with create it is made, and of limited names only one of those', { skip }, async () => {
  for (const [at, object] of created) {
    const put = await ask('make-agents', 'PUT', `${at}/put-one`, {
      ...object,
      metadata: { ...metadata, name: 'put-one' },
    })
    assert.equal(put.status, 201, `${at} ${put.text}`)
  }
  const one = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata, name } })
  const at = '/api/v1/namespaces/shop/configmaps'
  const named = (path: string, name: string) =>
    ask('naming-agents', 'PATCH', `${at}/${path}?fieldManager=x`, one(name), apply)
  assert.equal((await named('other', 'other')).status, 403)
  // Its name stands in the body too, where the API server compares them.
  assert.equal((await named('named', 'other')).status, 400)
  assert.equal((await named('named', 'named')).status, 201)
  assert.equal((await ask('naming-agents', 'POST', at, one('named'))).status, 403)
})

test('the kinds that count as never made by a PUT are not, on this API server', { skip }, async () => {
  const { stdout } = await cluster.kubectl(['api-resources', '--no-headers', '-o', 'wide'])
  const known = new Map(
    stdout
      .trim()
      .split('\n')
      .map(line => {
        const [, name = '', version = '', namespaced, kind = ''] =
          /^(\S+) .*?(\S+) +(true|false) +(\S+)/.exec(line) ?? []
        const [group = '', v] = version.includes('/') ? version.split('/') : ['', version]
        const at = `${group === '' ? '/api' : `/apis/${group}`}/${v}${namespaced === 'true' ? '/namespaces/shop' : ''}/${name}`
        return [group === '' ? name : `${name}.${group}`, { at, version, kind }] as const
      }),
  )
  for (const one of updateOnly) {
    const { at = '', version, kind } = known.get(one) ?? {}
    const object = { apiVersion: version, kind, metadata: { name: 'never' } }
    const put = await cluster.kubectl(['replace', '--raw', `${at}/never`, '-f', '-'], JSON.stringify(object))
    assert.match(put.stderr, /NotFound/, `${one} at ${at}: ${put.stdout}`)
  }
})

test('kubectl changes what is there without create: replace, edit, label, annotate, scale, patch, apply', {
  skip,
}, async () => {
  const file = `${home.dir}/settings.yaml`
  await writeFile(file, settings('settings', 'green'))
  const runs: readonly (readonly [RegExp, ...string[]])[] = [
    [/replaced/, 'replace', '-f', file],
    [/labeled/, 'label', 'deployment', 'web', 'tier=front'],
    [/annotated/, 'annotate', 'cm', 'settings', 'note=seen'],
    [/scaled/, 'scale', 'deployment', 'web', '--replicas=3'],
    [/patched/, 'patch', 'cm', 'settings', '--type=merge', '-p', '{"data":{"a":"b"}}'],
    [/patched/, 'patch', 'cm', 'settings', '--type=json', '-p', '[{"op":"remove","path":"/data/a"}]'],
    [/configured/, 'apply', '-f', file],
  ]
  for (const [said, ...args] of runs) {
    const ran = await kubectl('change-agents', args)
    assert.match(ran.stdout, said, `${args.join(' ')}: ${ran.stderr}`)
  }
  const edited = await gateway.cli(['connect', 'prod', '--', '-n', 'shop', 'edit', 'cm', 'settings'], {
    token: okta.token({ groups: ['change-agents'] }),
    env: { PATH: clientPath, HOME: home.dir, KUBE_EDITOR: "sed -i 's/color: green/color: red/'" },
  })
  assert.match(edited.stdout, /edited/, edited.stderr)
  const left = await cluster.kubectl(['get', 'cm', 'settings', '-n', 'shop', '-o', 'jsonpath={.data}'])
  assert.equal(left.stdout, '{"color":"red"}')
})

test('kubectl applies in both its ways where create and patch are in scope, and says why where not', {
  skip,
}, async () => {
  for (const [name, ...flags] of [['client-side'], ['server-side', '--server-side']] as const)
    for (const [said, color] of [
      [/created|serverside-applied/, 'blue'],
      [/configured|serverside-applied/, 'green'],
    ] as const) {
      const ran = await kubectl('make-agents', ['apply', ...flags, '-f', '-'], settings(name, color))
      assert.match(ran.stdout, said, ran.stderr)
    }
  const refused = await kubectl(
    'change-agents',
    ['apply', '--server-side', '-f', '-'],
    settings('settings', 'x'),
  )
  assert.match(refused.stderr, /postern: .*create is not in scope/)
})
