import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Verdict } from '../../recording/record.ts'
import type { SqlAnalyser } from '../../statement/sql/analyser.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { allows, guardOf, newest, refuses, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import {
  allowedNew,
  allowedReads,
  allowedWrites,
  allowedWritesNew,
  refusedAppends,
  refusedMasked,
  refusedReads,
  refusedWrites,
  unread,
} from './vectors/statements.ts'

const read = {
  statements: ['select'],
  tables: ['public.orders', 'public.order_items'],
  functions: ['public.safe'],
  statement_timeout: '5s',
  mask: [{ column: 'public.orders.email', with: 'partial' }],
}
const reading = guardOf(read)
const writing = guardOf({
  ...read,
  statements: ['select', 'insert', 'update', 'delete', 'merge'],
  tables: [...read.tables, 'public.notes'],
  write_tables: ['public.notes'],
})
const append = guardOf({ statements: ['insert'], write_tables: ['public.notes'] })

test('what a read scope permits is permitted', () => allows(reading, [...allowedReads, ...allowedNew]))
test('what a write scope permits is permitted', () =>
  allows(writing, [...allowedReads, ...allowedWrites, ...allowedWritesNew]))
test('everything else is refused and says why', () => refuses(reading, refusedReads))
test('a write scope writes what it names and reads what it names', () =>
  refuses(writing, [...refusedWrites, ...refusedMasked.filter(({ sql }) => !sql.includes('for update'))]))
test('an insert-only scope reads nothing back', () => refuses(append, refusedAppends))
test('an insert-only scope inserts', () =>
  allows(append, [
    'insert into notes (id) values (1)',
    'copy notes from stdin',
    'insert into notes (id) values (1) on conflict do nothing',
  ]))
test('nothing tells of a masked column but its masked output', () => refuses(reading, refusedMasked))

test('a table with masked columns is written, and no write tells of them', async () => {
  const guard = guardOf({
    ...read,
    statements: ['select', 'insert', 'update', 'delete', 'merge'],
    write_tables: ['public.orders'],
  })
  await refuses(
    guard,
    [
      "update orders set total = 1 where email = 'a'",
      'update orders set customer = email',
      "insert into orders (id) values (1) on conflict (id) do update set total = 1 where orders.email = 'a'",
      'merge into orders o using order_items i on o.id = i.id when matched then update set customer = o.email',
      'update orders set total = 1 returning *',
      'delete from orders returning email',
      'insert into orders (id) values (1) returning *',
      "insert into orders (id, email) values (1, 'a') on conflict (email) do nothing",
      "delete from orders where email = 'a'",
      'insert into orders (id, customer) select id, email from orders',
    ].map(sql => ({ sql, say: 'masked' })),
  )
  await allows(guard, [
    "insert into orders (id, email) values (1, 'a') returning id",
    'delete from orders where id = 1 returning id, total',
    'update orders set total = null where id = 1 returning id',
    "update orders set email = 'a' where id = 1",
    'insert into orders (id) values (1) on conflict (id) do update set total = null',
    'merge into orders o using order_items i on o.id = i.id when matched then update set total = null',
  ])
})

test('a refusal says what the grant allows', async () => {
  const verdict = await reading.judge('delete from orders')
  assert.ok(!verdict.allow)
  assert.equal(
    verdict.denial.say,
    'delete on public.orders is not permitted; this grant allows select on public.orders, public.order_items, functions public.safe, at most 5000 ms a statement, masked: public.orders.email',
  )
})

test('what cannot be read is refused as such', async () => {
  for (const { sql, code } of unread) {
    const verdict = await reading.judge(sql)
    assert.ok(!verdict.allow, sql)
    assert.equal(verdict.denial.code, code, sql)
  }
})

test('a record says what a statement touches, by resolved names', async () => {
  const verdict = await writing.judge(
    'with a as (select id from Orders) insert into notes (id, body) select id, lower($1) from a returning id',
  )
  assert.deepEqual(verdict.statement, {
    kind: 'insert',
    text: 'with a as (select id from Orders) insert into notes (id, body) select id, lower($1) from a returning id',
    touches: [
      { act: 'read', on: 'public.orders' },
      { act: 'insert', on: 'public.notes' },
      { act: 'call', on: 'pg_catalog.lower' },
      { act: 'read', on: 'public.notes' },
    ],
  })
})

