/** A table may have thousands of partitions, each with as many columns as it has: rows are gone through once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scopeThere } from './family.ts'
import { scopeOf } from './guard.fixture.ts'
import { postgresScope } from './scope.ts'

const columns = Array.from({ length: 40 }, (_, i) => `c${i}`)
const tables = ['public.t', ...Array.from({ length: 250 }, (_, i) => `public.t_${i}`)]
const rows = tables.flatMap((table, t) => [
  ...columns.map((column, c) => ['column', 'public.t', table, `${t}`, column, `${c}`, column]),
  ['listed', null, table, null, null, null, null],
])

test('what columns a thousand partitions have is not searched for once more for each of their columns', () => {
  let searched = 0
  const counting = <T>(list: readonly T[]) =>
    Object.assign([...list], {
      includes: (one: T) => {
        searched++
        return list.includes(one)
      },
      find: (of: (one: T) => boolean) => {
        searched++
        return list.filter(of)[0]
      },
    })
  const scope = scopeOf({ statements: ['select'], tables: ['public.*'] })
  const there = scopeThere(
    {
      ...scope,
      columns: { 'public.t': counting(columns.slice(1)) },
      columns_apart: [{ 'public.t': counting(columns.slice(0, -1)) }],
      mask: counting(columns.map(column => ({ column: `public.t.${column}`, with: 'full' as const }))),
      starred: counting(tables),
    },
    rows,
    'orders-db',
  )
  const given = columns.slice(1, -1)
  assert.deepEqual(there.scope.columns, Object.fromEntries(tables.map(table => [table, given])))
  assert.deepEqual(
    [there.scope.tables, there.scope.mask.length],
    [tables.toSorted(), tables.length * columns.length],
  )
  assert.ok(searched <= tables.length, `${searched} times`)
})

test('a request brings no more lists apart than sides could have said', () => {
  const lists = (count: number) => ({ columns_apart: Array.from({ length: count }, () => ({})) })
  assert.ok(postgresScope.limit.safeParse(lists(8)).success)
  assert.ok(!postgresScope.limit.safeParse(lists(9)).success)
})
