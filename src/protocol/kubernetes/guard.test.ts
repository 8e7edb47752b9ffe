import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPath } from '../../statement/http/target.ts'
import { type Head, lowered } from '../http/index.ts'
import { judgeKubernetes } from './guard.ts'
import { type KubernetesScope, kubernetesScope } from './scope.ts'

const scopeOf = (said: object): KubernetesScope => kubernetesScope.schema.parse(said)

function headOf(line: string, headers: Readonly<Record<string, string>> = {}): Head {
  const [method = '', raw = ''] = line.split(' ')
  const kind = headers['Upgrade'] === 'websocket' ? 'upgrade' : 'request'
  const rawHeaders = lowered(Object.entries(headers).flat())
  return { kind, method, raw, target: readPath(raw), rawHeaders, length: 0, contentType: undefined }
}

function judge(scope: KubernetesScope, line: string, headers?: Readonly<Record<string, string>>): string {
  const { verdict } = judgeKubernetes(scope, headOf(line, headers))
  return verdict.allow ? 'yes' : verdict.denial.detail
}

const reader = scopeOf({
  verbs: ['get', 'list', 'watch'],
  resources: ['pods', 'pods/log', 'deployments.apps', 'nodes'],
  namespaces: ['shop'],
  discovery: true,
})

const allowed: readonly string[] = [
  'GET /api/v1/namespaces/shop/pods',
  'GET /api/v1/namespaces/shop/pods?watch=1&resourceVersion=7',
  'GET /api/v1/namespaces/shop/pods/web',
  'GET /api/v1/namespaces/shop/pods/web/log?follow=true',
  'GET /apis/apps/v1/namespaces/shop/deployments',
  'GET /api/v1/nodes',
  'GET /api/v1/nodes/n1',
  'GET /version',
  'GET /api',
  'GET /api/v1',
  'GET /apis/apps/v1',
  'GET /openapi/v3/apis/apps/v1?hash=1',
]
const refused: readonly (readonly [string, RegExp])[] = [
  ['GET /api/v1/pods', /every namespace/],
  ['GET /apis/apps/v1/deployments?watch=1', /every namespace/],
  ['GET /api/v1/namespaces/kube-system/pods', /namespace kube-system/],
  ['GET /api/v1/namespaces/shop/secrets', /secrets is not in scope/],
  ['GET /api/v1/namespaces/shop/pods.metrics', /is not in scope/],
  ['GET /apis/metrics.k8s.io/v1/namespaces/shop/pods', /pods.metrics.k8s.io is not in scope/],
  ['GET /api/v1/namespaces/shop/deployments', /deployments is not in scope/],
  ['GET /apis/example.com/v1/namespaces/shop/deployments', /deployments.example.com is not in scope/],
  ['GET /api/v1/namespaces/shop', /namespaces is not in scope/],
  ['GET /api/v1/namespaces', /every namespace/],
  ['POST /api/v1/namespaces/shop/pods', /create is not in scope/],
  ['PUT /api/v1/namespaces/shop/pods/web', /update is not in scope/],
  ['PATCH /api/v1/namespaces/shop/pods/web', /patch is not in scope/],
  ['DELETE /api/v1/namespaces/shop/pods/web', /delete is not in scope/],
  ['DELETE /api/v1/namespaces/shop/pods', /deletecollection is not in scope/],
  ['GET /api/v1/namespaces/shop/pods/web/exec?command=ls', /exec is not in scope/],
  ['POST /api/v1/namespaces/shop/pods/web/exec?command=ls', /exec is not in scope/],
  ['GET /api/v1/namespaces/shop/pods/web/log/more', /behind a subresource/],
  ['GET /api/v1/namespaces/shop/pods/web/proxy/', /never allowed/],
  ['GET /api/v1/nodes/n1/proxy/metrics', /every namespace|never allowed/],
  ['GET /api/v1/namespaces/shop/services/web:80/proxy/', /never allowed/],
  ['GET /apis/apps/v1/namespaces/shop/deployments/web/scale', /scale is not in scope/],
  ['PATCH /api/v1/namespaces/shop/pods/web/ephemeralcontainers', /ephemeralcontainers is not in scope/],
  ['POST /api/v1/namespaces/shop/pods/web/eviction', /eviction is not in scope/],
  ['POST /api/v1/namespaces/shop/serviceaccounts/default/token', /serviceaccounts\/token is not in scope/],
  ['GET /metrics', /\/metrics is not in scope/],
  ['GET /logs/', /\/logs\/ is not in scope/],
  ['GET /debug/pprof/', /is not in scope/],
  ['POST /version', /only read/],
  ['GET /api/v1/watch/namespaces/shop/secrets', /deprecated/],
]

