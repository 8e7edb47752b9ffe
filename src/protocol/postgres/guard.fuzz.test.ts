/**
 * Statements out of a grammar, judged and then run on a real server twice: in two databases that differ in nothing but
 * the masked column. Whatever the guard lets through, the server must let through under exactly the scope's privileges,
 * and both databases must answer alike but for the columns that the server says are the masked one.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { startPostgres, type TestOrders, versions } from '../../../test/fixtures/postgres.ts'
import { createAnalyser } from '../../statement/sql/analyser.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import type { Narrowed } from '../../words.ts'
import { createGuard, type Judged } from './guard.ts'
import { type PostgresScope, postgresScope } from './scope.ts'
import { carried } from './vectors/carried.ts'
import { statement } from './vectors/grammar.ts'

/** Emails that sort, compare, group and join otherwise: `one` and `two` tell whether a statement saw them. */
const world = (email: string) => `
  create table orders (id int, customer text, total int, email text);
  create table order_items (id int, order_id int, name text, email text);
  create table secret (id int, body text);
  insert into orders select n, 'c' || n % 2, n, ${email} from generate_series(1, 4) n;
  insert into order_items select n, n, 'x2', 'x' || n from generate_series(1, 3) n;
  grant select on orders, order_items to reader;`

const runs = Number(process.env.POSTERN_FUZZ ?? 2_500)
const clients = new Map<string, { readonly client: pg.Client; readonly oid: number }[]>()
let home: Home
before(async () => {
  home = await openHome()
  for (const version of versions)
    clients.set(version, await connected(await startPostgres(home, { version })))
})

async function connected(server: TestOrders) {
  await server.run('postgres', "create role reader login password 'r'")
  const both = []
  for (const [name, email] of [
    ['one', "'x' || n"],
    ['two', "'x' || 5 - n"],
  ] as const) {
    await server.run('postgres', `create database ${name}`)
    await server.run(name, world(email))
    // Rows come in the order of values, not of hashes of what differs anyway, such as an oid.
    const options =
      '-c search_path=pg_catalog,public -c statement_timeout=2s -c default_transaction_read_only=on -c enable_hashagg=off -c enable_hashjoin=off -c jit=off'
    const client = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      database: name,
      user: 'reader',
      password: 'r',
      options,
    })
    await client.connect()
    const { rows } = await client.query("select 'public.orders'::regclass::oid::int as oid")
    both.push({ client, oid: rows[0].oid })
  }
  return both
}

const none = () => undefined
const analyser = createAnalyser({ log: { debug: none, info: none, warn: none, error: none } })
after(async () => {
  for (const { client } of [...clients.values()].flat()) await client.end()
  await analyser[Symbol.asyncDispose]()
  await home.close()
})

const given = {
  statements: ['select'],
  tables: ['public.orders', 'public.order_items'],
  mask: [{ column: 'public.orders.email', with: 'full' }],
}
const guard = createGuard(
  postgresScope.schema.parse(given) as Narrowed<PostgresScope>,
  analyser,
  new VerdictCache(),
)

interface Seen {
  readonly code: string
  readonly rows: unknown[][]
  /** Columns that the server says are the masked one. */
  readonly masked: number
}

/** What a statement shows in one database, masked as the relay would. */
async function see(client: pg.Client, sql: string, email: number): Promise<Seen> {
  try {
    const { rows, fields } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
    const masked = fields.map(field => field.tableID === email && field.columnID === 4)
    return {
      code: 'ok',
      rows: rows.map(row => row.map((value, i) => (masked[i] ? 'masked' : value))),
      masked: masked.filter(one => one).length,
    }
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    return { code: error.code ?? '', rows: [], masked: 0 }
  }
}

/** Runs what the guard lets through in both databases; answers whether it ran, and how many masked columns it shows. */
async function compare(version: string, sql: string, verdict: Judged): Promise<number | undefined> {
  const [one, two] = clients.get(version) ?? []
  assert.ok(one && two)
  const first = await see(one.client, sql, one.oid)
  const second = await see(two.client, sql, two.oid)
  assert.notEqual(first.code, '42501', `the server refuses ${sql}`)
  assert.deepEqual(first, second, `tells of the masked column: ${sql}`)
  if (first.code !== 'ok') return undefined
  const shown = verdict.shown?.[0] ?? 0
  assert.ok(first.masked >= shown, `the server tells of fewer masked columns than the guard: ${sql}`)
  return shown
}

for (const version of versions) {
  test(`what the guard lets through, PostgreSQL ${version} lets through, and it tells nothing of the masked column`, async t => {
    let allowed = 0
    let ran = 0
    await fc.assert(
      fc.asyncProperty(fc.noBias(fc.integer()), async seed => {
        const sql = statement(seed)
        const verdict = await guard.judge(sql)
        if (!verdict.allow) return
        allowed += 1
        if ((await compare(version, sql, verdict)) !== undefined) ran += 1
      }),
      { numRuns: runs },
    )
    t.diagnostic(`${allowed} allowed, ${ran} of them ran`)
    assert.ok(ran > 100, `${allowed} allowed, ${ran} ran`)
  })

  test(`through sub-selects and CTEs PostgreSQL ${version} shows the masked column masked, and nothing else of it`, async t => {
    let ran = 0
    let shows = 0
    await fc.assert(
      fc.asyncProperty(fc.noBias(fc.integer()), async seed => {
        const { sql, plain } = carried(seed)
        const verdict = await guard.judge(sql)
        if (plain) assert.ok(verdict.allow, `refused: ${sql}`)
        if (!verdict.allow) return
        const shown = await compare(version, sql, verdict)
        if (shown === undefined) return
        ran += 1
        if (shown > 0) shows += 1
      }),
      { numRuns: runs },
    )
    t.diagnostic(`${ran} ran, ${shows} of them show it`)
    assert.ok(shows > runs / 4, `${ran} ran, ${shows} show it`)
  })
}
