import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseConfig } from './parse.ts'
import { ConfigError } from './problem.ts'
import { sample } from './sample.fixture.ts'
import { readSource } from './source.ts'
import { twoProtocols } from './two-protocols.fixture.ts'

const refused: readonly (readonly [text: string, problem: string])[] = [
  ['a: 1\nb: 2\na: 3\n', '3:1 a: this key stands here for the second time'],
  ['x: { a: 1, a: 2 }\n', '1:12 x.a: this key stands here for the second time'],
  ['a:\n\tb: 1\n', '2:1 : tabs do not indent in YAML: use spaces'],
  ['a: &x 1\n', '1:7 a: anchors are not taken: name a scope under `scopes` instead'],
  ['a: *x\n', '1:4 a: aliases are not taken: write the value out, or name a scope under `scopes`'],
  ['a: !!js/function x\n', '1:18 a: tags are not taken'],
  ['a: !!str x\n', '1:10 a: tags are not taken'],
  ['a: 0x10\n', '1:4 a: numbers are plain decimal integers; quote it if it is a text'],
  ['a: 1.5\n', '1:4 a: numbers are plain decimal integers; quote it if it is a text'],
  ['a: 1e999\n', '1:4 a: numbers are plain decimal integers; quote it if it is a text'],
  ['a: .inf\n', '1:4 a: numbers are plain decimal integers; quote it if it is a text'],
  ['a: 007\n', '1:4 a: numbers are plain decimal integers; quote it if it is a text'],
  ['a: 9007199254740993\n', '1:4 a: numbers are plain decimal integers; quote it if it is a text'],
  ['__proto__: { a: 1 }\n', '1:1 : this is not a key'],
  ['<<: { a: 1 }\n', '1:1 : this is not a key'],
  ['? [a]\n: 1\n', '1:3 : a key must be a text; quote it'],
  ['1: a\n', '1:1 : a key must be a text; quote it'],
  ['%YAML 1.1\n---\na: 1\n', '1:1 : YAML directives are not taken'],
  ['a: 1\n---\nb: 1\n', '2:1 : one file holds one document'],
  ['a: "b\n', '2:1 : a closing quote, bracket or a ":" is missing'],
  [
    `a: ${'[ '.repeat(40)}${'] '.repeat(40)}\n`,
    '1:68 a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested too deeply',
  ],
]

for (const [text, problem] of refused) {
  test(`${JSON.stringify(text.slice(0, 30))} is refused`, () => {
    assert.deepEqual(
      readSource(text).problems.map(
        ({ line, column, key, message }) => `${line}:${column} ${key}: ${message}`,
      ),
      [problem],
    )
  })
}

test('a value, its key and what is missing have places', () => {
  const source = readSource('a:\n  - b: 1\n    c: [x, "y"]\n')
  assert.deepEqual(source.data, { a: [{ b: 1, c: ['x', 'y'] }] })
  assert.deepEqual(source.place(['a', 0, 'c', 1]), { line: 3, column: 12 })
  assert.deepEqual(source.place(['a', 0, 'c'], 'key'), { line: 3, column: 5 })
  assert.deepEqual(source.place(['a', 0, 'missing', 'too']), { line: 2, column: 5 })
  assert.deepEqual(source.place(['a', 7]), { line: 2, column: 3 })
  assert.deepEqual(source.place(['nothing']), { line: 1, column: 1 })
})

const outcome = (bytes: Uint8Array): string => {
  try {
    parseConfig(bytes, '/etc/postern.yaml', twoProtocols)
    return 'valid'
  } catch (error) {
    if (error instanceof ConfigError && error.problems.length > 0) return 'refused'
    throw error
  }
}

test('whatever the bytes, there is a configuration or there are problems', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => outcome(bytes) === 'refused'))
})

test('whatever is put into the sample, there is a configuration or there are problems', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ': ',
      '\n',
      '  ',
      '- ',
      '&a ',
      '*a',
      '!!str ',
      '"',
      "'",
      '#',
      '|',
      '>',
      '~',
      '\t',
      '\0',
      '__proto__: 1\n',
      '? ',
    ),
    fc.string({ maxLength: 8 }),
  )
  fc.assert(
    fc.property(fc.nat(sample.length), fc.nat(30), piece, (at, length, text) => {
      outcome(Buffer.from(sample.slice(0, at) + text + sample.slice(at + length)))
    }),
    { numRuns: 150 },
  )
})
