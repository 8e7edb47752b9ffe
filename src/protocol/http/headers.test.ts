import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refused } from '../../denial.ts'
import { readCredential } from './credential.ts'
import { readHead } from './head.ts'
import { isReserved, lowered, sieve } from './headers.ts'

const none = () => false

test('no spelling of a reserved header goes on, whatever the scope lists (ATTACKS 136 to 139)', () => {
  const names = [
    ...[
      'Authorization',
      'AUTHORIZATION',
      'Cookie',
      'cookie2',
      'DPoP',
      'Proxy-Authorization',
      'Proxy-Connection',
    ],
    ...[
      'Connection',
      'Keep-Alive',
      'TE',
      'Trailer',
      'Transfer-Encoding',
      'Upgrade',
      'HTTP2-Settings',
      'Expect',
    ],
    ...[
      'Host',
      'Content-Length',
      'Forwarded',
      'Via',
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'X_Forwarded_Host',
    ],
    ...[
      'x_forwarded_for',
      'X-Forwarded-User',
      'X-Real-IP',
      'X_Real_IP',
      'True-Client-IP',
      'Client-IP',
      'X-Host',
    ],
    ...['X-HTTP-Method-Override', 'X_HTTP_METHOD_OVERRIDE', 'X-Method-Override', 'X-HTTP-Method'],
    ...[
      'X-Original-URL',
      'X-Rewrite-URL',
      'X_Rewrite_Url',
      'X-Original-URI',
      'X-Accel-Redirect',
      'X-Sendfile',
    ],
    ...['Impersonate-User', 'impersonate_user', 'Impersonate-Extra-x', 'X-Remote-User', 'X-Postern-Grant'],
    ...['Sec-WebSocket-Extensions', 'Sec-Fetch-Site', 'Accept-Encoding', 'X-Envoy-Original-Path'],
  ]
  for (const name of names) assert.deepEqual(sieve(lowered([name, 'x']), ['*'], none), [], name)
})

test('the usual headers go on, others where they are listed', () => {
  const raw = ['Accept', 'a/b', 'X-Trace', '1', 'X-Other', '2', 'User-Agent', 'curl', 'If-Match', '"e"']
  assert.deepEqual(sieve(lowered(raw), ['x-trace'], none), [
    'accept',
    'a/b',
    'x-trace',
    '1',
    'user-agent',
    'curl',
    'if-match',
    '"e"',
  ])
  assert.deepEqual(sieve(lowered(['X-A', '1', 'X-A', '2']), ['x-*'], none), ['x-a', '1', 'x-a', '2'])
})

test("a client's header of the lease's name is dropped, also with _ for - (attack 138)", () => {
  const raw = ['X-Api-Key', 'mine', 'x_api_key', 'mine', 'X-API-KEY', 'mine']
  assert.deepEqual(
    sieve(lowered(raw), ['*'], name => name === 'x-api-key'),
    [],
  )
})

test('what a Connection header names is a hop of the client alone (attack 137)', () => {
  const raw = [
    'Connection',
    'close, X-Trace',
    'connection',
    'Accept',
    'X-Trace',
    '1',
    'Accept',
    'b',
    'X-Two',
    '2',
  ]
  assert.deepEqual(sieve(lowered(raw), ['x-*'], none), ['x-two', '2'])
})

test('no lease can be in a header that frames or routes a request', () => {
  for (const name of ['host', 'content-length', 'transfer-encoding', 'connection', 'x-forwarded-host'])
    assert.ok(isReserved(name))
  assert.ok(!isReserved('x-api-key'))
})

const head = (rawHeaders: string[], kind: 'request' | 'upgrade' = 'request') =>
  readHead(kind, { method: 'GET', url: '/c/api/x' }, lowered(rawHeaders))

test('two of a header that there is one of are refused (ATTACKS 134, 136)', () => {
  for (const name of ['Host', 'Content-Length', 'Content-Type', 'Transfer-Encoding', 'Content-Encoding'])
    assert.ok(head([name, '1', name.toLowerCase(), '1']) instanceof Refused, name)
  for (const wrong of [
    ['Content-Length', '1', 'Transfer-Encoding', 'chunked'],
    ['Transfer-Encoding', 'chunked, identity'],
    ['Transfer-Encoding', 'xchunked'],
    ['Content-Length', '+1'],
    ['Content-Length', '1 '],
    ['Content-Length', '0x1'],
    ['Content-Length', ''],
  ])
    assert.ok(head(wrong) instanceof Refused, wrong.join())
  assert.ok(head(['Content-Length', '3'], 'upgrade') instanceof Refused)
})

test('a head says whether there is a body, and of what type', () => {
  const read = head(['Content-Type', 'Application/JSON; charset=utf-8', 'Content-Length', '12'])
  assert.ok(!(read instanceof Refused))
  assert.deepEqual([read.contentType, read.length], ['application/json', 12])
  const chunked = head(['Transfer-Encoding', 'chunked'])
  assert.ok(!(chunked instanceof Refused))
  assert.equal(chunked.length, undefined)
})

test('a credential has one form, and stands there once', () => {
  const read = (...values: string[]) =>
    readCredential(lowered(values.flatMap(value => ['Authorization', value])), 'api')
  const code = (shown: unknown) => (shown instanceof Refused ? shown.denial.code : shown)
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  assert.deepEqual(read(basic('g_1:pst_x:y')), { how: 'secret', user: 'g_1', secret: 'pst_x:y' })
  assert.deepEqual(read('bearer pst_x'), { how: 'secret', user: '', secret: 'pst_x' })
  assert.deepEqual(read('Bearer eyJ.a.b'), { how: 'secret', user: 'api', secret: 'eyJ.a.b' })
  assert.equal(code(read()), 'token_missing')
  assert.equal(code(read(basic('a:b'), basic('c:d'))), 'request_invalid')
  for (const wrong of [
    '',
    'Basic',
    'Basic ',
    'Basic !!',
    basic(':x'),
    basic('x'),
    'Digest x',
    'Bearer a b',
    'Bearer',
    `Bearer ${'a'.repeat(30_000)}`,
  ])
    assert.equal(code(read(wrong)), 'grant_unknown', wrong.slice(0, 20))
})

test('a part of an answer is asked for only where the scope lists it', () => {
  const headers = lowered(['Range', 'bytes=0-9', 'If-Range', '"x"', 'If-Match', '"y"'])
  const none = () => false
  assert.deepEqual(sieve(headers, [], none), ['if-match', '"y"'])
  assert.deepEqual(sieve(headers, ['range'], none), ['range', 'bytes=0-9', 'if-match', '"y"'])
})
