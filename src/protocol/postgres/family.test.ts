/**
 * Limits of columns are no matter of names: on real servers, every other name of the same rows (partitions, children, parents,
 * views) is tried in every way that would show what is limited, and not one byte of it may come.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type At, everyVersion, startServers } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { type OpenDoor, openDoor } from './door.fixture.ts'
import { scopeThere } from './family.ts'
import { analyser, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import { type Message, RawClient } from './raw.fixture.ts'
import { postgresScope } from './scope.ts'
import { dataRow } from './wire.ts'

/** `email` is another column's number in `orders_2024`, and `orders_2025` is split again. */
const world = `
  create table orders (id int, day date, total numeric, email text,
    folded text generated always as (lower(email)) stored, doubled numeric generated always as (total * 2) stored)
    partition by range (day);
  create table orders_2024 (email text, gone int, total numeric, folded text generated always as (lower(email)) stored, id int,
    doubled numeric generated always as (total * 2) stored, day date);
  alter table orders_2024 drop column gone;
  alter table orders attach partition orders_2024 for values from ('2024-01-01') to ('2025-01-01');
  create table orders_2025 partition of orders for values from ('2025-01-01') to ('2026-01-01') partition by range (day);
  create table "Orders 2025.1" partition of orders_2025 for values from ('2025-01-01') to ('2025-07-01');
  create schema old;
  create table old.orders_2023 partition of orders for values from ('2023-01-01') to ('2024-01-01');
  create table people (id int, email text);
  create table audited (id int, note text);
  create table staff (salary int) inherits (people, audited);
  create table items (id int, email text);
  create schema "public.x";
  create table "public.x".y (id int);
  create view order_view as select id, email as mail from orders;
  create view order_view_2 as select mail as letters from order_view;
  create view old.view_2025 as select o as whole from "Orders 2025.1" o;
  create materialized view order_kept as select * from orders_2024;
  create view item_view as select id, email from items;
  insert into orders select n, d::date, n, 'marked-' || n || '@example.com'
    from generate_series(1, 9) n, unnest(array['2023-03-01', '2024-03-01', '2025-03-01']) d;
  insert into people values (1, 'marked-p@example.com');
  insert into staff values (2, 'marked-s@example.com', 'marked-note', 777777);
  insert into items values (1, 'open@example.com');
  refresh materialized view order_kept;
  grant usage on schema old to app_ro;
  grant select, insert, update, delete on all tables in schema public, old to app_ro`

/** Relations that show rows of orders, and those of them that are tables. */
const tables = ['orders', 'orders_2024', 'orders_2025', '"Orders 2025.1"', 'old.orders_2023']
const views = ['order_view', 'order_view_2', 'old.view_2025', 'order_kept']

/** What would show a column that a mask hides, or a list leaves out. */
const ways = (table: string, column = 'email'): readonly string[] => [
  `select ${column} || '' from ${table}`,
  `select lower(${column}) from ${table}`,
  `select max(${column}) from ${table}`,
  `select x from (select ${column} as x from ${table}) t`,
  `with t as (select ${column} as x from ${table}) select x from t`,
  `select t::text from ${table} t`,
  `select to_json(t) from ${table} t`,
  `select * from ${table} union all select * from ${table}`,
  `select (select ${column} from ${table} limit 1)`,
  `copy ${table} to stdout`,
  `copy (select ${column} || '' from ${table}) to stdout`,
  `select 1 from ${table} where ${column} = 'marked-1@example.com'`,
  `select t.a from ${table} t(a, b, c, d)`,
  `select t.b from ${table} t(a, b, c, d)`,
  `select t.d from ${table} t(a, b, c, d)`,
  `select x.${column} from ${table} natural join ${table} x`,
  `table ${table}`,
  `select * from ${table}`,
  `select ${column} from ${table}`,
]

