import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coversName, meetNames } from './names.ts'
import { matchesPath, pathPatternProblem } from './pattern.ts'

const table: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
  ['/orders', ['/orders'], ['/orders/', '/order', '/ordersx', '/orders/1', '/']],
  ['/orders/*', ['/orders/1', '/orders/abc'], ['/orders/', '/orders', '/orders/1/items', '/orders/1/']],
  ['/orders/*/items', ['/orders/1/items'], ['/orders//items', '/orders/1/2/items', '/orders/items']],
  ['/orders/**', ['/orders/', '/orders/1', '/orders/1/items/2'], ['/orders', '/ordersx/1', '/x/orders/1']],
  ['/**', ['/', '/a', '/a/b/c'], []],
  ['**', ['/', '/a/b'], []],
  ['/**/items', ['/a/items', '/a/b/items', '//items'], ['/items', '/a/items/1']],
  ['/a*b', ['/ab', '/axxb'], ['/a/b', '/ab/', '/abc']],
  ['/a**b', ['/ab', '/a/x/b', '/a/b'], ['/a/bc']],
  ['/*.json', ['/x.json'], ['/a/x.json', '/x.jsonx']],
  ['/*/*/c', ['/a/b/c'], ['/a/c', '/a/b/x/c']],
  ['/', ['/'], ['/a']],
  ['/v*/x-*-y/**', ['/v1/x-a-y/', '/v/x--y/z'], ['/v1/x-a/y/', '/v1/2/x-a-y/']],
]

test('patterns match within a segment with * and across with **', () => {
  for (const [pattern, yes, no] of table) {
    assert.equal(pathPatternProblem(pattern), undefined, pattern)
    for (const path of yes) assert.ok(matchesPath(pattern, path), `${pattern} matches ${path}`)
    for (const path of no) assert.ok(!matchesPath(pattern, path), `${pattern} does not match ${path}`)
  }
})

test('a pattern that could match nothing is refused, and told how it is written', () => {
  for (const pattern of [
    'orders',
    '',
    '/a/../b',
    '/a//b',
    '/a;b',
    '/a%2fb',
    '/%61',
    '/a***',
    '/%2a',
    '/a?b',
    '/\u00e9',
    `/${'*a'.repeat(17)}`,
  ])
    assert.notEqual(pathPatternProblem(pattern), undefined, pattern)
  assert.match(pathPatternProblem('/{id}') ?? '', /\/%7Bid%7D/)
})

const letters = fc.constantFrom('a', 'b', '/')
const regular = (pattern: string) =>
  new RegExp(
    `^${pattern.replace(/(^|\/)\*(?=\/|$)|\*\*|\*/g, (star, before) =>
      star === '**' ? '.*' : star === '*' && before === undefined ? '[^/]*' : `${before ?? ''}[^/]+`,
    )}$`,
  )

test('as a regular expression would have it', () => {
  fc.assert(
    fc.property(
      fc
        .array(fc.constantFrom('a', 'b', '/', '*', '/**/'), { maxLength: 8 })
        .map(parts => `/${parts.join('')}`),
      fc.array(letters, { maxLength: 10 }).map(parts => `/${parts.join('')}`),
      (pattern, path) => {
        fc.pre(!/\*{2,}\*|\*\*\*/.test(pattern) && !/[^/]\*\*|\*\*[^/]/.test(pattern))
        assert.equal(matchesPath(pattern, path), regular(pattern).test(path), `${pattern} ${path}`)
      },
    ),
    { numRuns: 3000 },
  )
})

test('an evil path costs pieces times length: it ends', () => {
  const pattern = `/${'*a'.repeat(16)}`
  assert.equal(matchesPath(pattern, `/${'a'.repeat(8000)}b`), false)
  assert.equal(matchesPath(pattern, `/${'a'.repeat(8000)}`), true)
})

test('lists of names meet in the narrower of both', () => {
  assert.deepEqual(meetNames(['*'], ['x-a', 'y-*']), ['x-a', 'y-*'])
  assert.deepEqual(meetNames(['x-*', 'page'], ['x-a', 'page', 'z']), ['x-a', 'page'])
  assert.deepEqual(meetNames(['a'], ['b']), [])
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('*', 'a*', 'ab*', 'ab', 'a', 'b', 'b*'), { maxLength: 4 }),
      fc.array(fc.constantFrom('*', 'a*', 'ab*', 'ab', 'a', 'b', 'b*'), { maxLength: 4 }),
      fc.constantFrom('a', 'ab', 'abc', 'b', 'bc', 'c'),
      (one, other, name) => {
        const covered = (list: readonly string[]) => list.some(pattern => coversName(pattern, name))
        assert.equal(covered(meetNames(one, other)), covered(one) && covered(other))
      },
    ),
  )
})