test('a scope that reads in one namespace reads there, and nothing else', () => {
  for (const line of allowed) assert.equal(judge(reader, line), 'yes', line)
  for (const [line, why] of refused) assert.match(judge(reader, line), why, line)
})

test('whoever wants to be somebody else is refused, not ignored (attack 136)', () => {
  for (const name of ['Impersonate-User', 'impersonate-group', 'Impersonate-Uid', 'Impersonate-Extra-scopes'])
    assert.match(
      judge(reader, 'GET /api/v1/namespaces/shop/pods', { [name]: 'admin' }),
      /cannot be used here/,
    )
})

test('names limit what is got, listed and written, and lists must select one', () => {
  const named = scopeOf({
    verbs: ['get', 'list', 'watch', 'create', 'update', 'delete', 'deletecollection'],
    resources: ['configmaps', 'configmaps/status'],
    namespaces: ['shop'],
    names: ['settings'],
  })
  const yes = [
    'GET /api/v1/namespaces/shop/configmaps/settings',
    'GET /api/v1/namespaces/shop/configmaps?fieldSelector=metadata.name%3Dsettings',
    'GET /api/v1/namespaces/shop/configmaps?fieldSelector=metadata.name%3Dsettings&watch=1',
    'PUT /api/v1/namespaces/shop/configmaps/settings',
    'DELETE /api/v1/namespaces/shop/configmaps/settings',
  ]
  const no = [
    'GET /api/v1/namespaces/shop/configmaps/other',
    'GET /api/v1/namespaces/shop/configmaps?fieldSelector=metadata.name%3Dother',
    'GET /api/v1/namespaces/shop/configmaps?fieldSelector=metadata.name!=settings',
    'POST /api/v1/namespaces/shop/configmaps',
    'DELETE /api/v1/namespaces/shop/configmaps',
    'DELETE /api/v1/namespaces/shop/configmaps?fieldSelector=metadata.name%3Dsettings',
    'PUT /api/v1/namespaces/shop/configmaps/Settings',
  ]
  for (const line of yes) assert.equal(judge(named, line), 'yes', line)
  for (const line of no) assert.notEqual(judge(named, line), 'yes', line)
})

test('where one name is in scope, a list that selects nothing is made to select it', () => {
  const said = { verbs: ['list', 'watch'], resources: ['configmaps'], namespaces: ['shop'] }
  const one = scopeOf({ ...said, names: ['settings'] })
  const sent = (scope: KubernetesScope, line: string) => {
    const { verdict, path } = judgeKubernetes(scope, headOf(line))
    return verdict.allow ? path : 'no'
  }
  const at = '/api/v1/namespaces/shop/configmaps'
  assert.equal(sent(one, `GET ${at}`), `${at}?fieldSelector=metadata.name%3Dsettings`)
  assert.equal(sent(one, `GET ${at}?watch=1`), `${at}?watch=1&fieldSelector=metadata.name%3Dsettings`)
  assert.equal(
    sent(one, `GET ${at}?labelSelector=a%3Db`),
    `${at}?labelSelector=a%3Db&fieldSelector=metadata.name%3Dsettings`,
  )
  assert.equal(sent(one, `GET ${at}?fieldSelector=type%3Dx`), 'no')
  assert.equal(sent(scopeOf({ ...said, names: ['settings', 'other'] }), `GET ${at}`), 'no')
  assert.equal(sent(scopeOf(said), `GET ${at}`), at)
})