let home: Home
let at: At
const doors: OpenDoor[] = []
const clients: RawClient[] = []
before(async () => {
  home = await openHome()
  at = await startServers(home, everyVersion, 'family', world)
})
after(async () => {
  for (const client of clients) client.destroy()
  for (const door of doors) await door.close()
  await home?.close()
})

async function enter(version: string, scope: object, request: object = {}): Promise<RawClient> {
  const server = at(version)
  const door = await openDoor({
    target: { host: '127.0.0.1', port: server.port, database: 'family', tls: { mode: 'disable' } },
    lease: { user: 'app_ro', password: server.passwords.ro },
    scope: postgresScope.meet(
      scopeOf({ statements: ['select', 'insert', 'update'], ...scope }),
      postgresScope.limit.parse(request),
    ),
    guardFor: (narrowed, own) => createGuard(narrowed, analyser, new VerdictCache(), own),
  })
  doors.push(door)
  const client = new RawClient(door.port)
  clients.push(client)
  await client.login(door.grant, door.password, { database: 'family' })
  return client
}

const rowsOf = (answers: readonly Message[]): (string | null)[][] =>
  answers
    .filter(({ type }) => type === 'D')
    .map(({ payload }) => dataRow(payload).map(value => value?.toString() ?? null))
const complaint = (answers: readonly Message[]): string => {
  const error = answers.find(({ type }) => type === 'E')
  return error === undefined ? '' : `${error.fields.C} ${error.fields.M}`
}

/** Whatever is asked of these relations, nothing that is marked comes; and what is asked by right does. */
async function hides(client: RawClient, relations: readonly string[], column?: string): Promise<void> {
  const shown: string[] = []
  for (const relation of relations) {
    for (const sql of ways(relation, column)) {
      const before = client.received.length
      const answers = await client.query(sql)
      if (client.received.subarray(before).includes('marked-')) shown.push(sql)
      // A condition tells by whether a row comes.
      if (/ where /.test(sql)) assert.match(complaint(answers), /^42501 /, sql)
    }
  }
  assert.deepEqual(shown, [])
}

