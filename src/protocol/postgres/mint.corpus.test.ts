/**
 * The attack corpus without the guard: every statement run directly as the minted role. What the guard permits, the role
 * may; what the guard refuses for a privilege, the server refuses too; and nothing in the corpus shows or changes a row
 * that is not the scope's. What privileges cannot say is listed here by name.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { type At, startServers, type TestOrders, versions } from '../../../test/fixtures/postgres.ts'
import { Secret } from '../../config/secret.ts'
import { Refused } from '../../denial.ts'
import type { Grant, Narrowed } from '../../words.ts'
import { minting } from './mint.ts'
import { type PostgresScope, postgresScope } from './scope.ts'
import {
  allowedNew,
  allowedReads,
  allowedWrites,
  type RefusedCase,
  refusedAppends,
  refusedReads,
  refusedWrites,
} from './vectors/statements.ts'

const world = `
  create table orders (id int primary key, customer text, total numeric, email text);
  create table order_items (id int primary key, order_id int, name text);
  create table notes (id int primary key default 7, body text);
  create table secret (id int, body text);
  create schema hr;
  create table hr.people (id int, name text);
  create view v as select * from secret;
  create function safe(int) returns int language sql immutable as 'select $1';
  insert into orders select n, 'c' || n % 3, n, 'e' || n from generate_series(1, 19) n;
  insert into order_items select n, n, 'i' from generate_series(1, 9) n;
  insert into notes values (11, 'a'), (12, 'b');
  insert into secret values (1, 'barred-body');
  insert into hr.people values (1, 'barred-name');
  revoke create on schema public from public;
  revoke temporary on database corpus from public`

const scopes = {
  reading: {
    statements: ['select'],
    tables: ['public.orders', 'public.order_items'],
    functions: ['public.safe'],
  },
  writing: {
    statements: ['select', 'insert', 'update', 'delete', 'merge'],
    tables: ['public.orders', 'public.order_items', 'public.notes'],
    write_tables: ['public.notes'],
  },
  append: { statements: ['insert'], write_tables: ['public.notes'] },
} as const

/** Refusals of the guard that speak of a privilege: of a relation, or of a kind of statement. */
const ofPrivilege =
  /^(select|insert|update|delete|merge)\b.* is not permitted$|^(drop|create function) is not permitted$|^delete inside WITH/
/** What the server does not look at privileges for: what is only prepared, and what nothing reads and is never planned. */
const unlooked: readonly RegExp[] = [
  /^prepare /i,
  /^with (a|secret) as \(.*\) select 1$/,
  /^with notes as \(table secret\) delete from notes$/,
]
/** Not valid on this server, or there is no such relation: nothing was done, for another reason. */
const invalid = new Set(['42601', '42804', '42P01'])
/** Refused by the guard for the time they take or give (a millisecond, in which a busy client loses its session): no privilege's affair. */
const waits = /pg_sleep|advisory|from stdin|_timeout = '(\d+us|0x1)'/i

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, versions, 'corpus', world)
})
after(() => home.close())

async function asRole(
  version: string,
  scope: keyof typeof scopes,
  work: (client: pg.Client, server: TestOrders) => Promise<void>,
): Promise<void> {
  const server = at(version)
  const { port, password } = server
  const made = await minting.mint({
    target: { host: '127.0.0.1', port, database: 'corpus', tls: { mode: 'disable' } },
    lease: { minted: true, admin: { user: 'postgres', password: new Secret(password) } },
    scope: postgresScope.schema.parse(scopes[scope]) as Narrowed<PostgresScope>,
    grant: { id: 'g_1', expiresAt: Date.now() + 60_000 } as Grant,
    session: `s_${scope}`,
    gateway: 'corpus',
    signal: AbortSignal.timeout(10_000),
  })
  assert.ok(!(made instanceof Refused), JSON.stringify(made))
  assert.ok(made.lease.minted !== true)
  const { user, password: secret } = made.lease
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    database: 'corpus',
    user,
    password: secret.reveal(),
  })
  client.on('error', () => undefined)
  await client.connect()
  await work(client, server)
  await client.end()
  await made.release()
}

