/**
 * The guard against the server's own judgement: random and mutated statements, judged under a scope, and what is let
 * through is run by a role that has exactly the scope's privileges. Whatever that role is refused for want of a privilege
 * (42501) is a hole. Short here; `POSTERN_FUZZ=1000000` makes it long, `POSTERN_FUZZ_SEED` has one run again.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { type At, startServers, type TestOrders, versions } from '../../../test/fixtures/postgres.ts'
import { Secret } from '../../config/secret.ts'
import { Refused } from '../../denial.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { catalogueColumns, catalogueRelations } from '../../statement/sql/catalogue.gen.ts'
import { catalogueByHand } from '../../statement/sql/catalogue-by-hand.ts'
import { vettedFunctions } from '../../statement/sql/functions.gen.ts'
import type { Grant } from '../../words.ts'
import { guardOf, scopeOf } from './guard.fixture.ts'
import { minting } from './mint.ts'
import { findOwnFunctions, ownFunctions } from './own-functions.ts'
import { allowedCatalogue, refusedCatalogue } from './vectors/catalogue.ts'
import {
  allowedColumns,
  allowedColumnWrites,
  refusedColumns,
  refusedColumnWrites,
  refusedStars,
} from './vectors/columns.ts'
import { found } from './vectors/found.ts'
import { statement, writing } from './vectors/grammar.ts'
import { mutant } from './vectors/mutation.ts'
import {
  allowedNew,
  allowedReads,
  allowedWrites,
  refusedAppends,
  refusedReads,
  refusedWrites,
} from './vectors/statements.ts'

const world = `
  create type evil_type as enum ('a');
  create table orders (id int primary key, total numeric, email text, customer text);
  create table order_items (id int primary key, order_id int, name text, email text);
  create table notes (id int primary key default 7, body text, secret text);
  create table log (id int, body text);
  create table secret (id int, body text);
  create schema hr;
  create table hr.people (id int, name text);
  alter table order_items add kind evil_type default 'a';
  create view open_view as select * from orders;
  create function safe(int) returns int language sql immutable as 'select $1';
  create function evil() returns int language sql as 'select 1';
  create function evil_of(int) returns int language sql as 'select 1';
  create function evil_item(order_items) returns text language sql as 'select $1.email';
  create function upper(evil_type) returns text language sql as 'select null';
  create function evil_any(anyelement, int default 1) returns int language sql as 'select 1';
  create function evil_equal(text, text) returns bool language sql as 'select true';
  create operator === (leftarg = text, rightarg = text, function = evil_equal);
  create function evil_plus(text, text) returns text language sql as 'select $1';
  create operator + (leftarg = text, rightarg = text, function = evil_plus);
  create function evil_kind(evil_type, text) returns bool language sql as 'select true';
  create operator = (leftarg = evil_type, rightarg = text, function = evil_kind);
  create function evil_number(evil_type) returns int language sql as 'select 1';
  create cast (evil_type as int) with function evil_number(evil_type);
  create function evil_row(order_items) returns text language sql as 'select $1.email';
  create cast (order_items as text) with function evil_row(order_items);
  create type evil_shade as enum ('b');
  create function evil_shade_of(evil_shade) returns text language sql as 'select null';
  create cast (evil_shade as text) with function evil_shade_of(evil_shade) as implicit;
  create table shades (id int, shade evil_shade default 'b');
  create function evil_check(text) returns bool language sql as 'select true';
  create domain evil_domain as text check (evil_check(value));
  alter table order_items add checked evil_domain default 'x';
  create aggregate sum(text) (sfunc = textcat, stype = text);
  insert into orders select n, n, 'e' || n, 'c' || n from generate_series(1, 3) n;
  insert into order_items select n, n, 'i' || n, 'e' || n from generate_series(1, 3) n;
  insert into notes values (1, 'a', 's'), (2, 'b', 't');
  insert into shades values (1);
  revoke all on function evil(), evil_of(int), evil_equal(text, text), upper(evil_type), evil_item(order_items), evil_any(anyelement, int),
    evil_plus(text, text), evil_kind(evil_type, text), evil_number(evil_type), evil_row(order_items), evil_shade_of(evil_shade), sum(text), evil_check(text) from public;`

const reads = {
  tables: ['public.orders', 'public.order_items', 'public.notes', 'public.shades'],
  functions: ['public.safe'],
  columns: { 'public.orders': ['id', 'total'], 'public.notes': ['id', 'body'] },
}
const scopes = {
  reader: { statements: ['select'], ...reads },
  writer: {
    statements: ['select', 'insert', 'update', 'delete', 'merge'],
    ...reads,
    write_tables: ['public.notes', 'public.log'],
  },
  looker: { statements: ['select'], ...reads, catalog: true },
}
/** The looker's: no role is given the catalogue. The others are minted as the product mints them. */
const grants = `
  grant select (id, total) on orders to looker;
  grant select on order_items, shades to looker;
  grant select (id, body) on notes to looker;
  grant execute on all functions in schema pg_catalog, information_schema to owner;`

