/** Names that SQL changes behind the protocol's back, tried on a real server through the door: no mask is left behind. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startPostgres, type TestOrders, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { createAnalyser } from '../../statement/sql/analyser.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { createLog } from '../../telemetry/log.ts'
import type { Narrowed } from '../../words.ts'
import { type OpenDoor, openDoor, wholeScope } from './door.fixture.ts'
import { createGuard } from './guard.ts'
import { mayBeParameter } from './parameter-types.ts'
import {
  asked,
  bind,
  closePortal,
  closeStatement,
  codes,
  execute,
  type Message,
  parse,
  query,
  RawClient,
  sync,
} from './raw.fixture.ts'
import type { PostgresScope } from './scope.ts'
import { frame } from './wire.ts'

const scope: PostgresScope = {
  ...wholeScope,
  statements: ['select', 'insert', 'update', 'delete', 'merge'],
  mask: [{ column: 'public.people.email', with: 'partial' }],
}
const world = `
  create table people (id int primary key, name text not null, email text unique, age int check (age > 0));
  insert into people select n, 'n' || n, 'hidden' || n || '@example.com', n from generate_series(1, 5) n;
  create function shout() returns trigger language plpgsql as $$ begin
    raise notice 'row %', new; raise exception 'no: %', new.email; end $$;
  create table loud (like people including all);
  insert into loud select * from people;
  create trigger t before update on loud for each row execute function shout();
  grant all on people, loud to app_ro;`

let home: Home
const doors = new Map<string, OpenDoor>()
const servers = new Map<string, TestOrders>()
const clients: RawClient[] = []
before(async () => {
  home = await openHome()
  const analyser = createAnalyser({ log: createLog() })
  for (const version of versions) {
    const orders = await startPostgres(home, { version })
    await orders.run('orders', world)
    servers.set(version, orders)
    doors.set(
      version,
      await openDoor({
        target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
        lease: { user: 'app_ro', password: orders.passwords.ro },
        scope,
        guard: createGuard(scope as Narrowed<PostgresScope>, analyser, new VerdictCache()),
      }),
    )
  }
})
after(async () => {
  for (const client of clients) client.destroy()
  for (const door of doors.values()) await door.close()
  await home?.close()
})

async function login(version: string): Promise<RawClient> {
  const door = doors.get(version)
  assert.ok(door)
  const client = new RawClient(door.port)
  clients.push(client)
  await client.login(door.grant, door.password, { database: 'orders' })
  return client
}

const shapeOf = (messages: readonly Message[]): string => messages.map(({ type }) => type).join(' ')
const ids = 'select id::text from people order by id'
const emails = 'select email from people order by id'
const hides = (client: RawClient): void =>
  assert.equal(client.received.toString('latin1').match(/hidden\d/)?.[0], undefined)

for (const version of versions) {
  test(`PostgreSQL ${version}: a cursor's masked column is masked where it is fetched`, async () => {
    const client = await login(version)
    const simple = await client.query(`begin; declare c cursor for ${emails}; fetch 2 from c`)
    assert.equal(shapeOf(simple), 'C C T D D C Z')
    const bound = await asked(client, parse('', 'fetch 1 from c'), bind('', ''), execute(''))
    assert.equal(shapeOf(bound), '1 2 D C Z')
    assert.match(bound[2]?.payload.toString() ?? '', /h\*\*\*@example\.com$/)
    hides(client)
  })

  test(`PostgreSQL ${version}: a portal that SQL closed and declared again is nobody's`, async () => {
    const client = await login(version)
    await client.query('begin')
    await asked(client, parse('', ids), bind('p', ''), execute('p', 1))
    await client.query(`close p; declare p cursor for ${emails}`)
    assert.deepEqual(codes(await asked(client, execute('p'))), ['34000'])
    hides(client)
  })

  test(`PostgreSQL ${version}: nor one that SQL inside the extended protocol declared`, async () => {
    const client = await login(version)
    await client.query('begin')
    await asked(client, parse('', ids), bind('p', ''), execute('p', 1))
    await asked(client, parse('', 'close p'), bind('', ''), execute(''))
    await asked(client, parse('', `declare p cursor for ${emails}`), bind('', ''), execute(''))
    assert.deepEqual(codes(await asked(client, execute('p'))), ['34000'])
    hides(client)
  })

  test(`PostgreSQL ${version}: an undo brings no portal back that was forgotten meanwhile`, async () => {
    const client = await login(version)
    const swap = `rollback to a; close p; declare p cursor for ${emails}`
    const wrong = 'select nonsense from people'
    // With their verdicts known both go up in one turn, before the server has answered to either.
    assert.deepEqual(
      [...codes(await client.query(swap)), ...codes(await client.query(wrong))],
      ['25P01', '42703'],
    )
    await client.query('begin')
    await asked(client, parse('', ids), bind('p', ''), execute('p', 1))
    await client.query('savepoint a')
    // The Close is skipped by the server because of the error before it, and taken back here.
    client.send(parse('', wrong), closePortal('p'), sync, query(swap))
    await client.upTo('Z')
    await client.upTo('Z')
    assert.deepEqual(codes(await asked(client, execute('p'))), ['34000'])
    hides(client)
  })

  test(`PostgreSQL ${version}: a bound FETCH shows nothing of what took the place of what it was bound to`, async () => {
    for (const swap of [
      [query(`close p; declare p cursor for ${emails}`)],
      [closePortal('p'), parse('', emails), bind('p', ''), sync],
    ]) {
      const client = await login(version)
      await client.query('begin')
      await asked(client, parse('', ids), bind('p', ''), parse('f', 'fetch all from p'), bind('q', 'f'))
      client.send(...swap)
      await client.upTo('Z')
      assert.deepEqual(codes(await asked(client, execute('q'))), ['34000'])
      hides(client)
    }
  })

  test(`PostgreSQL ${version}: a bound EXECUTE shows nothing of another statement under the name`, async () => {
    for (const swap of [
      [query(`deallocate s; prepare s as ${emails}`)],
      [closeStatement('s'), parse('s', emails), sync],
    ]) {
      const client = await login(version)
      await client.query('begin')
      await asked(client, parse('s', ids), parse('', 'execute s'), bind('q', ''))
      client.send(...swap)
      await client.upTo('Z')
      assert.deepEqual(codes(await asked(client, execute('q'))), ['34000'])
      hides(client)
    }
  })

  test(`PostgreSQL ${version}: names stay with what they were judged as: DEALLOCATE alone forgets nothing, PREPARE does`, async () => {
    const client = await login(version)
    await asked(client, parse('a', ids), parse('b', ids))
    await client.query('deallocate a')
    assert.equal(shapeOf(await asked(client, bind('', 'b'), execute('', 1))), '2 D s Z')
    await client.query(`prepare a as ${emails}`)
    assert.deepEqual(codes(await asked(client, bind('', 'a'), execute(''))), ['26000'])
    const executed = await client.query('execute a')
    assert.equal(shapeOf(executed), 'T D D D D D C Z')
    hides(client)
  })

  test(`PostgreSQL ${version}: behind a Sync nothing runs under the verdict of what was skipped before it`, async () => {
    const client = await login(version)
    const door = doors.get(version)
    const [first, second] = ["select 'first'", "select 'second'"]
    for (const name of ['s', '']) {
      for (const sql of [first, second, 'select 1 / 0']) await client.query(sql)
      await asked(client, closeStatement(name), parse(name, first))
      const swap = [...(name === '' ? [] : [closeStatement(name)]), parse(name, second)]
      // One turn, with all verdicts known: nothing is answered yet when the second batch is judged.
      client.send(
        parse('e', 'select 1 / 0'),
        bind('', 'e'),
        execute(''),
        ...swap,
        sync,
        bind('', name),
        execute(''),
        sync,
      )
      await client.upTo('Z')
      // The Bind waits for the Parse to be answered: the name is what it was.
      const rows = (await client.upTo('Z')).filter(({ type }) => type === 'D')
      assert.match(rows[0]?.payload.toString() ?? '', /first$/)
      assert.equal(door?.sessions.at(-1)?.recorder.statements().at(-1), first)
      await asked(client, closeStatement('e'))
    }
    // As libpq's pipelines do.
    client.send(parse('new', first), sync, bind('', 'new'), execute(''), sync)
    await client.upTo('Z')
    assert.equal(shapeOf(await client.upTo('Z')), '2 D C Z')
    hides(client)
  })

  test(`PostgreSQL ${version}: errors and notices show no row`, async () => {
    const client = await login(version)
    const tries = [
      ['update people set age = 0 where id = 1', '23514'],
      ['update people set name = null where id = 1', '23502'],
      ["update people set email = 'x' where id < 3", '23505'],
      ["update loud set name = 'x' where id = 1", 'P0001'],
    ]
    for (const [sql = '', code] of tries) {
      const refused = await client.query(sql)
      assert.deepEqual(codes(refused), [code], sql)
      for (const { fields } of refused.filter(({ type }) => type === 'E' || type === 'N')) {
        assert.deepEqual([fields.D, fields.W], [undefined, undefined], sql)
        assert.ok(fields.M)
      }
    }
    assert.match((await client.query('update people set age = 0'))[0]?.fields.M ?? '', /check constraint/)
    hides(client)
    // Nor does the recording, which more may read than may read the column.
    const results = doors.get(version)?.sessions.at(-1)?.recorder.results() ?? []
    const told = results.map(({ error }) => error?.message ?? '')
    assert.match(told[3] ?? '', /withheld/)
    assert.ok(!told.join().includes('hidden'))
  })

  test(`PostgreSQL ${version}: a parameter's type looks nothing up in the catalogue`, async () => {
    const client = await login(version)
    const typed = (type: number): Buffer => {
      const rest = Buffer.alloc(6)
      rest.writeUInt16BE(1)
      rest.writeUInt32BE(type, 2)
      return frame(0x50, '\0select $1\0', rest)
    }
    for (const type of [2205, 24, 4089, 1033, 2210, 71, 12_000, 16_384])
      assert.deepEqual(codes(await asked(client, typed(type))), ['42501'], String(type))
    for (const type of [0, 25, 23, 1009, 3734])
      assert.equal(shapeOf(await asked(client, typed(type))), '1 Z', String(type))
  })

  test(`PostgreSQL ${version}: every type that looks names up is known by its number`, async () => {
    const server = servers.get(version)
    assert.ok(server)
    const { rows } = (await server.run(
      'orders',
      `select t.oid::int as oid from pg_type t left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'
       where t.typnamespace = 'pg_catalog'::regnamespace and (t.oid >= 10000 or coalesce(e.typtype, t.typtype) = 'c'
         or coalesce(e.typname, t.typname) ~ '^(reg(?!config|dictionary)|aclitem)')`,
    )) as { rows: { oid: number }[] }
    assert.ok(rows.length > 100)
    assert.deepEqual(
      rows.filter(({ oid }) => mayBeParameter(oid, false)),
      [],
    )
  })
}
