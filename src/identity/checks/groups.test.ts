import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Refused, sayOf } from '../../denial.ts'
import { readGroups } from './groups.ts'

const config = (groupsClaim = 'groups', clientGroups: [string, string[]][] = []) => ({
  groupsClaim,
  clientGroups: new Map(clientGroups),
})

test('whatever stands at the claim, the answer is its own strings or a refusal, never fewer and never more', () => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      const read = readGroups({ groups: value }, 'c', config())
      if (read instanceof Refused) assert.equal(read.denial.code, 'groups_missing')
      else assert.deepEqual(read, value)
    }),
    { numRuns: 500 },
  )
})

test('a list or a name without measure is refused', () => {
  for (const groups of [Array(1_001).fill('g'), ['g'.repeat(513)], ['\ud800']])
    assert.ok(readGroups({ groups }, 'c', config()) instanceof Refused)
})

test('a path goes down by the longest name that is there, and does not go back up', () => {
  const at = (claims: Record<string, unknown>, path: string) => {
    const read = readGroups(claims, 'c', config(path))
    return read instanceof Refused ? undefined : read
  }
  assert.deepEqual(at({ realm_access: { roles: ['a'] } }, 'realm_access.roles'), ['a'])
  assert.deepEqual(at({ a: { 'b.c': ['x'] } }, 'a.b.c'), ['x'])
  assert.deepEqual(at({ 'a.b': { c: ['long'] }, a: { b: { c: ['short'] } } }, 'a.b.c'), ['long'])
  assert.equal(at({ 'a.b': {}, a: { b: { c: ['short'] } } }, 'a.b.c'), undefined)
  assert.equal(at({ a: [['x']] }, 'a.0'), undefined)
  assert.equal(at({ a: 'xy' }, 'a.length'), undefined)
  assert.equal(at({}, '__proto__.groups'), undefined)
})

test('the refusal names the client and the line to add, ready to paste', () => {
  const say = (client: string) => {
    const read = readGroups({}, client, config())
    assert.ok(read instanceof Refused)
    return sayOf(read.denial)
  }
  assert.match(
    say('0oaAgent2'),
    /client 0oaAgent2 .*service app.*client_groups: \{ 0oaAgent2: \[<group>\] \}/,
  )
  assert.match(say('a: b}'), /client_groups: \{ "a: b\}": \[<group>\] \}/)
})

test('the marks of an issuer that left groups out hold even beside a list', () => {
  const marks = [{ hasgroups: true }, { hasgroups: 'true' }, { _claim_names: { groups: 'src1' } }]
  for (const mark of marks)
    assert.ok(readGroups({ groups: ['a'], ...mark }, 'c', config()) instanceof Refused)
  for (const mark of [{ hasgroups: false }, { _claim_names: { other: 'src1' } }])
    assert.deepEqual(readGroups({ groups: ['a'], ...mark }, 'c', config()), ['a'])
})
