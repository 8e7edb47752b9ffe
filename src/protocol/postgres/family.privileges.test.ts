/**
 * The guard and the server asked the same: a minted role has the privileges of the scope as the database has it, so that
 * whatever the guard lets through about partitions, children and views, the server must let through, too.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { type At, everyVersion, startServers } from '../../../test/fixtures/postgres.ts'
import { Secret } from '../../config/secret.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { Refused } from '../../denial.ts'
import type { Grant } from '../../words.ts'
import { findFamilies, scopeThere } from './family.ts'
import { guardOf, scopeOf } from './guard.fixture.ts'
import { minting } from './mint.ts'

const world = `
  create table orders (id int, day int, total int, email text) partition by range (day);
  create table orders_1 partition of orders for values from (0) to (10);
  create table orders_2 partition of orders for values from (10) to (20) partition by range (day);
  create table orders_21 partition of orders_2 default;
  create table people (id int, email text);
  create table noted (id int, note text);
  create table staff (salary int) inherits (people, noted);
  create view order_view as select id, email from orders;
  create view staff_view as select salary from staff;
  create materialized view kept as select * from order_view;
  create table items (id int, email text);
  revoke create on schema public from public`
const relations =
  'orders orders_1 orders_2 orders_21 people noted staff order_view staff_view kept items'.split(' ')
const columns = 'id day total email note salary'.split(' ')

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, everyVersion, 'family', world)
})
after(() => home?.close())

const some = <T>(of: readonly T[]) => fc.subarray([...of])
const scopes = fc.record({
  statements: fc.constant(['select', 'insert', 'update', 'delete']),
  tables: fc.oneof(fc.constant(['public.*']), some(relations.map(name => `public.${name}`))),
  write_tables: fc.oneof(
    fc.constant(['public.*']),
    some(relations.slice(0, 7).map(name => `public.${name}`)),
  ),
  columns: fc.dictionary(
    fc.constantFrom(
      'public.orders',
      'public.orders_2',
      'public.orders_21',
      'public.people',
      'public.noted',
      'public.staff',
    ),
    some(columns),
    { minKeys: 1, maxKeys: 3 },
  ),
})
const column = fc.constantFrom(...columns)
const statements = fc
  .record({ table: fc.constantFrom(...relations), one: column, two: column, form: fc.nat(11) })
  // The server refuses to write what is materialized for another reason than privileges.
  .filter(({ table, form }) => table !== 'kept' || form < 7)
  .map(
    ({ table, one, two, form }) =>
      [
        `select ${one}, ${two} from ${table}`,
        `select count(*) from ${table}`,
        `select t.${one} from ${table} t where t.${two} is null`,
        `select max(${one}) from ${table}`,
        `select * from ${table}`,
        `select t::text from ${table} t`,
        `copy ${table} (${one}) to stdout`,
        `insert into ${table} (${one}) values (null)`,
        `update ${table} set ${one} = null`,
        `update ${table} set ${one} = null where ${two} is null returning ${two}`,
        `delete from ${table} where ${one} is null`,
        `delete from ${table}`,
      ][form] ?? '',
  )

const runs = Number(process.env.POSTERN_FUZZ ?? 25)

for (const version of everyVersion)
  test(`PostgreSQL ${version} permits of families whatever the guard permits`, {
    timeout: 3_600_000,
  }, async t => {
    const server = at(version)
    const admin = new pg.Client(server.url('family'))
    await admin.connect()
    let session = 0
    const counts = { allowed: 0, refused: 0, tooStrict: 0 }
    await fc.assert(
      fc.asyncProperty(
        scopes,
        fc.array(statements, { minLength: 20, maxLength: 60 }),
        async (said, asked) => {
          // The server has no privileges on columns that are not there.
          const { rows: there } = await admin.query(
            'select attrelid::regclass::text as table, array_agg(attname::text) as columns from pg_attribute where attnum > 0 group by 1',
          )
          const has = new Map(
            (there as { table: string; columns: string[] }[]).map(row => [
              `public.${row.table}`,
              row.columns,
            ]),
          )
          const scope = scopeOf({
            ...said,
            columns: Object.fromEntries(
              Object.entries(said.columns).map(([table, list]) => [
                table,
                list.filter(one => has.get(table)?.includes(one)),
              ]),
            ),
          })
          const { rows } = await admin.query({ text: findFamilies(scope), rowMode: 'array' })
          const texts = (rows as unknown[][]).map(row =>
            row.map(value => (value === null ? null : String(value))),
          )
          const guard = guardOf(JSON.parse(JSON.stringify(scopeThere(scope, texts, 'orders-db').scope)))
          const made = await minting.mint({
            target: { host: '127.0.0.1', port: server.port, database: 'family', tls: { mode: 'disable' } },
            lease: { minted: true, admin: { user: 'postgres', password: new Secret(server.password) } },
            scope,
            grant: { id: 'g_1', expiresAt: Date.now() + 600_000 } as Grant,
            session: `s_${version}_${++session}`,
            gateway: 'gateway-1',
            signal: new AbortController().signal,
          })
          assert.ok(!(made instanceof Refused), JSON.stringify(made))
          assert.ok(made.lease.minted !== true)
          const client = new pg.Client({
            host: '127.0.0.1',
            port: server.port,
            database: 'family',
            user: made.lease.user,
            password: made.lease.password.reveal(),
          })
          await client.connect()
          for (const sql of asked) {
            const { allow } = await guard.judge(sql)
            await client.query('begin')
            const code = await client.query(sql).then(
              () => 'ok',
              (error: pg.DatabaseError) => error.code,
            )
            await client.query('rollback')
            counts[allow ? 'allowed' : 'refused'] += 1
            if (!allow && code === 'ok') counts.tooStrict += 1
            assert.ok(!allow || code !== '42501', `a hole: ${sql} under ${JSON.stringify(said)}`)
          }
          await client.end()
          await made.release()
        },
      ),
      // A role for each try: there is no time to shrink.
      { numRuns: runs, endOnFailure: true },
    )
    await admin.end()
    t.diagnostic(JSON.stringify(counts))
    assert.ok(counts.allowed > runs && counts.refused > runs)
  })
