import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guardOf } from './guard.fixture.ts'
import { refusal } from './refuse.ts'
import { errorFields } from './wire.ts'

const guard = guardOf({ statements: ['select'], tables: ['public.orders'] })

async function hint(sql: string): Promise<string | undefined> {
  const verdict = await guard.judge(sql)
  if (verdict.allow) return 'ALLOWED'
  return errorFields(refusal(verdict.denial, { grant: 'g_1', session: 's_1', seq: 1 }).subarray(5)).H
}

test('what a scope has words for is asked for with a scope', async () => {
  for (const sql of [
    'delete from orders',
    'select * from customers',
    'select pg_read_file($1)',
    'with x as (delete from orders returning 1) select * from x',
  ])
    assert.match((await hint(sql)) ?? '', /^Request scope that holds this: postern request --scope/, sql)
})

test('what no scope has a word for is not', async () => {
  for (const sql of [
    'drop table orders',
    'vacuum orders',
    'listen x',
    'create temp table t (id int)',
    'create temp table t as select 1',
    'truncate orders',
    'alter table orders add x int',
    'grant select on orders to public',
    'set role postgres',
    'select 1; drop table orders',
  ])
    assert.equal(await hint(sql), 'No scope allows this.', sql)
})
