/** Minted roles on real servers, by an admin that is no superuser: what they may do, and that nothing of them stays. */
import assert from 'node:assert/strict'
import { type AddressInfo, connect, createServer } from 'node:net'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { type At, everyVersion, startServers } from '../../../test/fixtures/postgres.ts'
import { until } from '../../../test/fixtures/run.ts'
import { Secret } from '../../config/secret.ts'
import { Refused } from '../../denial.ts'
import type { Grant, Narrowed } from '../../words.ts'
import type { Minted } from '../protocol.ts'
import { minting } from './mint.ts'
import { type PostgresScope, postgresScope } from './scope.ts'
import type { PostgresLease, PostgresTarget } from './target.ts'

const world = `
  create table orders (id int primary key, customer text, total numeric, email text);
  create table "Odd ""name" (id serial primary key, "a.b" text);
  create table secret (id int, body text);
  create schema hr;
  create table hr.people (id int);
  create table hr.pg_hidden (id int);
  create view hr.view_of as select 1 as x;
  create function hr.twice(int, text[]) returns int language sql as 'select 2 * $1';
  create function hr.twice(int) returns int language sql as 'select 2 * $1';
  create function hr.nothing() returns int language sql as 'select 1';
  revoke execute on all functions in schema hr from public;
  insert into orders values (1, 'c', 2, 'e');
  insert into secret values (1, 'body');
  create role minter login createrole password 'm';
  grant connect on database minting to minter with grant option;
  revoke connect on database minting from public;
  grant usage on schema public, hr to minter with grant option;
  grant select, insert, update, delete on all tables in schema public, hr to minter with grant option;
  grant usage on all sequences in schema public to minter with grant option;
  grant execute on all functions in schema hr to minter with grant option;
  create role nobody;
  create schema split;
  create table split.orders (id int, day int, email text) partition by range (day);
  create table split.orders_1 partition of split.orders for values from (0) to (9);
  create view split.view_of as select id from split.orders_1;
  create table split.other (x int);
  grant usage on schema split to minter with grant option;
  grant select, insert, update, delete on all tables in schema split to minter with grant option;
  create table unseen (id int);
  create table ungivable (id int);
  grant select on ungivable to minter;
  create table droppings (id int);
  grant delete on droppings to minter with grant option`

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, everyVersion, 'minting', world)
})
after(() => home.close())

const targetOf = (version: string): PostgresTarget => ({
  host: '127.0.0.1',
  port: at(version).port,
  database: 'minting',
  tls: { mode: 'disable' },
})
const admin = { minted: true as const, admin: { user: 'minter', password: new Secret('m\n') } }
let sessions = 0

type Asked = Partial<PostgresScope> & { readonly statements: string[] }

function mint(
  version: string,
  asked: Asked,
  more: { session?: string; gateway?: string; port?: number; signal?: AbortSignal; expiresAt?: number } = {},
) {
  return minting.mint({
    target: { ...targetOf(version), ...(more.port === undefined ? {} : { port: more.port }) },
    lease: admin,
    scope: {
      ...postgresScope.schema.parse({ statements: asked.statements }),
      ...asked,
    } as unknown as Narrowed<PostgresScope>,
    grant: { id: 'g_1', expiresAt: more.expiresAt ?? Date.now() + 60_000 } as Grant,
    session: more.session ?? `s_${version}_${++sessions}`,
    gateway: more.gateway ?? 'gateway-1',
    signal: more.signal ?? new AbortController().signal,
  })
}

async function minted(version: string, asked: Asked): Promise<Minted<PostgresLease>> {
  const made = await mint(version, asked)
  assert.ok(!(made instanceof Refused), JSON.stringify(made))
  return made
}

