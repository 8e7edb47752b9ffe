import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError, Refused } from '../../denial.ts'
import { isStatus, statusAbout } from './secret-status.ts'
import { maskSecrets } from './secrets.ts'

function through(verb: string, status: number, text: string, type = 'application/json'): string {
  const filter = maskSecrets(verb)(status, { 'content-type': type })
  if (filter instanceof Refused) return filter.denial.detail
  const bytes = Buffer.from(text)
  const pushed = [...bytes].map(byte => filter.push(Buffer.from([byte])))
  return Buffer.concat([...pushed, filter.end()]).toString()
}

const value = 'dGhlLWtleS1vZi1hbGwtY2FyZHM='
const secret = {
  kind: 'Secret',
  apiVersion: 'v1',
  metadata: {
    name: 'card-keys',
    generation: 1,
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': `{"data":"${value}"}`, note: 'seen' },
  },
  data: { key: value },
}
const masked = {
  ...secret,
  metadata: { ...secret.metadata, annotations: { note: 'seen' } },
  data: { key: 'Kioq' },
}

test('values become stars, and everything else stays, numbers among it', () => {
  const list = (items: object) => ({ kind: 'SecretList', metadata: { remainingItemCount: 12 }, items })
  const told = JSON.parse(through('list', 200, JSON.stringify(list([secret]))))
  assert.deepEqual(told, list([masked]))
  const long = '{"metadata":{"generation":12345678901234567890},"data":{"a":1.50}}'
  assert.equal(
    through('get', 200, long),
    '{"metadata":{"generation":12345678901234567890},"data":{"a":"Kioq"}}',
  )
  const events = `${JSON.stringify({ type: 'ADDED', object: secret })}\n`
  assert.deepEqual(JSON.parse(through('watch', 200, events)), { type: 'ADDED', object: masked })
})

test('of an error its reason, its code and the name are left, whatever it says', () => {
  const failure = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: { continue: value },
    status: 'Failure',
    message: `error decoding from json: {"data":{"key":"${value}"}}`,
    reason: 'Invalid',
    details: { name: 'card-keys', kind: 'Secret', causes: [{ message: value, field: 'data' }] },
    code: 422,
  }
  const said = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message:
      'secrets "card-keys": Invalid (422). What the API server says of it is not passed on: Secrets are masked',
    reason: 'Invalid',
    details: { name: 'card-keys', kind: 'secrets' },
    code: 422,
  }
  assert.deepEqual(JSON.parse(through('patch', 422, JSON.stringify(failure))), said)
  // As curl is answered: on many lines, and where a watch would have begun.
  assert.deepEqual(JSON.parse(through('watch', 422, JSON.stringify(failure, null, 2))), said)
  const event = JSON.stringify({ type: 'ERROR', object: failure, more: value })
  assert.deepEqual(JSON.parse(through('watch', 200, `${event}\n`)), { type: 'ERROR', object: said })
  for (const strange of [{ error: value }, [value], value]) {
    const { message, ...told } = JSON.parse(through('get', 500, JSON.stringify(strange)))
    assert.match(message, /^secrets: Failure \(500\)\. /)
    assert.deepEqual(told, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      details: { kind: 'secrets' },
      code: 500,
    })
  }
})

test('no member of a Status takes a value out, and clients find what they look for', () => {
  for (const name of ['reason', 'code', 'status', 'message', 'details', 'metadata'])
    for (const held of [value, { key: value }, [value], 1e300, null])
      assert.ok(!JSON.stringify(statusAbout({ kind: 'Status', [name]: held }, 400)).includes(value), name)
  for (const name of ['name', 'uid', 'group', 'kind', 'causes', 'retryAfterSeconds'])
    for (const held of [value, { key: value }, [value]])
      assert.ok(!JSON.stringify(statusAbout({ details: { [name]: held } }, 400)).includes(value), name)
  const uid = '422801a0-b138-46e7-89ef-4bcc33ff35e1'
  const success = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' }
  const details = { name: 'a', kind: 'secrets', uid }
  const deleted = JSON.stringify(statusAbout({ ...success, details, message: value }, 200))
  assert.deepEqual(JSON.parse(deleted), { ...success, details })
  const raw = JSON as unknown as { rawJSON(text: string): unknown }
  for (const [code, five] of [
    [429, 5],
    [raw.rawJSON('429'), raw.rawJSON('5')],
  ] as const) {
    const told = statusAbout({ reason: 'TooManyRequests', code, details: { retryAfterSeconds: five } }, 200)
    assert.match(JSON.stringify(told), /"retryAfterSeconds":5\},"code":429\}$/)
  }
  assert.ok(!isStatus(null) && !isStatus('Status') && !isStatus({ kind: 'Secret' }))
})

test('what is not JSON does not leave', () => {
  assert.match(through('get', 200, 'k8s', 'application/vnd.kubernetes.protobuf'), /not JSON/)
  assert.throws(() => through('get', 200, '{"data":'), GatewayError)
})
