import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isNumber, parseAsWritten, TooMuch } from './json.ts'

const anew = (text: string) => JSON.stringify(parseAsWritten(Buffer.from(text)))

test('numbers stay as they were written, wherever they stand', () => {
  for (const text of [
    '1.0',
    '-0',
    '0',
    '-1',
    '1e3',
    '1E+3',
    '12345678901234567890',
    '[1.50,{"a":9007199254740993,"b":[0.10]},"1.0"]',
    '{"1":3.0,"__proto__":1.0,"constructor":2}',
    '["\\"1.0",1.0,"\\\\",2.0]',
    '[0.1,1e21,1e+21,5e-324]',
  ])
    assert.equal(anew(text), text)
})

test('only what would be written otherwise is anything but a number', () => {
  const [one, two, long] = parseAsWritten(Buffer.from('[1,2.5,12345678901234567890]')) as unknown[]
  assert.deepEqual([one, two], [1, 2.5])
  assert.ok(isNumber(long))
})

test('of a member that stands there twice the last is kept', () => {
  assert.equal(anew('{"a":1.0,"a":2}'), '{"a":2}')
  assert.equal(anew('{"a":1,"a":2.0}'), '{"a":2.0}')
})

test('what is no JSON is none, numbers least of all', () => {
  const bad = [
    '01',
    '1.',
    '.5',
    '+1',
    '-',
    '1-2',
    '1.01.0',
    '1e',
    '0x1',
    '{1.0:2}',
    '[1.0 1.0]',
    '1.0"a"',
    '"',
    '',
    'NaN',
  ]
  for (const text of [...bad, '[1.0,]', '{"a":1.0'])
    assert.throws(() => parseAsWritten(Buffer.from(text)), SyntaxError, text)
  assert.throws(() => parseAsWritten(Buffer.from([0x22, 0xff, 0x22])))
})

test('whatever JSON.parse reads is read alike, and what it refuses is refused', () => {
  fc.assert(
    fc.property(fc.json(), text => {
      assert.deepEqual(JSON.parse(anew(text)), JSON.parse(text))
    }),
  )
  const pieces = fc.constantFrom(
    '1',
    '1.0',
    '-',
    '.',
    'e',
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    'a',
    ' ',
    'true',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), all => {
      const text = all.join('')
      let read = true
      try {
        JSON.parse(text)
      } catch {
        read = false
      }
      if (read) assert.deepEqual(JSON.parse(anew(text)), JSON.parse(text))
      else assert.throws(() => parseAsWritten(Buffer.from(text)), SyntaxError)
    }),
    { numRuns: 2000 },
  )
})

test('what would keep everybody waiting is refused before it is parsed', () => {
  const much = (unit: string) => `[${`${unit},`.repeat(1_000_000)}1]`
  for (const text of [
    much('1'),
    much('{}'),
    much('1.0'),
    `{${'"a":1,'.repeat(200_000)}"a":1}`,
    '['.repeat(501) + ']'.repeat(501),
    '{"a":'.repeat(100_000),
  ])
    assert.throws(() => parseAsWritten(Buffer.from(text)), TooMuch)
  assert.equal((parseAsWritten(Buffer.from(`[${'1,'.repeat(200_000)}1]`)) as unknown[]).length, 200_001)
  assert.ok(parseAsWritten(Buffer.from('['.repeat(500) + ']'.repeat(500))))
})