async function logIn(version: string, { lease }: Minted<PostgresLease>): Promise<pg.Client> {
  assert.ok(lease.minted !== true)
  const client = new pg.Client({
    host: '127.0.0.1',
    port: at(version).port,
    database: 'minting',
    user: lease.user,
    password: lease.password.reveal(),
  })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

const roles = async (version: string): Promise<string[]> =>
  (
    await at(version).run('minting', "select rolname from pg_roles where rolname like 'postern%' order by 1")
  ).rows.map(row => row.rolname)

const codeOf = (asking: Promise<unknown>): Promise<string> =>
  asking.then(
    () => 'done',
    (error: pg.DatabaseError) => error.code ?? error.message,
  )

for (const version of everyVersion) {
  test(`on PostgreSQL ${version} a minted role may do what the scope says and no more, whatever it tries`, async () => {
    const made = await minted(version, {
      statements: ['select', 'insert'],
      tables: ['public.orders', 'hr.*'],
      write_tables: ['public.Odd "name'],
      functions: ['hr.twice'],
    })
    const client = await logIn(version, made)
    for (const allowed of [
      'select * from orders',
      'select x from hr.view_of',
      'select id from hr.people',
      'insert into public."Odd ""name" ("a.b") values (1)',
      "select hr.twice(1), hr.twice(1, '{}')",
    ])
      assert.equal(await codeOf(client.query(allowed)), 'done', allowed)
    for (const refused of [
      'select * from secret',
      'select * from hr.pg_hidden',
      'select id from public."Odd ""name"',
      'update orders set id = 1',
      'insert into orders values (2)',
      'delete from orders',
      'truncate orders',
      'create table hr.mine (id int)',
      'select hr.nothing()',
      'create role other',
      'create database other',
      'set role minter',
      'set session authorization minter',
      'alter role minter superuser',
      'select pg_read_file($$/etc/passwd$$)',
      "copy (select 1) to program 'true'",
    ]) {
      assert.equal(await codeOf(client.query(refused)), '42501', refused)
    }
    // This only warns, and gives nothing.
    await client.query('grant select on orders to public')
    const { rows } = await at(version).run(
      'minting',
      "select has_table_privilege('nobody', 'orders', 'select') as given",
    )
    assert.deepEqual(rows, [{ given: false }])
    await client.end()
    await made.release()
  })

  test(`on PostgreSQL ${version} the role is bounded`, async () => {
    const expiresAt = Date.now() + 60_000
    const made = await mint(
      version,
      { statements: ['select'], tables: ['public.orders'], statement_timeout: 4000 },
      { expiresAt },
    )
    assert.ok(!(made instanceof Refused))
    assert.ok(made.lease.minted !== true)
    const { rows } = await at(version).run(
      'minting',
      `select rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,
        extract(epoch from rolvaliduntil)::float8 as until, rolpassword from pg_authid where rolname = '${made.lease.user}'`,
    )
    const { until, rolpassword, ...flags } = rows[0]
    assert.deepEqual(flags, {
      rolsuper: false,
      rolinherit: false,
      rolcreaterole: false,
      rolcreatedb: false,
      rolcanlogin: true,
      rolreplication: false,
      rolbypassrls: false,
      rolconnlimit: 1,
    })
    assert.equal(Math.round(until * 1000), expiresAt)
    assert.match(rolpassword, /^SCRAM-SHA-256\$4096:/)
    const client = await logIn(version, made)
    const shown = await client.query(
      "select current_setting('search_path') p, current_setting('default_transaction_read_only') r, current_setting('statement_timeout') t",
    )
    assert.deepEqual(shown.rows[0], { p: 'pg_catalog, public, pg_temp', r: 'on', t: '4s' })
    assert.equal(await codeOf(logIn(version, made)), '53300')
    await client.end()
    await made.release()
  })

  test(`on PostgreSQL ${version} no byte that is sent tells the role's password, so no log of the server can`, async () => {
    const sent: Buffer[] = []
    const tap = createServer(near => {
      const far = connect(at(version).port, '127.0.0.1')
      near.on('data', (chunk: Buffer) => sent.push(chunk))
      near.on('error', () => far.destroy()).pipe(far)
      far.on('error', () => near.destroy()).pipe(near)
    })
    await new Promise<void>(resolve => tap.listen(0, '127.0.0.1', resolve))
    const { port } = tap.address() as AddressInfo
    const made = await mint(version, { statements: ['select'], tables: ['public.orders'] }, { port })
    assert.ok(!(made instanceof Refused))
    await made.release()
    tap.close()
    assert.ok(made.lease.minted !== true)
    const text = Buffer.concat(sent).toString('latin1')
    assert.match(text, /CREATE ROLE "postern_[\s\S]*PASSWORD 'SCRAM-SHA-256\$4096:/)
    assert.ok(!text.includes(made.lease.password.reveal()))
  })

  test(`on PostgreSQL ${version} column lists are privileges of columns`, async () => {
    const made = await minted(version, {
      statements: ['select'],
      tables: ['public.orders'],
      columns: { 'public.orders': ['id', 'total'] },
    })
    const client = await logIn(version, made)
    assert.equal(await codeOf(client.query('select id, total, count(*) from orders group by 1, 2')), 'done')
    for (const sql of ['select email from orders', 'select * from orders', 'select orders from orders'])
      assert.equal(await codeOf(client.query(sql)), '42501', sql)
    await client.end()
    await made.release()
  })

  test(`on PostgreSQL ${version} limits of columns hold for partitions and for views of schema.*`, async () => {
    const made = await minted(version, {
      statements: ['select', 'update'],
      tables: ['split.*'],
      write_tables: ['split.*'],
      columns: { 'split.orders': ['id', 'day'] },
    })
    const client = await logIn(version, made)
    for (const sql of [
      'select id, day from split.orders_1',
      'select id from split.orders',
      'select x from split.other',
    ])
      assert.equal(await codeOf(client.query(sql)), 'done', sql)
    for (const sql of [
      'select email from split.orders_1',
      "update split.orders_1 set email = ''",
      'select id from split.view_of',
    ])
      assert.equal(await codeOf(client.query(sql)), '42501', sql)
    await client.end()
    await made.release()
    const gone = await mint(version, {
      statements: ['select'],
      tables: ['split.*', 'split.nothing'],
      columns: { 'split.orders': ['id'] },
    })
    assert.match(gone instanceof Refused ? gone.denial.detail : '', /no such table: split\.nothing/)
  })

  test(`on PostgreSQL ${version} a release ends the role's session and leaves nothing of it`, async () => {
    const before = (
      await at(version).run('minting', "select relacl::text from pg_class where relname = 'orders'")
    ).rows
    const made = await minted(version, {
      statements: ['select', 'delete'],
      tables: ['public.orders'],
      write_tables: ['public.orders', 'public.droppings'],
    })
    const client = await logIn(version, made)
    await client.query('create temp table left_behind (id int)')
    const ended = new Promise(resolve => client.once('end', resolve))
    await made.release()
    await ended
    assert.deepEqual(await roles(version), [])
    const { rows } = await at(version).run(
      'minting',
      "select relacl::text from pg_class where relname = 'orders'",
    )
    assert.deepEqual(rows, before)
    assert.equal(await codeOf(logIn(version, made)), '28P01')
    await made.release()
  })

  test(`on PostgreSQL ${version} what cannot be given is refused, told to the audit, and leaves no role`, async () => {
    const before = await roles(version)
    const wants: readonly [Asked, RegExp][] = [
      [
        { statements: ['select'], tables: ['public.ungivable'] },
        /minter may not give select on public\.ungivable/,
      ],
      [{ statements: ['select'], tables: ['public.unseen'] }, /42501 permission denied for table unseen/],
      [{ statements: ['select'], tables: ['public.gone', 'public.orders'] }, /no such table: public\.gone/],
      [{ statements: ['select'], tables: ['nowhere.*'] }, /no such schema: nowhere/],
      [
        { statements: ['select'], tables: ['public.orders'], functions: ['hr.absent'] },
        /no such function: hr\.absent/,
      ],
      [{ statements: ['select'], tables: ['public.orders'], columns: { 'public.orders': ['no'] } }, /42703/],
    ]
    for (const [asked, why] of wants) {
      const made = await mint(version, asked)
      assert.ok(made instanceof Refused)
      assert.equal(made.denial.code, 'upstream_refused')
      assert.match(made.denial.detail, why)
      assert.match(made.denial.say ?? '', /could not be prepared/)
    }
    assert.deepEqual(await roles(version), before)
  })

  test(`on PostgreSQL ${version} many are minted and released at once`, async () => {
    const made = await Promise.all(
      Array.from({ length: 24 }, () =>
        minted(version, { statements: ['select'], tables: ['public.orders', 'public.secret'] }),
      ),
    )
    assert.equal((await roles(version)).length, 24)
    await Promise.all(made.map(one => one.release()))
    assert.deepEqual(await roles(version), [])
  })

  test(`on PostgreSQL ${version} the sweep removes what this gateway left, and nothing else`, async () => {
    const scope: Asked = { statements: ['select'], tables: ['public.orders'] }
    for (const [session, gateway] of [
      ['s_dead', 'gateway-1'],
      ['s_live', 'gateway-1'],
      ['s_other', 'gateway-2'],
    ] as const)
      assert.ok(!((await mint(version, scope, { session, gateway })) instanceof Refused))
    await at(version).run('minting', 'create role postern_s_somebody; create role "posternXs_x"')
    const swept = await minting.sweep({
      target: targetOf(version),
      lease: admin,
      gateway: 'gateway-1',
      isLive: session => session === 's_live',
      signal: AbortSignal.timeout(10_000),
    })
    assert.deepEqual(swept, ['s_dead'])
    assert.deepEqual(await roles(version), [
      'posternXs_x',
      'postern_s_live',
      'postern_s_other',
      'postern_s_somebody',
    ])
    for (const gateway of ['gateway-1', 'gateway-2'])
      await minting.sweep({
        target: targetOf(version),
        lease: admin,
        gateway,
        isLive: () => false,
        signal: AbortSignal.timeout(10_000),
      })
    await at(version).run('minting', 'drop role postern_s_somebody; drop role "posternXs_x"')
    assert.deepEqual(await roles(version), [])
  })

  test(`on PostgreSQL ${version} a mint whose session ends meanwhile leaves no role`, async () => {
    for (const after of [0, 2, 5, 10, 20]) {
      const session = `s_cut_${after}`
      const ending = new AbortController()
      setTimeout(() => ending.abort(), after)
      const made = await mint(
        version,
        { statements: ['select'], tables: ['public.orders'] },
        { session, signal: ending.signal },
      )
      if (!(made instanceof Refused)) await made.release()
    }
    // A commit whose answer was not waited for is the sweep's, once the server is through with it.
    await until('nobody mints', async () => {
      const sql = "select 1 from pg_stat_activity where application_name = 'postern/roles'"
      return (await at(version).run('postgres', sql)).rows.length === 0
    })
    await minting.sweep({
      target: targetOf(version),
      lease: admin,
      gateway: 'gateway-1',
      isLive: () => false,
      signal: AbortSignal.timeout(10_000),
    })
    assert.deepEqual(await roles(version), [])
  })
}