for (const version of everyVersion) {
  test(`a mask on a table holds in its partitions, of partitions too, and in no view of schema.* (PostgreSQL ${version})`, async () => {
    const mask = [{ column: 'public.orders.email', with: 'full' }]
    const client = await enter(version, { tables: ['public.*', 'old.*'], mask })
    await hides(client, [...tables, ...views])
    for (const table of tables) {
      const answers = await client.query(`select id, email from ${table} order by id limit 1`)
      assert.deepEqual(rowsOf(answers), [['1', '***']], complaint(answers))
    }
    for (const table of tables) {
      const answers = await client.query(`select folded, doubled > 0 from ${table} limit 1`)
      assert.deepEqual(rowsOf(answers), [['***', 't']], complaint(answers))
    }
    await hides(client, tables, 'folded')
    for (const view of views)
      assert.match(complaint(await client.query(`select 1 from ${view}`)), /^42501 .*is not permitted/)
    assert.deepEqual(rowsOf(await client.query('select email || id from item_view')), [['open@example.com1']])
  })

  if (Number(version) >= 18)
    test(`a virtual column shows what it is made from (PostgreSQL ${version})`, async () => {
      await at(version).run(
        'family',
        `create table computed (email text, folded text generated always as (lower(email)));
         insert into computed values ('marked-1@example.com'); grant select on computed to app_ro`,
      )
      const mask = [{ column: 'public.computed.email', with: 'full' }]
      const client = await enter(version, { tables: ['public.*'], mask })
      await hides(client, ['computed'])
      await hides(client, ['computed'], 'folded')
      assert.deepEqual(rowsOf(await client.query('select email, folded from computed')), [['***', '***']])
    })

  test(`a list of columns holds there too (PostgreSQL ${version})`, async () => {
    const columns = {
      'public.orders': ['id', 'total'],
      // More than its table gives it: what the table leaves out it cannot give back.
      'public.orders_2024': ['id', 'email', 'day'],
    }
    const client = await enter(version, { tables: ['public.*', 'old.*'], columns })
    await hides(client, [...tables, ...views])
    for (const table of tables)
      assert.deepEqual(
        rowsOf(await client.query(`select count(*) from ${table} t where t.id = 1`)).length,
        1,
        table,
      )
    assert.match(complaint(await client.query('select day from orders_2024')), /^42501 .*day/)
    assert.match(complaint(await client.query('select total from orders_2024')), /^42501 .*total/)
    assert.equal(complaint(await client.query('select total from "Orders 2025.1"')), '')
  })

  test(`a limit on a part holds for the whole that shows it (PostgreSQL ${version})`, async () => {
    const masked = await enter(version, {
      tables: ['public.*', 'old.*'],
      mask: [{ column: 'old.orders_2023.email', with: 'full' }],
    })
    await hides(masked, ['orders', 'old.orders_2023'])
    // Another part's rows are not its rows.
    assert.match(rowsOf(await masked.query('select lower(email) from orders_2024'))[0]?.[0] ?? '', /^marked-/)
    const listed = await enter(version, {
      tables: ['public.*'],
      columns: { 'public.staff': ['id', 'salary'] },
    })
    await hides(listed, ['people', 'staff'])
    await hides(listed, ['audited', 'staff'], 'note')
    assert.deepEqual(rowsOf(await listed.query('select salary from staff')), [['777777']])
    const children = await enter(version, { tables: ['public.*'], columns: { 'public.people': ['id'] } })
    await hides(children, ['people', 'staff'])
    // The children's own columns are not on the list.
    assert.match(complaint(await children.query('select salary from staff')), /^42501 /)
    await hides(children, ['audited'], 'note')
  })

  test(`a request's own list for a child or a partition gives back nothing (PostgreSQL ${version})`, async () => {
    const columns = { 'public.people': ['id'], 'public.audited': ['id'], 'public.orders': ['id', 'day'] }
    const own = { 'public.staff': ['id', 'salary', 'note'], 'public.orders_2024': ['id', 'email', 'total'] }
    const client = await enter(version, { tables: ['public.*'], columns }, { columns: own })
    await hides(client, ['staff', 'people', 'audited', 'orders', 'orders_2024'])
    for (const sql of ['select salary from staff', 'select note from staff', 'select total from orders_2024'])
      assert.match(complaint(await client.query(sql)), /^42501 /, sql)
    assert.equal(complaint(await client.query('select id from staff')), '')
    // What the request leaves out is out, and what it does not speak of is as the rule has it.
    assert.match(complaint(await client.query('select day from orders_2024')), /^42501 /)
    assert.equal(complaint(await client.query('select day from orders_2025')), '')
    // Said by the rule, the same lists give what they say.
    const rule = await enter(version, { tables: ['public.*'], columns: { ...columns, ...own } })
    assert.deepEqual(rowsOf(await rule.query('select salary from staff')), [['777777']])
  })

  test(`a request's hash shows of a partly masked column nothing that the rule does not (PostgreSQL ${version})`, async () => {
    const mask = (column: string, form: string) => [{ column: `public.${column}`, with: form }]
    const rule = { tables: ['public.*'], mask: mask('orders.email', 'partial') }
    for (const column of ['orders.email', 'orders_2024.email', 'orders_2024.folded']) {
      const client = await enter(version, rule, { mask: mask(column, 'hash') })
      const [table, name] = column.split('.')
      assert.deepEqual(rowsOf(await client.query(`select ${name} from ${table} limit 1`)), [['***']], column)
    }
  })

  test(`what is written is limited as what is read (PostgreSQL ${version})`, async () => {
    const client = await enter(version, {
      tables: ['public.*'],
      write_tables: ['public.*'],
      columns: { 'public.orders': ['id', 'day', 'total'] },
    })
    for (const sql of [
      "insert into orders_2024 (id, day, email) values (1, '2024-02-01', 'x')",
      "update orders_2024 set email = 'x'",
      'update "Orders 2025.1" set id = 1 returning email',
      "update order_view set mail = 'x'",
      "insert into order_view (id, mail) values (1, 'x')",
    ])
      assert.match(complaint(await client.query(sql)), /^42501 /, sql)
    assert.equal(complaint(await client.query('begin; update orders_2024 set total = 1; rollback')), '')
  })

  test(`a view is a name of its own: who lists it by name gives what it shows (PostgreSQL ${version})`, async () => {
    const client = await enter(version, {
      tables: ['public.orders', 'public.order_view'],
      mask: [{ column: 'public.orders.email', with: 'full' }],
    })
    assert.match(rowsOf(await client.query('select mail from order_view'))[0]?.[0] ?? '', /^marked-/)
    const both = await enter(version, {
      tables: ['public.orders', 'public.order_view'],
      mask: ['orders.email', 'order_view.mail'].map(column => ({ column: `public.${column}`, with: 'full' })),
    })
    await hides(both, ['order_view'], 'mail')
    await hides(both, ['orders'])
  })

  test(`a partition that is made while a session is open is not in its scope (PostgreSQL ${version})`, async () => {
    const scope = {
      tables: ['public.*', 'public.orders_2026'],
      mask: [{ column: 'public.orders.email', with: 'full' }],
    }
    const before = await enter(version, scope)
    await at(version).run(
      'family',
      `create table orders_2026 partition of orders for values from ('2026-01-01') to ('2027-01-01');
       grant select on orders_2026 to app_ro;
       insert into orders values (1, '2026-05-01', 1, 'marked-1@example.com')`,
    )
    await hides(before, ['orders_2026'])
    assert.match(complaint(await before.query('select id from orders_2026')), /^42501 /)
    const after = await enter(version, scope)
    await hides(after, ['orders_2026'])
    assert.deepEqual(rowsOf(await after.query('select id, email from orders_2026')), [['1', '***']])
    await at(version).run('family', 'drop table orders_2026')
  })

  test(`without limits a scope is what it says, and costs no question (PostgreSQL ${version})`, async () => {
    const client = await enter(version, { tables: ['public.*'] })
    await at(version).run('family', 'create table later (id int); grant select on later to app_ro')
    assert.equal(complaint(await client.query('select * from later')), '')
    await at(version).run('family', 'drop table later')
    assert.equal(rowsOf(await client.query('select * from order_view_2')).length, 27)
    // A schema's name with a dot in it would read like a table of public.
    assert.match(complaint(await client.query('select * from "public.x".y')), /^42501 .*a dot in its name/)
  })
}

