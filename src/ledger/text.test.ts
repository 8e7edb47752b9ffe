import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { iso, json } from './text.ts'

test('times are ISO 8601, whatever came before', () => {
  const when = fc.integer({ min: -10_000_000_000, max: 8_000_000_000_000 })
  fc.assert(
    fc.property(when, fc.array(fc.integer({ min: -3000, max: 3000 })), (start, steps) => {
      for (const step of [0, ...steps]) assert.equal(iso(start + step), new Date(start + step).toISOString())
    }),
  )
  assert.equal(iso(1234.9), new Date(1234.9).toISOString())
})

test('JSON is JSON, and one line to every reader', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.json()), text => {
      const written = json(text)
      assert.equal(JSON.parse(written), text)
      assert.doesNotMatch(written, /[\p{Cc}\u2028\u2029\u202a-\u202e\ufeff]/u)
    }),
  )
  assert.equal(json('a "quoted" \\ one'), JSON.stringify('a "quoted" \\ one'))
  assert.equal(json('\u2028\x7f'), '"\\u2028\\u007f"')
})
