import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { redactTokens } from './redact.ts'
import { isHeader } from './token-header.ts'

const encode = (text: string) => Buffer.from(text).toString('base64url')
const reads = (text: string, before = '') =>
  isHeader(`${before}${encode(text)}.a.b`, before.length, before.length + encode(text).length)

test('every JSON object is a header, wherever in the text it stands', () => {
  const value = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 6 })
  fc.assert(
    fc.property(
      value,
      fc.constantFrom('', 'x', 'eyJ', 'abc.'),
      fc.constantFrom(0, 2),
      (object, before, indent) => {
        assert.ok(reads(JSON.stringify(object, null, indent), before))
        assert.ok(reads(`${JSON.stringify(object)}\n`, before))
      },
    ),
    { numRuns: 2000 },
  )
})

test('what is cut short, or is no object, is none', () => {
  const header = JSON.stringify({ alg: 'ES256', kid: 'a"}\\', crit: [{ b: [1, null] }] })
  assert.ok(reads(header))
  for (let length = 0; length < header.length; length++)
    assert.ok(!reads(header.slice(0, length)), header.slice(0, length))
  for (const text of [
    '{"alg":"H',
    '{"a":1}x',
    '{"a":1}{}',
    '{"a":[}]',
    '"a"',
    '[1]',
    '1',
    '{"a\n":1}',
    '{"a":1;}',
    '{{"a":1}',
  ])
    assert.ok(!reads(text), text)
})

test('a token is found behind what only begins like one', () => {
  const jwt = `${encode('{"alg":"none"}')}.${encode('{"sub":"a"}')}.c2ln`
  for (const before of ['eyJ', 'eyJeyJ', 'xeyJhbGciOiJI', 'eyJhbGciOiJI.', 'eyJhbGciOiJI.a.'])
    assert.equal(redactTokens(`${before}${jwt}`), `${before}[redacted ${jwt.length}]`)
})
