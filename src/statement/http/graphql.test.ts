import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readDocument } from './graphql.ts'

const fields = (text: string) => {
  const read = readDocument(text)
  assert.ok('operations' in read, `${text.slice(0, 80)}: ${JSON.stringify(read)}`)
  return read.operations.map(one => `${one.type} ${one.name ?? ''}: ${one.fields.join(' ')}`)
}

test('types and top-level fields, through fragments and aliases', () => {
  for (const [text, want] of [
    ['{viewer{login}}', ['query : viewer']],
    ['query A { viewer { login } }', ['query A: viewer']],
    ['mutation { a: deleteAll(x: 1) viewer: drop }', ['mutation : deleteAll drop']],
    ['subscription { changed }', ['subscription : changed']],
    ['{ viewer: secrets }', ['query : secrets']],
    ['{ ... { a } ... on Query { b } ... @include(if: false) { c } }', ['query : a b c']],
    ['{ ...F } fragment F on Query { a ...G } fragment G on Query { b ...F }', ['query : a b']],
    ['query A { a } mutation B { b }', ['query A: a', 'mutation B: b']],
    ['{ a @skip(if: true) }', ['query : a']],
    ['{ __typename __schema { types { name } } }', ['query : __typename __schema']],
    ['\ufeff{ a, , b # { c }\n d }', ['query : a b d']],
    ['{ a(x: """ } { """, y: "\\"} {") }', ['query : a']],
  ] as const)
    assert.deepEqual(fields(text), want, text)
})

test('what cannot be read one way alone is unreadable', () => {
  for (const text of [
    '',
    '{',
    '{a}}',
    '{ }',
    'fragment F on Q { a }',
    '{ ...F }',
    '{ ...F } fragment F on Q { a } fragment F on Q { b }',
    'type A { b: C }',
    'schema { query: Q }',
    'extend type Q { a: B } query { a }',
    '{ a(x: ) }',
    '{ "a" }',
    'query query query { a }',
    `{${' a'.repeat(5000)}}`,
    `{a${' '.repeat(70_000)}}`,
    `${'{a'.repeat(70)}${'}'.repeat(70)}`,
    `{a(x: ${'['.repeat(70)}${']'.repeat(70)})}`,
    // closing brackets in strings and comments close nothing
    `{${'a(x:"}"){'.repeat(70)}b${'}'.repeat(71)}`,
    `{${'a(x:"""}}""")#}}\n{'.repeat(70)}b${'}'.repeat(71)}`,
  ])
    assert.ok('unreadable' in readDocument(text), text.slice(0, 60))
})

test('no text makes it throw or hang', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '"',
    '"""',
    '\\',
    '#',
    '\n',
    'a',
    '...',
    'on',
    'query',
    '(',
    ')',
    '[',
    ':',
    '$',
    '@',
    '1',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 400 }), pieces => {
      readDocument(pieces.join(' '))
    }),
    { numRuns: 500 },
  )
  readDocument('"""'.repeat(20_000))
  readDocument('{a'.repeat(30_000))
  readDocument('"\\'.repeat(30_000))
})