test('of two masks that meet in one relation the stronger holds, and decides only where both let it', () => {
  const scope = scopeOf({
    statements: ['select'],
    tables: ['a.*'],
    mask: [
      { column: 'a.one.x', with: 'partial', filter: true },
      { column: 'a.two.x', with: 'hash' },
    ],
  })
  const member = (said: string, relation: string, oid: string) => [
    'column',
    said,
    relation,
    oid,
    'x',
    '3',
    'x',
  ]
  const there = scopeThere(
    scope,
    [
      member('a.one', 'a.one', '1'),
      member('a.one', 'a.both', '3'),
      member('a.two', 'a.two', '2'),
      member('a.two', 'a.both', '3'),
      ['listed', null, 'a.one'],
      ['view', null, 'a.shows'],
    ],
    'orders-db',
  )
  assert.deepEqual(
    [...there.masks].map(([at, mask]) => [at, mask.with]),
    [
      ['1.3', 'partial'],
      ['3.3', 'full'],
      ['2.3', 'hash'],
    ],
  )
  assert.deepEqual(
    there.scope.mask.find(one => one.column === 'a.both.x'),
    { column: 'a.both.x', with: 'full' },
  )
  assert.equal(there.scope.mask.find(one => one.column === 'a.one.x')?.filter, true)
  assert.deepEqual(there.scope.tables, ['a.one'])
  assert.deepEqual(scopeThere(scope, [], 'orders-db').missing, ['a.one.x', 'a.two.x'])
})