test('without create in scope nothing is made by a PUT, an apply or a patch of an unknown type', () => {
  const resources = [
    ...['*', 'services/status', 'deployments.apps/scale', 'pods/status', 'things.example.com/status'],
  ]
  const changes = scopeOf({ verbs: ['update', 'patch'], resources, namespaces: ['shop'] })
  const both = scopeOf({ verbs: ['update', 'patch', 'create'], resources, namespaces: ['shop'] })
  const allows = (scope: KubernetesScope, method: string, path: string, contentType: string | undefined) => {
    const [api = '', rest = ''] = path.split(' ')
    const head = headOf(`${method} ${api}/namespaces/shop/${rest}`)
    return judgeKubernetes(scope, { ...head, contentType }).verdict.allow
  }
  const [core, apps, rbac] = ['/api/v1', '/apis/apps/v1', '/apis/rbac.authorization.k8s.io/v1']
  const patches = ['json-patch', 'merge-patch', 'strategic-merge-patch'].map(of => `application/${of}+json`)
  const others = [
    'application/apply-patch+yaml',
    'application/apply-patch+cbor',
    'application/json',
    undefined,
  ]
  const objects = [`${core} pods/x`, `${core} services/x`, `${rbac} roles/x`, `${apps} deployments/x`]
  for (const path of objects) {
    for (const type of patches) assert.ok(allows(changes, 'PATCH', path, type), `${path} ${type}`)
    for (const type of others) {
      assert.ok(!allows(changes, 'PATCH', path, type), `${path} ${type}`)
      assert.ok(allows(both, 'PATCH', path, type), `${path} ${type}`)
    }
  }
  const changed = [`${core} pods/x`, `${core} configmaps/x`, `${apps} deployments/x`]
  const below = [`${core} pods/x/status`, `${apps} deployments/x/scale`]
  const made = [
    ...['services/x', 'services/x/status', 'endpoints/x', 'limitranges/x', 'events/x'].map(
      x => `${core} ${x}`,
    ),
    ...[`${rbac} roles/x`, `${rbac} rolebindings/x`, '/apis/coordination.k8s.io/v1 leases/x'],
    // A name that is one of the server's own in another group is another kind.
    ...[
      '/apis/example.com/v1 things/x',
      '/apis/example.com/v1 things/x/status',
      '/apis/example.com/v1 pods/x',
    ],
  ]
  for (const path of [...changed, ...below]) assert.ok(allows(changes, 'PUT', path, 'application/json'), path)
  for (const path of below) assert.ok(allows(changes, 'PATCH', path, 'application/apply-patch+yaml'), path)
  for (const path of made) {
    assert.ok(!allows(changes, 'PUT', path, 'application/json'), path)
    assert.ok(!allows(changes, 'PATCH', path, 'application/apply-patch+yaml'), path)
    assert.ok(allows(both, 'PUT', path, 'application/json'), path)
  }
})

test('a masked Secret takes no write that could move its values or guess them', () => {
  const said = {
    verbs: ['get', 'create', 'update', 'patch', 'delete'],
    resources: ['secrets', 'configmaps'],
    namespaces: ['shop'],
  }
  const allows = (scope: KubernetesScope, line: string, contentType?: string) =>
    judgeKubernetes(scope, { ...headOf(line), contentType }).verdict.allow
  const masked = scopeOf(said)
  const clear = scopeOf({ ...said, secrets: 'clear' })
  const at = '/api/v1/namespaces/shop'
  for (const type of ['application/merge-patch+json', 'application/strategic-merge-patch+json'])
    assert.ok(allows(masked, `PATCH ${at}/secrets/x`, type), type)
  for (const line of [`GET ${at}/secrets/x`, `POST ${at}/secrets`, `DELETE ${at}/secrets/x`])
    assert.ok(allows(masked, line), line)
  const patch = `PATCH ${at}/secrets/x`
  const refusals: readonly (readonly [string, string | undefined])[] = [
    [patch, 'application/json-patch+json'],
    [patch, 'application/json'],
    [patch, 'application/apply-patch+yaml'],
    [`${patch}?dryRun=All&force=true`, 'application/apply-patch+yaml'],
    [patch, 'application/apply-patch+cbor'],
    [patch, undefined],
    [`PUT ${at}/secrets/x`, 'application/json'],
    [`PUT ${at}/secrets/x?dryRun=All`, 'application/json'],
  ]
  for (const [line, type] of refusals) {
    assert.ok(!allows(masked, line, type), `${line} ${type}`)
    assert.ok(allows(masked, line.replace('secrets', 'configmaps'), type), `${line} ${type}`)
    assert.ok(allows(clear, line, type), `${line} ${type}`)
  }
})