test('a verdict is given again without a promise, and is the same object', async () => {
  const first = await reading.judge('select id as unheard from orders')
  assert.equal(reading.judge('select id as unheard from orders'), first)
})

test('texts that differ in a literal share a verdict where no literal had a part in it, each with its own text', async () => {
  await reading.judge("select id from orders where total > 100 and customer = 'a'")
  const alike = reading.judge("select id from orders where total > 7.5 and customer = 'it''s'")
  assert.ok(!(alike instanceof Promise) && alike.allow)
  assert.equal(alike.statement.text, "select id from orders where total > 7.5 and customer = 'it''s'")
  assert.deepEqual(alike.statement.touches, [{ act: 'read', on: 'public.orders' }])
})

test('a literal that decides is never shared: ordinals over masked columns, settings, casts, options', async () => {
  for (const [yes, no] of [
    ['select id, email from orders order by 1', 'select id, email from orders order by 2'],
    ["set client_encoding = 'UTF8'", "set client_encoding = 'SJIS'"],
    ['set statement_timeout = 1000', 'set statement_timeout = 0'],
    ['set statement_timeout = 1000; select 1', 'set statement_timeout = 0; select 1'],
    ["select '1'::int", "select '1'::regclass"],
    ["select lower('role')", "select set_config('role', 'x', false)"],
    ['select id from orders where total > 1', "select id from orders where total > 1 or email = 'x'"],
  ] as const) {
    assert.ok((await reading.judge(yes)).allow, yes)
    assert.ok(!(await reading.judge(no)).allow, no)
  }
})

test('all sessions of a grant have one turn at the parser', async () => {
  const asked: string[] = []
  const turned: SqlAnalyser = {
    analyse(_sql, _limits, who) {
      asked.push(who)
      return Promise.resolve({ ok: true, statements: [] })
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  const scope = scopeOf({ statements: ['select'], tables: ['public.orders'] })
  for (const grant of ['g_1', 'g_1', 'g_2'])
    await createGuard(scope, turned, new VerdictCache(), newest, grant).judge('select 1')
  assert.deepEqual(asked, ['g_1', 'g_1', 'g_2'])
})

test('two scopes never share a verdict', async () => {
  const cache = new VerdictCache()
  const scoped = (tables: string[]) => guardOf({ statements: ['select'], tables }, cache)
  assert.ok((await scoped(['public.a']).judge('select * from a')).allow)
  assert.ok(!(await scoped(['public.b']).judge('select * from a')).allow)
  assert.ok((await scoped(['public.a']).judge('select * from a')).allow)
})

test('schema.* covers a schema but for the views that extensions put there', async () => {
  const guard = guardOf({ statements: ['select'], tables: ['public.*'] })
  await allows(guard, ['select * from anything', 'select * from public."Odd name"'])
  await refuses(guard, [
    { sql: 'select * from public.pg_stat_statements', say: 'public.pg_stat_statements' },
    { sql: 'select * from pg_stat_statements', say: 'pg_catalog.pg_stat_statements' },
    { sql: 'select * from publicity.x', say: 'publicity.x' },
  ])
})

test('whatever the text, a verdict comes and is never a yes to what was not asked', async () => {
  const word = fc.constantFrom(
    ...'select from orders secret where delete ( ) , ; * . :: = "e" $1 \' -- /* */ with as union join on email row_to_json 1 o f(x) update set insert into values returning'.split(
      ' ',
    ),
  )
  const text = fc.oneof(
    fc.string({ unit: fc.nat(0xffff).map(unit => String.fromCharCode(unit)), maxLength: 80 }),
    fc.array(word, { maxLength: 14 }).map(words => words.join(' ')),
  )
  await fc.assert(
    fc.asyncProperty(text, async sql => {
      const verdict: Verdict = await reading.judge(sql)
      assert.equal(verdict.statement.text, sql)
      if (verdict.allow)
        for (const { act, on } of verdict.statement.touches)
          assert.ok(act === 'call' || (act === 'read' && /^public\.order/.test(on)), sql)
    }),
    { numRuns: 1500 },
  )
})