type Answer = pg.QueryResult<unknown[]>

/** In a transaction that may write, as whoever has got past the guard would; rolled back. */
async function ask(client: pg.Client, sql: string): Promise<readonly Answer[] | pg.DatabaseError> {
  const parameters = Math.max(0, ...[...sql.matchAll(/\$(\d)/g)].map(found => Number(found[1])))
  const bound = parameters > 0 && !/^(prepare|select \$a|create|do\b)/i.test(sql)
  try {
    const answer = await client.query({
      text: sql,
      rowMode: 'array',
      ...(bound && { values: Array(parameters).fill(null) }),
    })
    return Array.isArray(answer) ? answer : [answer]
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error
    throw error
  }
}

/** All that is not the scope's, by content. */
const contents = async (server: TestOrders) =>
  (
    await server.run(
      'corpus',
      `select (select string_agg(t::text, '' order by t::text) from orders t) a, (select string_agg(t::text, '' order by t::text) from order_items t) b,
        (select string_agg(t::text, '') from secret t) c, (select string_agg(t::text, '') from hr.people t) d,
        (select count(*)::int from pg_class where relnamespace in ('public'::regnamespace, 'hr'::regnamespace)) e,
        (select count(*)::int from pg_roles where rolname !~ '^postern_') f`,
    )
  ).rows[0]

async function refusesAll(
  client: pg.Client,
  server: TestOrders,
  cases: readonly RefusedCase[],
): Promise<number> {
  const before = await contents(server)
  const wrong: string[] = []
  let held = 0
  for (const { sql, say } of cases) {
    if (waits.test(sql)) continue
    await client.query('rollback')
    await client.query('begin read write')
    const answer = await ask(client, sql)
    if (!(answer instanceof pg.DatabaseError)) {
      if (JSON.stringify(answer.map(({ rows }) => rows)).includes('barred-'))
        wrong.push(`${sql}\n    shows what is barred`)
    }
    await client.query('rollback').catch(() => undefined)
    if (!ofPrivilege.test(say) || unlooked.some(one => one.test(sql))) continue
    if (answer instanceof pg.DatabaseError && invalid.has(answer.code ?? '')) continue
    if (answer instanceof pg.DatabaseError && answer.code === '42501') held++
    else
      wrong.push(
        `${sql}\n    ${answer instanceof pg.DatabaseError ? `${answer.code} ${answer.message}` : 'was done'}`,
      )
  }
  assert.equal(wrong.join('\n'), '')
  assert.deepEqual(await contents(server), before)
  return held
}

for (const version of versions) {
  test(`as a role of a read scope, PostgreSQL ${version} runs what the guard permits and refuses what it refuses for privileges`, async () => {
    await asRole(version, 'reading', async (client, server) => {
      const wrong: string[] = []
      for (const sql of [...allowedReads, ...(Number(version) >= 17 ? allowedNew : [])]) {
        const answer = await ask(client, sql)
        if (!(answer instanceof pg.DatabaseError)) continue
        wrong.push(`${sql}\n    ${answer.code} ${answer.message}`)
        await client.query('rollback')
      }
      assert.equal(wrong.join('\n'), '')
      assert.ok((await refusesAll(client, server, refusedReads)) > 40)
    })
  })

  test(`as a role of a write scope, PostgreSQL ${version} does the same`, async () => {
    await asRole(version, 'writing', async (client, server) => {
      for (const sql of allowedWrites) {
        await client.query('begin')
        const answer = await ask(client, sql)
        assert.ok(
          !(answer instanceof pg.DatabaseError),
          `${sql}\n    ${answer instanceof pg.DatabaseError ? answer.message : ''}`,
        )
        await client.query('rollback')
      }
      assert.ok((await refusesAll(client, server, refusedWrites)) > 10)
    })
  })

  test(`as a role that may only append, PostgreSQL ${version} shows nothing back`, async () => {
    await asRole(version, 'append', async (client, server) => {
      assert.ok((await refusesAll(client, server, refusedAppends)) > 2)
    })
  })
}
