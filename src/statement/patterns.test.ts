import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { listsOf, matchNothing, meetPatterns, type Patterns } from './patterns.ts'

// A pattern here is a name that matches itself, or `*`.
const lets = (patterns: Patterns<string>, name: string) =>
  listsOf(patterns).every(list => list.includes(name) || list.includes('*'))
const names = ['a', 'b', 'c', 'd']
const list = fc.array(fc.constantFrom(...names, '*'), { maxLength: 4 })
const patterns: fc.Arbitrary<Patterns<string>> = fc.oneof(
  list,
  fc.array(list, { minLength: 1, maxLength: 3 }).map(all_of => ({ all_of })),
)

test('two lists meet in exactly what both let through', () => {
  fc.assert(
    fc.property(patterns, patterns, (a, b) => {
      const both = meetPatterns(a, b, ['*'])
      for (const name of names) assert.equal(lets(both, name), lets(a, name) && lets(b, name), name)
      if (matchNothing(a) || matchNothing(b)) assert.ok(matchNothing(both))
    }),
  )
})

test('asking for some of the patterns gives just those, and asking for more gives what there is', () => {
  assert.deepEqual(meetPatterns(['a', 'b'], ['a'], ['*']), ['a'])
  assert.deepEqual(meetPatterns(['a'], ['a', 'b'], ['*']), ['a'])
  assert.deepEqual(meetPatterns(['*'], ['a'], ['*']), ['a'])
  assert.deepEqual(meetPatterns(['a'], ['a'], ['*']), ['a'])
  assert.deepEqual(meetPatterns([['ls', '*']], [['ls', '*']], []), [['ls', '*']])
  assert.deepEqual(meetPatterns(['a'], ['b'], ['*']), { all_of: [['a'], ['b']] })
})
