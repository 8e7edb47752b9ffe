import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { Hidden } from './hidden.ts'
import { parameterMembers } from './records.ts'

test('what is cut is told apart by its length and digest', () => {
  const body = (end: string) => Buffer.from(`${'x'.repeat(20_000)}${end}`)
  const [one, other] = ['a', 'b'].map(end => JSON.parse(`{${parameterMembers(body(end), new Hidden())}}`))
  assert.equal(one.parameters_bytes, 20_001)
  assert.equal(one.parameters, other.parameters)
  assert.notEqual(one.parameters_digest, other.parameters_digest)
})

test('parameters are kept as they are, text or base64, without what is hidden, in one line that says nothing else', () => {
  const hidden = new Hidden()
  hidden.hide('value of a lease')
  hidden.hide('gehört niemandem')
  const secrets = ['value of a lease', 'gehört niemandem', 'pst_', 'eyJ'].map(text => Buffer.from(text))
  const bytes = fc.oneof(
    fc.uint8Array({ max: 0x7f, maxLength: 40 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: 'grapheme', maxLength: 40 }).map(text => Buffer.from(text)),
    fc.constantFrom(...secrets),
  )
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 4 }), pieces => {
      const said = Buffer.concat(pieces)
      const members = parameterMembers(said, hidden)
      assert.doesNotMatch(members, /[\0-\x1f\x7f-\x9f\u2028\u2029]/)
      const { parameters, parameters_encoding: encoding } = JSON.parse(`{${members}}`)
      const kept = hidden.redactBytes(said)
      assert.equal(encoding, isUtf8(kept) ? undefined : 'base64')
      assert.deepEqual(Buffer.from(parameters, encoding ?? 'utf8'), kept)
      for (const secret of secrets.slice(0, 2)) assert.ok(!Buffer.from(parameters, encoding).includes(secret))
    }),
    { numRuns: 5000 },
  )
})
