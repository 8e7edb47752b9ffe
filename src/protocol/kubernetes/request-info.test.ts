import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPath } from '../../statement/http/target.ts'
import { readRequestInfo } from './request-info.ts'

/** `verb namespace/resource.group/subresource name`, a path, or why not. */
function read(line: string): string {
  const [method = '', raw = ''] = line.split(' ')
  const target = readPath(raw)
  if ('unreadable' in target) return `unreadable: ${target.unreadable}`
  const info = readRequestInfo(method, target.path, target.query)
  if (info.is === 'unreadable') return `unreadable: ${info.why}`
  if (info.is === 'path') return `${info.verb} ${info.path}`
  const kind = `${info.resource}${info.group === '' ? '' : `.${info.group}`}`
  const whole = info.subresource === undefined ? kind : `${kind}/${info.subresource}`
  return `${info.verb} ${info.namespace ?? '-'} ${whole} ${info.name ?? '-'}`
}

/** As k8s.io/apiserver's own requestinfo_test.go has them, and more. */
const table: readonly (readonly [string, string])[] = [
  ['GET /api/v1/namespaces', 'list - namespaces -'],
  ['GET /api/v1/namespaces/other', 'get other namespaces other'],
  ['GET /api/v1/namespaces/other/pods', 'list other pods -'],
  ['GET /api/v1/namespaces/other/pods/foo', 'get other pods foo'],
  ['HEAD /api/v1/namespaces/other/pods/foo', 'get other pods foo'],
  ['GET /api/v1/pods', 'list - pods -'],
  ['HEAD /api/v1/pods', 'list - pods -'],
  ['GET /api/v1/pods/', 'list - pods -'],
  ['GET /api/v1/pods?watch=true', 'watch - pods -'],
  ['GET /api/v1/pods?watch=1', 'watch - pods -'],
  ['GET /api/v1/pods?watch=false', 'list - pods -'],
  ['GET /api/v1/pods?watch=0', 'list - pods -'],
  ['GET /api/v1/namespaces/other/pods/foo?watch=0', 'get other pods foo'],
  ['POST /api/v1/pods', 'create - pods -'],
  ['POST /api/v1/namespaces/other/pods', 'create other pods -'],
  ['PUT /api/v1/namespaces/other/pods/foo', 'update other pods foo'],
  ['PATCH /api/v1/namespaces/other/pods/foo', 'patch other pods foo'],
  ['PATCH /apis/apps/v1/namespaces/x/deployments/web?fieldManager=kubectl', 'patch x deployments.apps web'],
  ['DELETE /api/v1/namespaces/other/pods/foo', 'delete other pods foo'],
  ['DELETE /api/v1/namespaces/other/pods', 'deletecollection other pods -'],
  ['DELETE /api/v1/pods', 'deletecollection - pods -'],
  ['GET /api/v1/namespaces/other/pods/foo/log', 'get other pods/log foo'],
  ['POST /api/v1/namespaces/other/pods/foo/exec?command=ls', 'create other pods/exec foo'],
  ['GET /api/v1/namespaces/other/pods/foo/exec?command=ls', 'get other pods/exec foo'],
  ['POST /api/v1/namespaces/other/pods/foo/attach', 'create other pods/attach foo'],
  ['POST /api/v1/namespaces/other/pods/foo/portforward', 'create other pods/portforward foo'],
  ['POST /api/v1/namespaces/other/pods/foo/eviction', 'create other pods/eviction foo'],
  ['PATCH /api/v1/namespaces/other/pods/foo/ephemeralcontainers', 'patch other pods/ephemeralcontainers foo'],
  ['POST /api/v1/namespaces/other/pods/foo/binding', 'create other pods/binding foo'],
  ['GET /api/v1/namespaces/other/pods/foo/proxy/metrics', 'get other pods/proxy foo'],
  ['GET /api/v1/namespaces/other/services/foo:80/proxy/', 'get other services/proxy foo:80'],
  ['GET /api/v1/nodes/n1/proxy/logs/', 'get - nodes/proxy n1'],
  ['GET /api/v1/nodes', 'list - nodes -'],
  ['GET /api/v1/nodes/n1', 'get - nodes n1'],
  ['PUT /api/v1/nodes/n1/status', 'update - nodes/status n1'],
  ['PUT /api/v1/namespaces/other/finalize', 'update other namespaces/finalize other'],
  ['PUT /api/v1/namespaces/other/status', 'update other namespaces/status other'],
  ['GET /api/v1/namespaces/other/status', 'get other namespaces/status other'],
  ['GET /api/v1/namespaces/status/pods', 'list status pods -'],
  ['GET /apis/apps/v1/deployments', 'list - deployments.apps -'],
  ['GET /apis/apps/v1/namespaces/x/deployments/web/scale', 'get x deployments.apps/scale web'],
  ['PUT /apis/apps/v1/namespaces/x/deployments/web/scale', 'update x deployments.apps/scale web'],
  [
    'GET /apis/rbac.authorization.k8s.io/v1/clusterroles/system:node',
    'get - clusterroles.rbac.authorization.k8s.io system:node',
  ],
  ['GET /apis/example.com/v1/namespaces/x/secrets/s', 'get x secrets.example.com s'],
  [
    'POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    'create - selfsubjectaccessreviews.authorization.k8s.io -',
  ],
  ['POST /api/v1/namespaces/x/serviceaccounts/default/token', 'create x serviceaccounts/token default'],
  // The one name that a selector leaves.
  ['GET /api/v1/namespaces/x/pods?fieldSelector=metadata.name%3Dweb', 'list x pods web'],
  ['GET /api/v1/namespaces/x/pods?fieldSelector=metadata.name==web&watch=1', 'watch x pods web'],
  ['GET /api/v1/namespaces/x/pods?fieldSelector=status.phase=Running,metadata.name=web', 'list x pods web'],
  ['GET /api/v1/namespaces/x/pods?fieldSelector=metadata.name!=web', 'list x pods -'],
  ['GET /api/v1/namespaces/x/pods?fieldSelector=metadata.name=a,metadata.name=b', 'list x pods -'],
  ['GET /api/v1/namespaces/x/pods?fieldSelector=metadata.name=a%5C,b', 'list x pods -'],
  ['GET /api/v1/namespaces/x/pods?fieldSelector=metadata.namespace=web', 'list x pods -'],
  ['DELETE /api/v1/namespaces/x/pods?fieldSelector=metadata.name=web', 'deletecollection x pods -'],
  // What is no resource.
  ['GET /', 'get /'],
  ['GET /version', 'get /version'],
  ['GET /api', 'get /api'],
  ['GET /api/v1', 'get /api/v1'],
  ['GET /apis', 'get /apis'],
  ['GET /apis/apps', 'get /apis/apps'],
  ['GET /apis/apps/v1', 'get /apis/apps/v1'],
  ['GET /openapi/v3/apis/apps/v1', 'get /openapi/v3/apis/apps/v1'],
  ['GET /healthz', 'get /healthz'],
  ['POST /logs/x', 'post /logs/x'],
  ['GET /apisx/v1/pods/x', 'get /apisx/v1/pods/x'],
]

