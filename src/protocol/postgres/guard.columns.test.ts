import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allows, guardOf, refusesAll } from './guard.fixture.ts'
import {
  allowedColumns,
  allowedColumnWrites,
  refusedColumns,
  refusedColumnWrites,
  refusedStars,
} from './vectors/columns.ts'

const scope = {
  statements: ['select'],
  tables: ['public.orders', 'public.order_items', 'public.notes'],
  columns: { 'public.orders': ['id', 'total'], 'public.notes': ['id', 'body'] },
}
const reading = guardOf(scope)
const writing = guardOf({
  ...scope,
  statements: ['select', 'insert', 'update', 'delete', 'merge'],
  write_tables: ['public.notes'],
})

test('what names listed columns alone is permitted', () => allows(reading, allowedColumns))
test('writes that name listed columns alone are permitted', () => allows(writing, allowedColumnWrites))
test('another column is refused in every clause', () => refusesAll(reading, 'not permitted', refusedColumns))
test('what stands for all columns is refused', () => refusesAll(reading, 'public.orders', refusedStars))
test('another column is neither written nor read back', () => refusesAll(writing, '', refusedColumnWrites))

test('a refusal says how to do it right', async () => {
  for (const [sql, say] of [
    ['select * from orders', 'name them instead: id, total;'],
    [
      'select o.email from orders o',
      'column email of public.orders is not permitted (permitted: id, total);',
    ],
    ['select count(*) as day from orders group by day', 'in GROUP BY the number of the output column;'],
    ['insert into notes values (1)', 'insert on public.notes is not permitted;'],
    ['copy orders to stdout', 'copy of public.orders must name its columns: id, total;'],
  ] as const) {
    const verdict = await reading.judge(sql)
    assert.ok(
      !verdict.allow && verdict.denial.say?.includes(say),
      `${sql}: ${!verdict.allow && verdict.denial.say}`,
    )
  }
})

test('with an empty list nothing of a table can be named, and its rows are not counted either', async () => {
  const guard = guardOf({
    statements: ['select'],
    tables: ['public.orders'],
    columns: { 'public.orders': [] },
  })
  await refusesAll(guard, 'public.orders', [
    'select id from orders',
    'select * from orders',
    'select count(*) from orders',
    'select 1 from orders',
  ])
})

test('a limit on one table is none on another of that name', async () => {
  const guard = guardOf({
    statements: ['select'],
    tables: ['public.orders', 'hr.orders'],
    columns: { 'hr.orders': ['id'] },
  })
  await allows(guard, ['select * from orders', 'select o.* from public.orders o'])
  await refusesAll(guard, 'hr.orders', ['select * from hr.orders'])
})
