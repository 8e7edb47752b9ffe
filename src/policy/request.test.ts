import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Refused } from '../denial.ts'
import { readRequest } from './request.ts'

const invalid = (body: unknown) => {
  const read = readRequest(body)
  assert.ok(read instanceof Refused, JSON.stringify(body))
  assert.equal(read.denial.code, 'request_invalid')
}
const ask = (over: object) => ({ connection: 'orders-db', ...over })

test('a request is read with its own words and nothing that was not said', () => {
  assert.deepEqual(readRequest(ask({})), { connection: 'orders-db' })
  const body = {
    ttl: '10m',
    reason: 'r',
    task: 't',
    scope: { tables: [] },
    rule: 'a:orders-db',
    public_key: 'ssh-ed25519 AAAA',
  }
  assert.deepEqual(readRequest(ask(body)), {
    connection: 'orders-db',
    ttl: 600_000,
    reason: 'r',
    task: 't',
    scope: { tables: [] },
    rule: 'a:orders-db',
    publicKey: 'ssh-ed25519 AAAA',
  })
})

test('attack 172: no key beyond the known ones, whatever its name', () => {
  for (const key of [
    'state',
    'expires_at',
    'identity',
    'id',
    'approved_by',
    'publicKey',
    'owner',
    'constructor',
    'toString',
  ])
    invalid(ask({ [key]: 'x' }))
  invalid(JSON.parse('{"connection":"orders-db","__proto__":{"state":"active"}}'))
})

test('attack 50: a ttl is a plain duration, above nothing', () => {
  const bad = [
    '-1s',
    '0s',
    '0',
    'NaN',
    '1e999',
    'Infinity',
    '10',
    '10m\n',
    ' 10m',
    '\u0663m',
    '10M',
    '1h30m',
    '',
    '9999999d',
    10,
    null,
    {},
    ['10m'],
    true,
  ]
  for (const ttl of bad) invalid(ask({ ttl }))
})

test('attack 56: a connection is one name', () => {
  for (const connection of [
    '*',
    'orders-db,web-1',
    ['orders-db'],
    'Orders-DB',
    'orders-db\0',
    '../web-1',
    '',
    'g_7Kq2',
    'x'.repeat(64),
    null,
    7,
    {},
  ])
    invalid({ connection })
  for (const body of [null, [], 'orders-db', 7, undefined, {}]) invalid(body)
})

test('attack 60: free text is capped', () => {
  for (const key of ['reason', 'task']) {
    assert.ok(!(readRequest(ask({ [key]: 'x'.repeat(1_000) })) instanceof Refused))
    for (const text of ['x'.repeat(1_001), '\ud800', 7, null, ['x']]) invalid(ask({ [key]: text }))
  }
  invalid(ask({ public_key: 'x'.repeat(16 * 1024 + 1) }))
})

test('any JSON at all is read or refused, never thrown on', () => {
  fc.assert(
    fc.property(fc.jsonValue(), body => void readRequest(body)),
    { numRuns: 300 },
  )
  fc.assert(
    fc.property(fc.jsonValue(), scope => void readRequest(ask({ scope }))),
    { numRuns: 100 },
  )
})
