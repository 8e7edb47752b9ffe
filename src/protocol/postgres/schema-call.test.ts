import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refused } from '../../denial.ts'
import { wholeScope } from './door.fixture.ts'
import type { OneShots } from './one-shot.ts'
import { runSchema } from './schema-call.ts'

test('masks of thousands of partitions are not gone through for each of their columns', async () => {
  let times = 0
  const tables = Array.from({ length: 500 }, (_, i) => `public.orders_${i}`)
  const mask = tables.map(table => ({ column: `${table}.email`, with: 'full' as const }))
  const find = (of: (one: (typeof mask)[number]) => boolean) => {
    times++
    return mask.filter(of)[0]
  }
  const scope = { ...wholeScope, statements: ['select'], tables, mask: Object.assign([...mask], { find }) }
  const rows = tables.flatMap(table =>
    ['id', 'email'].map(column => ['public', table.slice('public.'.length), 'r', column, 'text', 't']),
  )
  const ask = async () => ({ rows, error: null, reported: [] })
  const schema = await runSchema({ session: { upstream: { scope } }, ask } as unknown as OneShots)
  assert.ok(!(schema instanceof Refused))
  assert.deepEqual(
    [schema.tables.length, schema.tables[7]?.columns.map(column => column.mask)],
    [500, [undefined, 'full']],
  )
  assert.ok(times <= 1, `${times} times`)
})
