/** A masked column that may decide: never told by an output or an error, on real servers. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { allows, guardOf, refusesAll } from './guard.fixture.ts'
import { allowedFilters, refusedFilters } from './vectors/filter.ts'
import { statement } from './vectors/grammar.ts'

const scope = {
  statements: ['select'],
  tables: ['public.orders', 'public.order_items'],
  mask: [{ column: 'public.orders.email', with: 'full', filter: true }],
}
const guard = guardOf({ ...scope, mask: [...scope.mask, { column: 'public.orders.customer', with: 'full' }] })

test('a masked column with filter: true may filter, order, group and join', () =>
  allows(guard, allowedFilters))
test('it is not output, nor put where an error could say it', () =>
  refusesAll(guard, 'masked', refusedFilters))
test('without filter: true nothing of it is permitted', async () => {
  const strict = guardOf({ ...scope, mask: [{ column: 'public.orders.email', with: 'full' }] })
  for (const sql of allowedFilters) assert.ok(!(await strict.judge(sql)).allow, sql)
})

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, versions)
})
after(() => home.close())

/** Emails that compare alike in both databases, with all that the grammar compares them with, and yet are others. */
const world = (email: string) => `
  create table orders (id int, customer text, total int, email text);
  create table order_items (id int, order_id int, name text, email text);
  create table secret (id int, body text);
  insert into orders select n, 'c' || n % 2, n, ${email} from generate_series(1, 4) n;
  insert into order_items select n, n, 'x2', 'y' || n from generate_series(1, 3) n;
  grant select on orders, order_items to reader;`

for (const version of versions) {
  test(`PostgreSQL ${version} tells no value that was let decide, in rows or errors`, async t => {
    const server = at(version)
    await server.run('postgres', "create role reader login password 'r'")
    const clients: { client: pg.Client; oid: number }[] = []
    for (const [name, email] of [
      ['one', "'x' || n || 'marked'"],
      ['two', "'x' || n || 'naught'"],
    ] as const) {
      await server.run('postgres', `create database ${name}`)
      await server.run(name, world(email))
      const client = new pg.Client({
        host: '127.0.0.1',
        port: server.port,
        database: name,
        user: 'reader',
        password: 'r',
        // Plans alike, and rows in the order of values and not of their hashes.
        options:
          '-c search_path=pg_catalog,public -c statement_timeout=2s -c enable_hashagg=off -c enable_hashjoin=off',
      })
      await client.connect()
      const { rows } = await client.query("select 'public.orders'::regclass::oid::int as oid")
      clients.push({ client, oid: rows[0].oid })
    }
    const seen = async (sql: string, values: unknown[] = []) =>
      Promise.all(
        clients.map(async ({ client, oid }) => {
          try {
            const answer = await client.query<unknown[]>({ text: sql, rowMode: 'array', values })
            const masked = answer.fields.map(field => field.tableID === oid && field.columnID === 4)
            return answer.rows.map(row => row.map((value, i) => (masked[i] ? 'masked' : value)))
          } catch (error) {
            if (!(error instanceof pg.DatabaseError)) throw error
            return [error.code, error.message, error.detail ?? '']
          }
        }),
      )
    const judge = guardOf(scope)
    let ran = 0
    await fc.assert(
      fc.asyncProperty(fc.noBias(fc.integer()), async seed => {
        const sql = statement(seed)
        if (!(await judge.judge(sql)).allow || sql.startsWith('explain')) return
        const [one, two] = await seen(sql)
        assert.deepEqual(one, two, sql)
        assert.doesNotMatch(JSON.stringify(one), /marked/, sql)
        if (Array.isArray(one?.[0]) && /email/.test(sql)) ran += 1
      }),
      { numRuns: Number(process.env.POSTERN_FUZZ ?? 2_000) },
    )
    for (const sql of allowedFilters.filter(one => !/^(copy|explain)/.test(one))) {
      const values = [...new Set(sql.match(/\$\d/g) ?? [])].map(() =>
        sql.includes('any ($1)') ? ['a'] : 'a',
      )
      const [one, two] = await seen(sql, values)
      assert.doesNotMatch(String(one?.[0]), /^42/, `${sql}: ${one}`)
      assert.doesNotMatch(JSON.stringify([one, two]), /marked|naught/, sql)
    }
    t.diagnostic(`${ran} ran that name the column`)
    assert.ok(ran > 30, String(ran))
    for (const { client } of clients) await client.end()
  })
}