/** What PUBLIC may do is taken from it, so that it is the scope's privileges and no more that each role has. */
async function strip(server: TestOrders, database: string): Promise<void> {
  const { rows } = await server.run(
    database,
    `select p.oid::regprocedure::text as signature, p.proname as name, n.nspname as schema from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname in ('pg_catalog', 'information_schema') and p.prokind <> 'p'`,
  )
  const functions = rows as { signature: string; name: string; schema: string }[]
  // pg_typeof(x)::text is let through, and no privilege can say how a call is written.
  const free = (one: (typeof functions)[0]) => vettedFunctions.has(one.name) || one.name === 'pg_typeof'
  const barred = functions.filter(
    one => !(one.schema === 'pg_catalog' && free(one)) && !internals.test(one.name),
  )
  const named = (some: typeof barred) => some.map(one => one.signature).join(', ')
  await server.run(database, `revoke execute on function ${named(barred)} from public`)
  const looks = barred.filter(
    one =>
      catalogueByHand.functions.has(`${one.schema}.${one.name}`) ||
      catalogueByHand.types.has(one.name) ||
      ofViews.test(one.name),
  )
  await server.run(database, `grant execute on function ${named(looks)} to looker`)
  await server.run(database, `grant execute on function current_setting(text) to public`)
  const relations = (
    await server.run(
      database,
      `select n.nspname || '.' || c.relname as name, array_agg(a.attname::text) as columns from pg_class c join pg_namespace n on n.oid = c.relnamespace
       join pg_attribute a on a.attrelid = c.oid where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v') group by 1`,
    )
  ).rows as { name: string; columns: string[] }[]
  for (const { name, columns } of relations) {
    const listed = catalogueColumns[name]?.columns.filter(column => columns.includes(column))
    const what = listed === undefined ? 'select' : `select (${listed.map(one => `"${one}"`).join(', ')})`
    await server.run(
      database,
      `revoke all on ${name} from public${catalogueRelations.has(name) ? `; grant ${what} on ${name} to looker` : ''}`,
    )
  }
}

/** The input and output of types, comparisons and supports of indexes: the server runs them for itself. */
const internals =
  /(in|out|recv|send|typmodin|typmodout|analyze)$|^(brin|gin|gist|spg|bt|hash|ts|array|range|multirange)_?/
/** What the catalogue's own views call, as whoever reads them. */
const ofViews =
  /^(pg_sequence_last_value|pg_get_publication_tables|pg_timezone_.*|pg_column_is_updatable|pg_show_.*|pg_indexes_.*|current_setting|pg_sequence_parameters)$/

interface Login {
  readonly user: string
  readonly password: string
}
const logins = new Map<TestOrders, Record<keyof typeof scopes, Login>>()

