import assert from 'node:assert/strict'
import { test } from 'node:test'
import { meetApart } from './column-lists.ts'

test('lists apart are those that give something, or are about tables, that another does not', () => {
  const apart = (...lists: Record<string, string[]>[]) => meetApart({}, { columns_apart: lists })
  const [wide, narrow, other] = [{ t: ['a', 'b'] }, { t: ['b'] }, { u: ['a'] }]
  assert.deepEqual(apart(wide, narrow, { t: ['b', 'b'] }), [])
  assert.deepEqual(apart(wide, other, narrow), [other, narrow])
  assert.deepEqual(apart(wide, { t: ['b', 'c'] }), [wide, { t: ['b', 'c'] }])
  assert.deepEqual(apart({ ...wide, ...other }, wide), [{ ...wide, ...other }, wide])
  assert.deepEqual(apart({ t: [] }, wide, narrow), [])
})

test('dozens of lists of hundreds of columns are not searched column by column', () => {
  let searched = 0
  const long = Array.from({ length: 240 }, (_, i) => `c${i}`)
  const lists = Array.from({ length: 64 }, (_, i) => ({
    t: Object.assign([...long, `own${i}`], {
      includes: (name: string) => {
        searched++
        return long.includes(name)
      },
    }),
  }))
  assert.equal(meetApart({}, { columns_apart: lists }).length, 64)
  assert.ok(searched <= 64 * 241, `${searched} times`)
})
