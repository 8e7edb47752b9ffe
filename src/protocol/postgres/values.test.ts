import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromText, toText } from './values.ts'

const read = (type: number, text: string): string => JSON.stringify(fromText(type, Buffer.from(text)))

test('a value of a result is JSON that has lost nothing', () => {
  assert.equal(fromText(25, null), null)
  const cases: readonly (readonly [number, string, string])[] = [
    [16, 't', 'true'],
    [16, 'f', 'false'],
    [23, '-2147483648', '-2147483648'],
    [20, '9223372036854775807', '"9223372036854775807"'],
    [1700, '1.10', '"1.10"'],
    [701, '0.1', '0.1'],
    [701, 'NaN', '"NaN"'],
    [700, '-Infinity', '"-Infinity"'],
    [17, '\\x00ff10', '"AP8Q"'],
    [17, '\\x', '""'],
    [25, 'a"\n', '"a\\"\\n"'],
    [1184, '2026-01-02 03:04:05+00', '"2026-01-02 03:04:05+00"'],
    [114, '{"a": [1, 1.10, 12345678901234567890]}', '{"a":[1,1.10,12345678901234567890]}'],
    [3802, '"x"', '"x"'],
    [114, 'null', 'null'],
    [1007, '{1,2}', '"{1,2}"'],
    [99_999, 'whatever', '"whatever"'],
  ]
  for (const [type, text, json] of cases) assert.equal(read(type, text), json, text)
})

test('json that nests deeper than can be read stays text', () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  assert.equal(fromText(114, Buffer.from(deep)), deep)
})

test("a parameter becomes the server's text, or nothing where its meaning would be a guess", () => {
  assert.equal(toText(null), null)
  assert.equal(toText('a'), 'a')
  assert.equal(toText(true), 'true')
  assert.equal(toText(1.5), '1.5')
  assert.equal(toText(2 ** 53), undefined)
  assert.equal(toText({ a: [1] }), '{"a":[1]}')
  assert.equal(toText([1, null, 'a"\\', [true]]), '{"1",NULL,"a\\"\\\\",{"true"}}')
  assert.equal(toText([{ a: 1 }]), '{"{\\"a\\":1}"}')
  assert.equal(toText([[2 ** 60]]), undefined)
})
