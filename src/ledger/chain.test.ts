import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { genesis, link } from './chain.ts'
import { json, members } from './text.ts'

test('a line names the one before it by the SHA-256 of its bytes, and the first names 64 zeros', () => {
  const first = link(genesis, '2026-01-01T00:00:00.000Z', 'open', '')
  const second = link(first.tip, '2026-01-01T00:00:00.001Z', 'statement', members({ text: 'sélect' }))
  assert.equal(
    first.line,
    `{"seq":1,"time":"2026-01-01T00:00:00.000Z","prev":"${'0'.repeat(64)}","type":"open"}`,
  )
  const { seq, prev, text } = JSON.parse(second.line) as Record<string, unknown>
  assert.deepEqual(
    { seq, prev, text },
    { seq: 2, prev: createHash('sha256').update(first.line, 'utf8').digest('hex'), text: 'sélect' },
  )
  assert.equal(second.tip.hash, createHash('sha256').update(second.line, 'utf8').digest('hex'))
})

test('whatever text is written, it is one line to every reader and reads back as it was', () => {
  const enemies = fc.constantFrom(
    '\n',
    '\r',
    '\0',
    '\u0085',
    '\u2028',
    '\u2029',
    '\u001b[31m',
    '\ud800',
    '\udfff',
    '\u202e',
    '"',
    '\\',
    '\u009b',
    '\ufeff',
  )
  const text = fc
    .array(fc.oneof(enemies, fc.string({ unit: 'binary' })), { maxLength: 8 })
    .map(parts => parts.join(''))
  fc.assert(
    fc.property(text, value => {
      const line = json({ value })
      assert.equal((JSON.parse(line) as { value: string }).value, value)
      assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/)
      // As bytes it is UTF-8 that says the same again.
      assert.equal(Buffer.from(line, 'utf8').toString('utf8'), line)
    }),
  )
})