test('asking what one may needs no verb: it changes nothing', () => {
  const can = 'POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
  assert.equal(judge(reader, can), 'yes')
  assert.notEqual(judge(scopeOf({ ...reader, discovery: false }), can), 'yes')
  assert.notEqual(judge(reader, can.replace('self', '')), 'yes')
})

const ws = { Upgrade: 'websocket', 'Sec-WebSocket-Protocol': 'v5.channel.k8s.io, v4.channel.k8s.io' }
const pod = 'GET /api/v1/namespaces/shop/pods/web'

test('an exec is its command, word by word', () => {
  const runs = scopeOf({
    namespaces: ['shop'],
    exec: ['cat /etc/hosts', 'ls *', ['grep', '-r', '*', '/var/log']],
  })
  const yes = [
    'command=cat&command=%2Fetc%2Fhosts',
    'command=ls&command=a&command=b&container=app',
    'command=grep&command=-r&command=x%3By&command=%2Fvar%2Flog',
  ]
  const no = [
    'command=cat&command=%2Fetc%2Fshadow',
    'command=cat',
    'command=cat%20%2Fetc%2Fhosts',
    'command=sh&command=-c&command=cat%20%2Fetc%2Fhosts',
    'command=ls&command=-l',
    'command=ls&command=..%2F..',
    'command=ls%3Bid',
    'command=LS&command=a',
    'command=',
    'stdin=true',
    '',
  ]
  for (const query of yes) assert.equal(judge(runs, `${pod}/exec?${query}`, ws), 'yes', query)
  for (const query of no) assert.notEqual(judge(runs, `${pod}/exec?${query}`, ws), 'yes', query)
  assert.match(
    judge(runs, 'GET /api/v1/namespaces/other/pods/web/exec?command=ls&command=a', ws),
    /namespace other/,
  )
  assert.match(judge(runs, `${pod}/attach?stdin=true`, ws), /attach is not in scope/)
  assert.equal(judge(scopeOf({ namespaces: ['shop'], exec: ['*'] }), `${pod}/attach?stdin=true`, ws), 'yes')
  assert.match(judge(reader, `${pod}/exec?command=ls`, ws), /exec is not in scope/)
  assert.match(
    judge(scopeOf({ namespaces: ['shop'], names: ['db'], exec: ['*'] }), `${pod}/exec?command=ls`, ws),
    /web is not in scope/,
  )
})

test('streams go over channels that can be read', () => {
  const runs = scopeOf({ namespaces: ['shop'], exec: ['*'], port_forward: [8080] })
  const over = (protocol: string) => ({ Upgrade: 'websocket', 'Sec-WebSocket-Protocol': protocol })
  assert.match(judge(runs, `${pod}/exec?command=ls`, { Upgrade: 'SPDY/3.1' }), /over SPDY/)
  assert.match(judge(runs, `${pod}/exec?command=ls`, over('base64.channel.k8s.io')), /base64/)
  const tunnel = 'SPDY/3.1+portforward.k8s.io'
  assert.equal(judge(runs, `${pod}/portforward`, over(tunnel)), 'yes')
  assert.match(
    judge(runs, `${pod}/portforward?ports=22`, over(tunnel)),
    /both in the request and in the tunnel/,
  )
  assert.match(judge(runs, `${pod}/portforward`, over(`${tunnel}, v4.channel.k8s.io`)), /not passed on/)
  assert.match(judge(runs, `${pod}/exec?command=ls`, over(tunnel)), /not passed on/)
  assert.match(
    judge(scopeOf({ namespaces: ['shop'], exec: ['*'] }), `${pod}/portforward`, over(tunnel)),
    /not in scope/,
  )
  assert.match(judge(runs, `${pod}/portforward`, over('v4.channel.k8s.io')), /does not name its ports/)
  assert.match(judge(runs, `${pod}/portforward?ports=22`, over('v4.channel.k8s.io')), /port 22/)
  assert.match(judge(runs, `${pod}/portforward?ports=8080&ports=22`, over('v4.channel.k8s.io')), /port 22/)
  assert.match(judge(runs, `${pod}/portforward?ports=8080,22`, over('v4.channel.k8s.io')), /port 22/)
  assert.equal(judge(runs, `${pod}/portforward?ports=8080`, over('v4.channel.k8s.io')), 'yes')
  assert.match(judge(reader, `${pod}/log?follow=1`, ws), /no WebSocket/)
  assert.match(judge(reader, 'GET /version', ws), /no WebSocket/)
})