test('requests are read as the API server reads them', () => {
  for (const [line, wanted] of table) assert.equal(read(line), wanted, line)
})

/** What two readers could take differently. */
const refused: readonly string[] = [
  'GET /API/v1/pods',
  'GET /Api/v1/namespaces/x/secrets',
  'GET /APIS/apps/v1/deployments',
  'GET /api/v1/watch/pods',
  'GET /api/v1/watch/namespaces/x/secrets/s',
  'GET /api/v1/proxy/nodes/n1',
  'GET /api/v1/proxy/namespaces/x/pods/p',
  'GET /api/v1/namespaces/x%2fpods/y',
  'GET /api/v1/namespaces/x/pods%2Ffoo',
  'GET /api/v1/namespaces/x/pods/foo%252flog',
  'GET /api/v1/namespaces/x/pods/foo%3flog',
  'GET /api/v1/namespaces/x/pods/foo%23',
  'GET /api/v1/namespaces/x/pods/foo;a=b',
  'GET /api/v1/namespaces/x/pods\\foo',
  'GET /api/v1/namespaces/x/pods/f%00',
  'GET /api/v1/namespaces/x/pods/f%C3%B6',
  'GET /api/v1/namespaces/x/pods/f%20o',
  "GET /api/v1/namespaces/x/pods/f'o",
  'GET /api/v1/namespaces/x/pods/f*',
  'GET /api/v1/namespaces/x/pods/..%2f..%2fsecrets',
  'GET /../api/v1/pods',
  'GET /api/v1/namespaces/x/pods?watch=1&watch=0',
  'GET /api/v1/namespaces/x/pods?watch=yes',
  'GET /api/v1/namespaces/x/pods?watch=TRUE',
  'GET /api/v1/namespaces/x/pods?watch=',
  'GET /api/v1/namespaces/x/pods?Watch=1',
  'GET /api/v1/namespaces/x/pods?fieldSelector=metadata.name=a&fieldSelector=metadata.name=b',
  'GET /api/v1/namespaces/x/pods?fieldselector=metadata.name=a',
  'GET /api/v1/namespaces/x/pods?fieldSelector=metadata.name=a;watch=1',
  'GET /api/v1/namespaces/x/pods/foo?watch=1',
  'GET /api/v1/namespaces/x/pods/foo/exec?command=ls&tty=1&tty=0',
  'GET /api/v1/namespaces/x/pods/foo/exec?command=ls&stdin=maybe',
  'GET /api/v1/namespaces/x/pods/foo/log?container=a&container=b',
  'OPTIONS /api/v1/namespaces/x/pods',
  'LINK /api/v1/namespaces/x/pods/foo',
  'get /api/v1/namespaces/x/pods/foo',
]

test('what two readers could take differently is refused', () => {
  for (const line of refused) assert.match(read(line), /^unreadable: /, line)
})

test('dots and doubled slashes are gone before anything is read', () => {
  assert.equal(read('GET /api/v1//namespaces/x/pods'), 'list x pods -')
  assert.equal(read('GET /api/v1/namespaces/x/pods/../secrets'), 'list x secrets -')
  assert.equal(read('GET /version/../api/v1/secrets'), 'list - secrets -')
  assert.equal(read('GET /%61pi/v1/secrets'), 'list - secrets -')
})