async function minted({ port, password }: TestOrders, role: 'reader' | 'writer'): Promise<Login> {
  const made = await minting.mint({
    target: { host: '127.0.0.1', port, database: 'privileges', tls: { mode: 'disable' } },
    lease: { minted: true, admin: { user: 'postgres', password: new Secret(password) } },
    scope: scopeOf(scopes[role]),
    grant: { id: 'g_1', expiresAt: Date.now() + 24 * 3_600_000 } as Grant,
    session: `s_${role}`,
    gateway: 'privileges',
    signal: AbortSignal.timeout(60_000),
  })
  assert.ok(!(made instanceof Refused), JSON.stringify(made))
  assert.ok(made.lease.minted !== true)
  return { user: made.lease.user, password: made.lease.password.reveal() }
}

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, versions, 'privileges')
  for (const server of versions.map(at)) {
    await server.run('postgres', 'create role owner')
    await server.run('postgres', "create role looker login password 'p'")
    await server.run('privileges', world)
    await server.run('privileges', grants)
    await strip(server, 'privileges')
    logins.set(server, {
      reader: await minted(server, 'reader'),
      writer: await minted(server, 'writer'),
      looker: { user: 'looker', password: 'p' },
    })
  }
})
after(() => home.close())

const sqlOf = (cases: readonly { sql: string }[]) => cases.map(one => one.sql)
/** What is permitted thrice, so that what comes of it is often permitted too. */
const corpus = (allowed: readonly string[], refused: readonly string[]) => [
  ...allowed,
  ...allowed,
  ...allowed,
  ...refused,
]
const corpora = {
  reader: corpus(
    [...allowedReads, ...allowedNew, ...allowedColumns],
    [...refusedColumns, ...refusedStars, ...sqlOf(refusedReads)],
  ),
  writer: corpus(
    [...allowedWrites, ...allowedColumnWrites, ...allowedColumns],
    [...refusedColumnWrites, ...sqlOf(refusedWrites), ...sqlOf(refusedAppends)],
  ),
  looker: corpus([...allowedCatalogue, ...allowedColumns], refusedCatalogue),
}

async function connect(server: TestOrders, role: keyof typeof scopes): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: server.port,
    database: 'privileges',
    ...logins.get(server)?.[role],
    options: '-c search_path=pg_catalog,public,pg_temp -c statement_timeout=1s -c client_min_messages=error',
  })
  await client.connect()
  return client
}

/** The server's answer: `ok`, or the code of its error. Nothing is kept of what it did. */
async function answer(client: pg.Client, sql: string): Promise<{ code: string; message: string }> {
  const parameters = Math.max(0, ...[...sql.matchAll(/\$(\d{1,2})\b/g)].map(match => Number(match[1])))
  const bound = parameters > 0 && !/^\s*(prepare|explain\s+prepare)|;|\$[a-z]*\$/i.test(sql)
  await client.query('begin')
  try {
    await client.query(bound ? { text: sql, values: Array(parameters).fill(null) } : sql)
    return { code: 'ok', message: '' }
  } catch (error) {
    if (error instanceof pg.DatabaseError) return { code: error.code ?? '?', message: error.message }
    return { code: 'client', message: String(error) }
  } finally {
    // A mutant that ends the transaction may have set a time-out that would end the session.
    await client.query('rollback; deallocate all; reset all')
  }
}

const grammars = { reader: statement, writer: writing, looker: statement }

const runs = Number(process.env.POSTERN_FUZZ ?? 3_000)
const seed = process.env.POSTERN_FUZZ_SEED