test('a star is every resource, and no subresource', () => {
  const all = scopeOf({
    verbs: ['get', 'list', 'create'],
    resources: ['*'],
    namespaces: ['*'],
    non_resource: ['/metrics', '/logs/*'],
  })
  for (const line of [
    'GET /api/v1/pods',
    'GET /api/v1/nodes',
    'GET /apis/x.io/v1/things/y',
    'GET /metrics',
    'GET /logs/a',
  ])
    assert.equal(judge(all, line), 'yes', line)
  for (const line of [
    `${pod}/log`,
    `${pod}/exec?command=ls`,
    `${pod}/proxy`,
    'GET /metrics/x',
    'GET /version',
    'POST /api/v1/namespaces/x/serviceaccounts/d/token',
  ])
    assert.notEqual(judge(all, line), 'yes', line)
})

test('what can never be allowed is no scope', () => {
  for (const said of [
    { resources: ['pods/proxy'] },
    { resources: ['nodes/proxy'] },
    { resources: ['services/proxy'] },
    { resources: ['pods/exec'] },
    { resources: ['Pods'] },
    { resources: ['*/log'] },
    { namespaces: ['sho*'] },
    { verbs: ['*'] },
    { verbs: ['impersonate'] },
    { non_resource: ['/api/v1/secrets'] },
    { non_resource: ['/apis*'] },
    { non_resource: ['*'] },
    { secrets: 'no' },
    { ports: [1] },
  ])
    assert.equal(kubernetesScope.schema.safeParse(said).success, false, JSON.stringify(said))
})

test('scopes meet in what both allow', () => {
  const wide = scopeOf({
    verbs: ['get', 'list'],
    resources: ['*', 'pods/log'],
    namespaces: ['*'],
    exec: ['*'],
    port_forward: [80, 81],
    discovery: true,
    non_resource: ['/logs/*'],
    secrets: 'clear',
  })
  assert.deepEqual(kubernetesScope.meet(wide, {}), wide)
  assert.deepEqual(kubernetesScope.meet(wide, wide), wide)
  const met = kubernetesScope.meet(wide, {
    verbs: ['get', 'delete'],
    resources: ['secrets', 'pods/log', 'pods/status'],
    namespaces: ['shop'],
    names: ['a'],
    exec: ['ls'],
    port_forward: [81, 82],
    non_resource: ['/logs/a', '/metrics'],
    secrets: 'masked',
  })
  assert.deepEqual(met, {
    verbs: ['get'],
    resources: ['pods/log', 'secrets'],
    namespaces: ['shop'],
    names: ['a'],
    exec: ['ls'],
    port_forward: [81],
    discovery: true,
    non_resource: ['/logs/a'],
    secrets: 'masked',
  })
  assert.equal(kubernetesScope.meet(met, { secrets: 'clear' }).secrets, 'masked')
  assert.ok(kubernetesScope.isEmpty(kubernetesScope.meet(wide, { namespaces: [], non_resource: [] })))
  assert.ok(kubernetesScope.isEmpty(scopeOf({ discovery: true })))
  assert.ok(kubernetesScope.isEmpty(scopeOf({ verbs: ['get'], resources: ['pods'] })))
  assert.ok(!kubernetesScope.isEmpty(scopeOf({ verbs: ['get'], resources: ['nodes'] })))
})
