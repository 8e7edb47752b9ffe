/** `target.search_path`: another schema than `public` is what bare names mean, to the guard just as to the server. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { type OpenDoor, openDoor } from './door.fixture.ts'
import { analyser, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import { RawClient } from './raw.fixture.ts'
import { postgresTarget } from './target.ts'
import { dataRow } from './wire.ts'

let home: Home
let orders: TestOrders
const doors: OpenDoor[] = []
const clients: RawClient[] = []
before(async () => {
  home = await openHome()
  orders = await startPostgres(home)
  await orders.run(
    'orders',
    `create schema app;
     create table app.orders (id int, email text);
     create table app.notes (id int);
     insert into app.orders values (1, 'in app');
     create function app.note_of(app.orders) returns text language sql as 'select ''called''';
     create function app.upper(int) returns text language sql as 'select ''called''';
     create function public.lower(int) returns text language sql as 'select ''public''';
     grant usage on schema app to app_ro; grant all on all tables in schema app to app_ro`,
  )
})
after(async () => {
  for (const client of clients) client.destroy()
  for (const door of doors) await door.close()
  await home?.close()
})

async function enter(scope: object, search_path?: string): Promise<(sql: string) => Promise<string | null>> {
  const door = await openDoor({
    target: {
      host: '127.0.0.1',
      port: orders.port,
      database: 'orders',
      search_path,
      tls: { mode: 'disable' },
    },
    lease: { user: 'app_ro', password: orders.passwords.ro },
    scope: scopeOf({ statements: ['select', 'insert'], ...scope }),
    guardFor: (narrowed, own) => createGuard(narrowed, analyser, new VerdictCache(), own),
  })
  doors.push(door)
  const client = new RawClient(door.port)
  clients.push(client)
  await client.login(door.grant, door.password, { database: 'orders' })
  return async sql => {
    const answers = await client.query(sql)
    const error = answers.find(({ type }) => type === 'E')
    if (error !== undefined) return `${error.fields.C} ${error.fields.M}`
    const row = answers.find(({ type }) => type === 'D')
    return row === undefined ? null : (dataRow(row.payload)[0]?.toString() ?? null)
  }
}

test('bare names are those of the schema, for tables, functions and what looks like a column', async () => {
  const ask = await enter({ tables: ['app.orders'], write_tables: ['app.notes'] }, 'app')
  assert.equal(await ask('select email from orders'), 'in app')
  assert.equal(await ask('select email from app.orders'), 'in app')
  assert.equal(await ask('show search_path'), 'pg_catalog, app, pg_temp')
  assert.equal(await ask('insert into notes values (1)'), null)
  assert.match((await ask('select id from public.orders')) ?? '', /^42501 .*public\.orders/)
  assert.match((await ask('select id from customers')) ?? '', /^42501 .*app\.customers/)
  assert.match((await ask('select o.note_of from orders o')) ?? '', /^42501 .*app\.note_of/)
  assert.match((await ask('select upper(1)')) ?? '', /^42501 .*app\.upper/)
  assert.equal(await ask("select lower('A')"), 'a')
  const listed = await enter({ tables: ['app.orders'], functions: ['app.note_of', 'app.upper'] }, 'app')
  assert.equal(await listed('select o.note_of from orders o'), 'called')
  assert.equal(await listed('select upper(1)'), 'called')
})

test('a scope of public gives nothing of it, nor the other way round', async () => {
  const other = await enter({ tables: ['public.*'] }, 'app')
  assert.match((await other('select email from orders')) ?? '', /^42501 .*app\.orders/)
  const usual = await enter({ tables: ['app.*'] })
  assert.match((await usual('select email from orders')) ?? '', /^42501 .*public\.orders/)
})

test('it is one plain name', () => {
  const target = { host: 'db', database: 'orders' }
  for (const wrong of ['a, b', '"a"', 'A', 'pg_temp', 'pg_catalog', '', '$user', 'a.b', "a'"])
    assert.equal(postgresTarget.safeParse({ ...target, search_path: wrong }).success, false, wrong)
  assert.equal(postgresTarget.parse({ ...target, search_path: 'app_2' }).search_path, 'app_2')
})