for (const version of versions) {
  for (const role of Object.keys(scopes) as (keyof typeof scopes)[]) {
    test(`PostgreSQL ${version} permits ${role} whatever the guard permits`, {
      timeout: 24 * 3_600_000,
    }, async t => {
      const server = at(version)
      const { rows } = await server.run('privileges', findOwnFunctions('public'))
      const own = ownFunctions(
        Number(version),
        'public',
        rows.map(row => [row.name, row.kind, row.calls, row.place]),
      )
      const { unsaid, ...named } = own
      assert.deepEqual(
        [...new Set(unsaid.map(one => one.calls))].sort(),
        ['check', 'equal', 'kind', 'number', 'plus', 'row', 'shade_of'].map(name => `public.evil_${name}`),
      )
      assert.deepEqual(named, {
        version: Number(version),
        schema: 'public',
        rows: ['evil_any', 'evil_item', 'evil_row'],
        hidden: [],
        fields: [],
        names: ['sum', 'upper'],
        casting: [],
      })
      const guard = guardOf(scopes[role], new VerdictCache(), own)
      const client = await connect(server, role)
      t.after(() => client.end())
      const counts = { judged: 0, allowed: 0, ran: 0, refusedAndPermitted: 0 }
      const codes = new Map<string, number>()
      const kinds = new Set<string>()
      const tryOne = async (sql: string, also: boolean): Promise<void> => {
        counts.judged += 1
        const verdict = await guard.judge(sql)
        if (!verdict.allow && !also) return
        const { code, message } = await answer(client, sql)
        if (!verdict.allow) {
          if (code === 'ok') counts.refusedAndPermitted += 1
          return
        }
        counts.allowed += 1
        codes.set(code, (codes.get(code) ?? 0) + 1)
        kinds.add(verdict.statement.kind)
        if (code === 'ok') counts.ran += 1
        assert.notEqual(code, '42501', `a hole: the server says "${message}" to ${sql}`)
      }
      for (const sql of new Set([...found, ...corpora[role]])) await tryOne(sql, true)
      const one = fc.noBias(fc.integer())
      await fc.assert(
        fc.asyncProperty(one, async n =>
          tryOne(n % 3 === 0 ? grammars[role](n) : mutant(n, corpora[role]), false),
        ),
        { numRuns: runs, endOnFailure: true, ...(seed !== undefined && { seed: Number(seed) }) },
      )
      const shown = [...codes].sort((a, b) => b[1] - a[1]).map(([code, count]) => `${code} ${count}`)
      t.diagnostic(
        `${counts.judged} statements, ${counts.allowed} let through (${counts.ran} ran; ${shown.join(', ')}), ${kinds.size} kinds: ${[...kinds].slice(0, 40).join(', ')}; of the corpus ${counts.refusedAndPermitted} refused that the server would run`,
      )
      assert.ok(counts.allowed > 100 && counts.ran > 50, JSON.stringify(counts))
    })
  }
}

test('the test finds a hole where there is one', async () => {
  const server = at(versions[0] ?? '')
  const client = await connect(server, 'reader')
  // A guard that was told too much, or not of the database's own functions.
  for (const [scope, sql] of [
    [{ ...scopes.reader, columns: {} }, 'select o.email from orders o'],
    [{ ...scopes.reader, tables: ['public.secret'] }, 'select * from secret'],
    [{ ...scopes.reader, functions: ['public.evil'] }, 'select evil()'],
    [scopes.reader, 'select i.evil_item from order_items i'],
    [scopes.reader, 'select upper(i.kind) from order_items i'],
    [scopes.reader, 'select s.evil_any from (select 1) s'],
    [scopes.reader, "select 'a'::text + 'b'::text"],
    [scopes.reader, "select id from order_items where kind = 'a'::text"],
    [scopes.reader, 'select kind::int from order_items'],
    [scopes.reader, 'select i::text from order_items i'],
    [scopes.reader, 'select length(shade) from shades'],
    [scopes.reader, "select lag(checked, 1, 'y') over () from order_items"],
    [scopes.reader, 'select sum(name) from order_items'],
    [scopes.looker, 'select pg_get_userbyid(10)'],
  ] as const) {
    assert.ok((await guardOf(scope).judge(sql)).allow, sql)
    assert.equal((await answer(client, sql)).code, '42501', sql)
  }
  await client.end()
})
