/** Masked columns that come out of sub-selects and CTEs are masked, on real servers, whichever way they are asked for. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { maskedDoor, rowsBy, rowsOf, ways } from './masked.fixture.ts'
import { allowedReads } from './vectors/statements.ts'

const world = `
  create table orders (id int primary key, customer text, total numeric, email text);
  create table order_items (id int primary key, order_id int, name text);
  insert into orders select n, 'c' || n % 2, n, 'marked-' || n || '@example.com' from generate_series(1, 5) n;
  insert into order_items select n, n, 'i' || n from generate_series(1, 2) n;
  create view late as select * from (select id, email from orders) s;
  create table parts (id int, email text) partition by list (id);
  create table parts_1 partition of parts for values in (1);
  insert into parts values (1, 'marked-1@example.com');
  create table remade (id int, email text);
  insert into remade values (1, 'marked-1@example.com');
  grant select on all tables in schema public to app_ro`

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, versions, 'carried', world)
})
after(() => home.close())

const tables = ['orders', 'order_items', 'late', 'parts', 'parts_1', 'remade'].map(name => `public.${name}`)
const scope = {
  statements: ['select'],
  tables,
  mask: ['orders', 'late', 'parts', 'remade'].map(name => ({
    column: `public.${name}.email`,
    with: 'partial',
  })),
}

const m = 'm***@example.com'
const shows: readonly (readonly [sql: string, rows: readonly (readonly (string | null)[])[]])[] = [
  ['select * from (select email from orders) s limit 2', [[m], [m]]],
  [
    'select s.e, s.i::text from (select id as i, email as e from orders order by total desc limit 2) s',
    [
      [m, '5'],
      [m, '4'],
    ],
  ],
  ['with a as (select email from orders) select * from a limit 1', [[m]]],
  [
    'with a(x, y) as materialized (select email, id::text from orders) select y, x from a where y > $$4$$',
    [['5', m]],
  ],
  ['select s.id::text from (select * from orders) s where s.id < 3 order by s.id', [['1'], ['2']]],
  ['with a as (select * from orders) select id::text from a order by id limit 1', [['1']]],
  [
    'select customer, count(*)::text from (select * from orders) s group by customer order by customer',
    [
      ['c0', '2'],
      ['c1', '3'],
    ],
  ],
  [
    'select email, id from (select id::text as email, email as id from orders) s order by s.email limit 1',
    [['1', m]],
  ],
  [
    'select i.name, s.email from order_items i left join (select id, email from orders where id = 2) s on s.id = i.order_id order by i.id',
    [
      ['i1', null],
      ['i2', m],
    ],
  ],
  ['select l.e from orders o cross join lateral (select o.email as e) l where o.id = 1', [[m]]],
  [
    'with orders as (select name as email from order_items) select email from orders order by email',
    [['i1'], ['i2']],
  ],
  [
    'with a as (select id, email from orders), b as (select * from a), c(p, q) as (select b.email, b.id from b) select x.p from (select p from c order by q limit 1) x',
    [[m]],
  ],
  ['select * from (select email from late) s limit 1', [[m]]],
  // The nearest of a name is meant.
  [
    'select l.* from orders o, lateral (select o.name, o.id::text as n from order_items o where o.id = 1) l limit 1',
    [['i1', '1']],
  ],
  [
    'select l.e from orders o, lateral (select o.name as e from order_items o where o.id = 2) l limit 1',
    [['i2']],
  ],
  [
    'select l.* from orders o, lateral (select o.* from (select name as n from order_items where id = 2) o) l limit 1',
    [['i2']],
  ],
  ['select s.x from order_items o, (select public.orders.email as x from public.orders) s limit 1', [[m]]],
  ['with a as (select email from parts) select * from a', [[m]]],
  ['with a as (select * from parts_1) select s.x from (select email as x from a) s', [[m]]],
]

for (const version of versions) {
  for (const way of ways) {
    test(`carried columns are masked, ${way} (PostgreSQL ${version})`, async () => {
      await using masks = await maskedDoor(at(version), 'carried', scope)
      for (const [sql, rows] of shows) assert.deepEqual(await rowsBy(way, masks.client, sql), rows, sql)
      assert.ok(!masks.client.received.includes('marked'))
    })
  }

  test(`cursors and prepared statements show them masked, and no statement of the corpus shows a value (PostgreSQL ${version})`, async () => {
    await using masks = await maskedDoor(at(version), 'carried', scope)
    const { client } = masks
    const declared =
      'begin; declare c cursor for with a as (select email from orders) select * from a; fetch 2 from c'
    assert.deepEqual(rowsOf(await client.query(declared)), [[m], [m]])
    assert.deepEqual(rowsOf(await client.query('fetch 1 from c; commit')), [[m]])
    const prepared = 'prepare p as select s.e from (select email as e from orders) s; execute p'
    assert.equal(rowsOf(await client.query(prepared)).length, 5)
    for (const sql of allowedReads) await client.query(sql.replaceAll(/\$\d/g, 'null'))
    assert.ok(!client.received.includes('marked-'))
    assert.ok(client.received.includes(m))
  })

  test(`a table that was made anew in a session shows nothing of its masked column (PostgreSQL ${version})`, async () => {
    for (const sql of ['select email from remade', 'with a as (select * from remade) select * from a']) {
      await using masks = await maskedDoor(at(version), 'carried', scope)
      assert.deepEqual((await rowsBy('simple', masks.client, sql)).flat().at(-1), m)
      const remake =
        "drop table remade; create table remade (id int, email text); insert into remade values (1, 'marked-2@example.com'); grant select on remade to app_ro"
      await at(version).run('carried', remake)
      // The server now tells another origin than the gateway knows.
      await assert.rejects(masks.client.query(sql), /08P01|ended|FATAL/)
      assert.ok(!masks.client.received.includes('marked'))
      assert.equal(masks.door.sessions[0]?.ending?.how, 'cut')
    }
  })
}
