/** What `hash` tells, on real servers: which values of one column are equal, and of no other column, table or connection anything. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { type OpenDoor, openDoor } from './door.fixture.ts'
import { analyser, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import { RawClient } from './raw.fixture.ts'
import { postgresScope } from './scope.ts'
import { dataRow } from './wire.ts'

const world = `
  create table people (id int, email text, phone text, short varchar(30), folded text generated always as (lower(email)) stored);
  create table notes (id int, body text, email text);
  create table reports (id int, email text) partition by list (id);
  create table reports_1 partition of reports for values in (1);
  create table reports_2 partition of reports for values in (2);
  create view people_view as select id, email from people;
  insert into people values (1, 'ann@x.io', 'ann@x.io', 'ann@x.io'), (2, 'bob@x.io', null, ''), (3, 'ann@x.io', null, null);
  insert into reports values (1, 'ann@x.io'), (2, 'ann@x.io');
  grant select, insert on all tables in schema public to app_ro`

let home: Home
let at: At
const doors: OpenDoor[] = []
const clients: RawClient[] = []
before(async () => {
  home = await openHome()
  at = await startServers(home, versions, 'hashed', world)
})
after(async () => {
  for (const client of clients) client.destroy()
  for (const door of doors) await door.close()
  await home?.close()
})

const hash = (...columns: string[]) => columns.map(column => ({ column: `public.${column}`, with: 'hash' }))

/** What a statement shows to somebody with these masks of the rule's and these of the own request's. */
async function shows(
  version: string,
  masks: readonly object[],
  asked: readonly object[] = [],
  connection?: string,
) {
  const server = at(version)
  const scope = postgresScope.meet(
    scopeOf({
      statements: ['select', 'insert'],
      tables: ['public.*', 'public.people_view'],
      write_tables: ['public.notes', 'public.people'],
      mask: masks,
    }),
    postgresScope.limit.parse({ mask: asked }),
  )
  const door = await openDoor({
    target: { host: '127.0.0.1', port: server.port, database: 'hashed', tls: { mode: 'disable' } },
    lease: { user: 'app_ro', password: server.passwords.ro },
    scope,
    ...(connection !== undefined && { connection }),
    guardFor: (narrowed, own) => createGuard(narrowed, analyser, new VerdictCache(), own),
  })
  doors.push(door)
  const client = new RawClient(door.port)
  clients.push(client)
  await client.login(door.grant, door.password, { database: 'hashed' })
  return async (sql: string): Promise<(string | undefined)[]> => {
    const answers = await client.query(sql)
    assert.ok(!answers.some(({ type }) => type === 'E'), sql)
    return answers
      .filter(({ type }) => type === 'D')
      .flatMap(({ payload }) => dataRow(payload).map(value => value?.toString()))
  }
}

for (const version of versions) {
  test(`equal values of a column look equal, in every session of the run (PostgreSQL ${version})`, async () => {
    const show = await shows(version, hash('people.email', 'people.short'))
    const [ann = '', bob = '', again] = await show('select email from people order by id')
    assert.match(ann, /^[0-9a-f]{32}$/)
    assert.match(bob, /^[0-9a-f]{32}$/)
    assert.notEqual(ann, bob)
    assert.equal(again, ann)
    const other = await shows(version, hash('people.email'))
    assert.deepEqual(await other('select p.email as x from people p where p.id = 1'), [ann])
    const [, empty, none] = await show('select short from people order by id')
    assert.match(empty ?? '', /^[0-9a-f]{32}$/)
    assert.equal(none, undefined)
  })

  test(`a value cannot be tried in another column (PostgreSQL ${version})`, async () => {
    const by = 'select email from people where id = 1'
    const [ann] = await (await shows(version, hash('people.email')))(by)
    // A column that the rule leaves plain, in which the agent writes what it looks for.
    const asking = await shows(
      version,
      hash('people.email'),
      hash('notes.body', 'notes.email', 'people.phone'),
    )
    await asking("begin; insert into notes values (1, 'ann@x.io', 'ann@x.io')")
    const [body, email] = await asking('select body, email from notes')
    const [phone] = await asking('select phone from people where id = 1')
    await asking('rollback')
    assert.equal(new Set([ann, body, email, phone]).size, 4)
    assert.deepEqual(await asking(by), [ann])
    // Nor in what the rule masks itself, in what is made from the column, or in a database with the same tables.
    const rule = await shows(version, hash('people.email', 'people.phone', 'people_view.email'))
    const [phone2, folded] = await rule('select phone, folded from people where id = 1')
    const [view] = await rule('select email from people_view where id = 1')
    const [elsewhere] = await (await shows(version, hash('people.email'), [], 'staging-db'))(by)
    assert.equal(new Set([ann, phone2, folded, view, elsewhere]).size, 5)
  })

  test(`a partition's rows look as the whole's where they are read through the whole (PostgreSQL ${version})`, async () => {
    const show = await shows(version, hash('reports.email'))
    const [one, two] = await show('select email from reports order by id')
    assert.equal(one, two)
    const [part] = await show('select email from reports_1')
    assert.match(part ?? '', /^[0-9a-f]{32}$/)
    assert.notEqual(part, one)
  })
}
