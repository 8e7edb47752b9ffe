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
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { createAnalyser } from '../../statement/sql/analyser.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import type { Narrowed } from '../../words.ts'
import { createGuard } from './guard.ts'
import { type PostgresScope, postgresScope } from './scope.ts'
import { statement } from './vectors/grammar.ts'

/** Emails that sort, compare, group and join otherwise: `one` and `two` tell whether a statement saw them. */
const world = (email: string) => `
  create table orders (id int, customer text, total int, email text);
  create table order_items (id int, order_id int, name text, email text);
  create table secret (id int, body text);
  insert into orders select n, 'c' || n % 2, n, ${email} from generate_series(1, 4) n;
  insert into order_items select n, n, 'x2', 'x' || n from generate_series(1, 3) n;
  grant select on orders, order_items to reader;`

let home: Home
let server: TestOrders
const clients: pg.Client[] = []
before(async () => {
  home = await openHome()
  server = await startPostgres(home, { version: '18' })
  await server.run('postgres', "create role reader login password 'r'")
  for (const [name, email] of [
    ['one', "'x' || n"],
    ['two', "'x' || 5 - n"],
  ] as const) {
    await server.run('postgres', `create database ${name}`)
    await server.run(name, world(email))
    // Rows come in the order of values, not of hashes of what differs anyway, such as an oid.
    const options =
      '-c search_path=pg_catalog,public -c statement_timeout=2s -c default_transaction_read_only=on -c enable_hashagg=off -c enable_hashjoin=off'
    const client = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      database: name,
      user: 'reader',
      password: 'r',
      options,
    })
    await client.connect()
    clients.push(client)
  }
})
const none = () => undefined
const analyser = createAnalyser({ log: { debug: none, info: none, warn: none, error: none } })
after(async () => {
  for (const client of clients) await client.end()
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
}

/** What a statement shows in one database, masked as the relay would. */
async function see(client: pg.Client, sql: string, email: number): Promise<Seen> {
  try {
    const { rows, fields } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
    const masked = fields.map(field => field.tableID === email && field.columnID === 4)
    return { code: 'ok', rows: rows.map(row => row.map((value, i) => (masked[i] ? 'masked' : value))) }
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    return { code: error.code ?? '', rows: [] }
  }
}

test('what the guard lets through, the server lets through, and it tells nothing of the masked column', async t => {
  const [one, two] = clients
  assert.ok(one && two)
  const oids = await Promise.all(
    clients.map(async client =>
      Number((await client.query("select 'public.orders'::regclass::oid as oid")).rows[0].oid),
    ),
  )
  let allowed = 0
  let ran = 0
  await fc.assert(
    fc.asyncProperty(fc.noBias(fc.integer()), async seed => {
      const sql = statement(seed)
      const verdict = await guard.judge(sql)
      if (!verdict.allow) return
      allowed += 1
      const first = await see(one, sql, oids[0] ?? 0)
      const second = await see(two, sql, oids[1] ?? 0)
      assert.notEqual(first.code, '42501', `the server refuses ${sql}`)
      assert.deepEqual(first, second, `tells of the masked column: ${sql}`)
      if (first.code === 'ok') ran += 1
    }),
    { numRuns: Number(process.env.POSTERN_FUZZ ?? 2_500) },
  )
  t.diagnostic(`${allowed} allowed, ${ran} of them ran`)
  assert.ok(ran > 100, `${allowed} allowed, ${ran} ran`)
})
