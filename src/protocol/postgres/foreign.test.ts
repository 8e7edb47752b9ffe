/** Foreign tables, of postgres_fdw on real servers: names like any other, except that a loop may show a limited table once more. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { type OpenDoor, openDoor } from './door.fixture.ts'
import { analyser, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import { RawClient } from './raw.fixture.ts'
import { dataRow } from './wire.ts'

const world = `
  create table orders (id int, day date, email text) partition by range (day);
  create table orders_2024 partition of orders for values from ('2024-01-01') to ('2025-01-01');
  create table kept_2023 (id int, day date, email text);
  create table items (id int, name text);
  insert into orders values (1, '2024-02-02', 'marked-1@example.com');
  insert into kept_2023 values (2, '2023-02-02', 'marked-2@example.com');
  insert into items values (7, 'cup');
  create extension postgres_fdw`

const far = (port: number, password: string) => `
  create server loop foreign data wrapper postgres_fdw options (host '127.0.0.1', port '${port}', dbname 'far');
  create user mapping for app_ro server loop options (user 'app_ro', password '${password}');
  create foreign table far_items (id int, name text) server loop options (table_name 'items');
  create foreign table far_orders (id int, day date, email text) server loop options (table_name 'orders');
  create foreign table orders_2023 partition of orders for values from ('2023-01-01') to ('2024-01-01')
    server loop options (table_name 'kept_2023');
  create view far_view as select email as mail from far_orders;
  create view item_view as select name from items;
  grant select on all tables in schema public to app_ro;
  grant insert on far_items to app_ro`

let home: Home
let at: At
const doors: OpenDoor[] = []
const clients: RawClient[] = []
before(async () => {
  home = await openHome()
  at = await startServers(home, versions, 'far', world)
  for (const version of versions)
    await at(version).run('far', far(at(version).port, at(version).passwords.ro))
})
after(async () => {
  for (const client of clients) client.destroy()
  for (const door of doors) await door.close()
  await home?.close()
})

async function enter(version: string, scope: object): Promise<(sql: string) => Promise<string>> {
  const server = at(version)
  const door = await openDoor({
    target: { host: '127.0.0.1', port: server.port, database: 'far', tls: { mode: 'disable' } },
    lease: { user: 'app_ro', password: server.passwords.ro },
    scope: scopeOf({ statements: ['select', 'insert'], ...scope }),
    guardFor: (narrowed, own) => createGuard(narrowed, analyser, new VerdictCache(), own),
  })
  doors.push(door)
  const client = new RawClient(door.port)
  clients.push(client)
  await client.login(door.grant, door.password, { database: 'far' })
  return async sql => {
    const answers = await client.query(sql)
    const error = answers.find(({ type }) => type === 'E')
    if (error !== undefined) return `${error.fields.C} ${error.fields.M}`
    return answers
      .filter(({ type }) => type === 'D')
      .map(({ payload }) => dataRow(payload).join())
      .join(';')
  }
}

for (const version of versions) {
  test(`a foreign table is read and written where it is listed, and nowhere else (PostgreSQL ${version})`, async () => {
    const asked = await enter(version, { tables: ['public.far_items'], write_tables: ['public.far_items'] })
    assert.equal(await asked('select id, name from far_items'), '7,cup')
    assert.equal(
      await asked('select * from far_items, lateral (select id) x where far_items.id = 7'),
      '7,cup,7',
    )
    for (const barred of ['items', 'far_orders', 'orders_2023', 'item_view'])
      assert.match(await asked(`select 1 from ${barred}`), /^42501 postern: .*is not permitted/)
    // The other side's own rights hold as ever.
    assert.match(await asked("insert into far_items values (8, 'x')"), /^42501 permission denied/)
    const all = await enter(version, { tables: ['public.*'] })
    assert.equal(await all('select name from far_items'), 'cup')
  })

  test(`a mask holds in a foreign partition, and schema.* means no other foreign table (PostgreSQL ${version})`, async () => {
    const mask = [{ column: 'public.orders.email', with: 'full' }]
    const asked = await enter(version, { tables: ['public.*'], mask })
    for (const [table, row] of [
      ['orders', '1,***;2,***'],
      ['orders_2023', '2,***'],
    ])
      assert.equal(await asked(`select id, email from ${table} order by id`), row)
    assert.match(await asked('select lower(email) from orders_2023'), /^42501 postern/)
    for (const loop of ['far_orders', 'far_view', 'far_items'])
      assert.match(await asked(`select * from ${loop}`), /^42501 postern: .*is not permitted/)
    assert.equal(await asked('select name from item_view'), 'cup')
    const listed = await enter(version, { tables: ['public.orders', 'public.far_items'], mask })
    assert.equal(await listed('select name from far_items'), 'cup')
  })
}
