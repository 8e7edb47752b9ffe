import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from './nearest.ts'

const known = ['connection', 'group', 'ttl', 'scope', 'approval', 'when']

test('a slip of the hand finds the word that was meant', () => {
  for (const [typed, meant] of [
    ['conection', 'connection'],
    ['conneciton', 'connection'],
    ['grop', 'group'],
    ['tll', 'ttl'],
    ['Scope', 'scope'],
    ['aproval', 'approval'],
  ] as const) {
    assert.equal(nearest(typed, known), meant)
  }
})

test('what is near to nothing is told nothing', () => {
  for (const typed of ['x', 'hunter2', 'database', '', 'a'.repeat(10_000)])
    assert.equal(nearest(typed, known), undefined)
})
