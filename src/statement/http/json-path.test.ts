import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type JsonPath, readJsonPath, replaceAt } from './json-path.ts'

const masked = (json: string, path: string) => {
  const value: unknown = JSON.parse(json)
  const read = readJsonPath(path)
  assert.ok(Array.isArray(read), `${path}: ${JSON.stringify(read)}`)
  replaceAt(value, read, () => 'x')
  return JSON.stringify(value)
}

test('a path finds what it says and nothing else', () => {
  for (const [json, path, want] of [
    ['{"a":1,"b":2}', '$.a', '{"a":"x","b":2}'],
    ['{"a":{"b":[1,{"b":3}]}}', '$.a.b', '{"a":{"b":"x"}}'],
    [
      '{"items":[{"email":"e","n":1},{"email":"f"},3]}',
      '$.items[*].email',
      '{"items":[{"email":"x","n":1},{"email":"x"},3]}',
    ],
    ['[{"e":1},{"e":2}]', '$[*].e', '[{"e":"x"},{"e":"x"}]'],
    ['[1,2]', '$[*]', '["x","x"]'],
    ['{"a":{"x":1,"y":{"z":2}}}', '$.a.*', '{"a":{"x":"x","y":"x"}}'],
    [
      '{"a":[{"t":1}],"t":2,"b":{"c":{"t":{"t":3}}}}',
      '$..t',
      '{"a":[{"t":"x"}],"t":"x","b":{"c":{"t":"x"}}}',
    ],
    ['{"a b":1,"a":{"b":1}}', "$['a b']", '{"a b":"x","a":{"b":1}}'],
    ['{"a":1}', '$.b', '{"a":1}'],
    ['{"a":"s"}', '$.a.length', '{"a":"s"}'],
    ['[[1]]', '$.length', '[[1]]'],
    ['{"a":1}', '$.toString', '{"a":1}'],
    ['{"__proto__":{"s":1}}', '$.__proto__.s', '{"__proto__":{"s":"x"}}'],
    ['{"__proto__":1}', '$..__proto__', '{"__proto__":"x"}'],
    ['null', '$.a', 'null'],
  ] as const)
    assert.equal(masked(json, path), want, `${path} of ${json}`)
})

test('what has no reading is a problem', () => {
  for (const path of [
    '',
    '$',
    'a',
    '.a',
    '$a',
    '$.',
    '$..',
    '$.a[',
    '$.a[0]',
    '$.a[?(@.b)]',
    "$['']",
    "$['a\\'b']",
    '$.a b',
    '$..*',
    `$${'.a'.repeat(40)}`,
    '$[-1]',
    '$.a\n',
  ])
    assert.ok('problem' in readJsonPath(path), path)
})

test('a path of several .. goes through everything once, however deep a target nests its names', () => {
  const deep = (levels: number) =>
    JSON.parse(`${'{"a":'.repeat(levels)}{"b":1}${'}'.repeat(levels)}`) as unknown
  const at = (path: string) => readJsonPath(path) as JsonPath
  const found: unknown[] = []
  const keep = (one: unknown) => {
    found.push(one)
    return one
  }
  // Of 480 levels C(480, 8) ways lead there: more than anybody can walk.
  replaceAt(deep(480), at(`$${'..a'.repeat(8)}..b`), keep)
  assert.deepEqual(found, [1])
  replaceAt(deep(480), at(`$${'..a'.repeat(8)}..c`), keep)
  assert.deepEqual(found, [1])
})
