import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseObject } from './json.ts'

const parse = (text: string) => parseObject(Buffer.from(text))
const plainName = fc.string().filter(name => !JSON.stringify(name).includes('\\'))
const { tree } = fc.letrec(tie => ({
  tree: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'json' },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('tree'), { maxLength: 4, depthIdentifier: 'json' }),
    fc.dictionary(plainName, tie('tree'), { maxKeys: 4, depthIdentifier: 'json' }),
  ),
}))
const object = fc.dictionary(plainName, tree, { maxKeys: 6, depthIdentifier: 'json' })

test('any object without oddities is what JSON.parse makes of it, whatever its strings hold and however it is spaced', () => {
  fc.assert(
    fc.property(object, fc.constantFrom(0, 1, '\t'), (value, space) => {
      const text = JSON.stringify(value, null, space)
      assert.deepEqual(parse(text), JSON.parse(text))
    }),
    { numRuns: 300 },
  )
})

test('a member that stands twice is found at any depth and behind any spacing', () => {
  fc.assert(
    fc.property(object, plainName, fc.nat(5), fc.constantFrom('', ' ', '\n\t'), (value, name, depth, gap) => {
      const key = JSON.stringify(name)
      const twice = `{${key}${gap}:1,"x":${JSON.stringify(value)},${gap}${key}${gap}:${gap}2}`
      const text = `${'{"a":['.repeat(depth)}${twice}${']}'.repeat(depth)}`
      if (name !== 'x') assert.equal(parse(text), 'a member twice')
    }),
    { numRuns: 300 },
  )
})

test('the same name in two objects, or as a value, is no member twice', () => {
  for (const text of [
    '{"a":{"a":1},"b":{"a":2}}',
    '{"a":"a","b":["a","a"]}',
    '{"a":[{"b":1},{"b":2}]}',
    '{"a\u0301":1,"\u00e1":2}',
    '{"a":"\\"a\\":","b":1}',
  ]) {
    assert.notEqual(typeof parse(text), 'string', text)
  }
})

test('any bytes at all are read or refused, never thrown on', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => void parseObject(bytes)),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', 'a', '1', ' ')),
      parts => void parse(parts.join('')),
    ),
    { numRuns: 500 },
  )
})

test("members of a prototype's name are members like any other", () => {
  const read = parse('{"__proto__":{"groups":["admins"]},"constructor":1}')
  assert.ok(typeof read !== 'string')
  assert.deepEqual(Object.keys(read), ['__proto__', 'constructor'])
  assert.equal(read['groups'], undefined)
})
