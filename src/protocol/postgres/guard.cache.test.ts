/** The verdict cache under attack: a verdict that was given never changes another's (attack 104). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Verdict } from '../../recording/record.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { guardOf, newest } from './guard.fixture.ts'
import { allowedCatalogue, refusedCatalogue } from './vectors/catalogue.ts'
import {
  allowedColumns,
  allowedColumnWrites,
  refusedColumns,
  refusedColumnWrites,
} from './vectors/columns.ts'
import { allowedFilters, refusedFilters } from './vectors/filter.ts'
import { mutant } from './vectors/mutation.ts'
import { randomOf } from './vectors/random.ts'
import { allowedReads, allowedWrites, refusedMasked, refusedReads } from './vectors/statements.ts'

const tables = ['public.orders', 'public.order_items', 'public.notes']
const scopes = [
  { statements: ['select'], tables },
  { statements: ['select'], tables: ['public.order_items'] },
  { statements: ['select'], tables, columns: { 'public.orders': ['id', 'total'] } },
  { statements: ['select'], tables, mask: [{ column: 'public.orders.email', with: 'full' }] },
  { statements: ['select'], tables, mask: [{ column: 'public.orders.email', with: 'full', filter: true }] },
  { statements: ['select'], tables, catalog: true, statement_timeout: '5s' },
  {
    statements: ['select', 'insert', 'update', 'delete'],
    tables,
    write_tables: ['public.notes'],
    statement_timeout: '1s',
  },
]
const corpus = [
  ...allowedReads,
  ...allowedWrites,
  ...allowedColumns,
  ...allowedColumnWrites,
  ...allowedFilters,
  ...allowedCatalogue,
  ...refusedColumns,
  ...refusedColumnWrites,
  ...refusedFilters,
  ...refusedCatalogue,
  ...refusedMasked.map(one => one.sql),
  ...refusedReads.map(one => one.sql),
]
/** Where a literal decides, these decide otherwise. */
const literals =
  "'role' 'hba_file' 'server_version_num' 'secret' 'orders' 'UTF8' 'SJIS' '5s' '1h' '{}' 0 1 2 3 4 5000 999999999 1.5 'on' 'off'".split(
    ' ',
  )

/** The same statement with other literals. */
function otherwise(sql: string, seed: number): string {
  const random = randomOf(seed)
  return sql.replace(/'(?:[^']|'')*'|(?<![\w$.])\d+(?:\.\d+)?(?![\w.])/g, one =>
    random() < 0.7 ? (literals[Math.floor(random() * literals.length)] ?? one) : one,
  )
}

const essence = (verdict: Verdict) => ({
  allow: verdict.allow,
  text: verdict.statement.text,
  kind: verdict.statement.kind,
  touches: verdict.statement.touches,
  detail: verdict.allow ? undefined : verdict.denial.detail,
})

test('whatever was asked before, under whatever scope, a verdict is the one it would be alone', async t => {
  const shared = new VerdictCache()
  const guards = scopes.map(scope => guardOf(scope, shared))
  let hits = 0
  await fc.assert(
    fc.asyncProperty(
      fc.noBias(fc.integer()),
      fc.nat(scopes.length - 1),
      fc.boolean(),
      async (seed, which, plain) => {
        const sql = plain ? (corpus[Math.abs(seed) % corpus.length] ?? '') : mutant(seed, corpus)
        // Another's question first, then this one with other literals, then with its own.
        await guards[(which + 1) % scopes.length]?.judge(sql)
        for (const text of [otherwise(sql, seed), sql, otherwise(sql, seed + 1)]) {
          const given = guards[which]?.judge(text)
          assert.ok(given)
          if (!(given instanceof Promise)) hits += 1
          const alone = await guardOf(scopes[which] ?? {}, new VerdictCache()).judge(text)
          assert.deepEqual(essence(await given), essence(alone), text)
        }
      },
    ),
    { numRuns: Number(process.env.POSTERN_FUZZ ?? 1_500) },
  )
  t.diagnostic(`${hits} came out of the cache`)
  assert.ok(hits > 200, String(hits))
})

test('a constant that is no ordinal opens no way for one that is', async () => {
  const shared = new VerdictCache()
  const guard = guardOf(scopes[3] ?? {}, shared)
  for (const constant of ['1.5', '99999999999', "'x'", '1'])
    assert.ok((await guard.judge(`select id, email from orders order by ${constant}`)).allow, constant)
  assert.ok(!(await guard.judge('select id, email from orders order by 2')).allow)
})

test('what a scope is, and what the database has, is the key: a reload that changes either finds nothing old', async () => {
  const shared = new VerdictCache()
  const sql = 'select o.full_name, o.email from orders o'
  const judged = async (scope: object, rows: readonly string[] = []) =>
    (await guardOf(scope, shared, { ...newest, rows }).judge(sql)).allow
  const scope = { statements: ['select'], tables: ['public.orders'] }
  assert.ok(await judged(scope))
  for (const narrower of [
    { ...scope, tables: ['public.order_items'] },
    { ...scope, columns: { 'public.orders': ['full_name'] } },
    { ...scope, statements: ['insert'] },
  ])
    assert.ok(!(await judged(narrower)), JSON.stringify(narrower))
  assert.ok(!(await judged(scope, ['full_name'])))
  assert.ok(await judged({ ...scope, functions: ['public.full_name'] }, ['full_name']))
  assert.ok(await judged(scope))
})
