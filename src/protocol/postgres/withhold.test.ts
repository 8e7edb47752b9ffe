import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { openDoor } from './door.fixture.ts'
import { analyser, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import { bind, copyData, copyDone, execute, parse, query, RawClient, sync } from './raw.fixture.ts'
import type { PostgresScope } from './scope.ts'
import { ERROR, errorFields, report } from './wire.ts'
import { withholdUnder } from './withhold.ts'

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, versions)
  for (const version of versions)
    await at(version).run(
      'orders',
      `create table staff (id int, salary numeric); insert into staff values (1, 1e3), (2, 4711e400);
       create table jobs (id int primary key, state text not null check (state <> 'bad'), tenant int, secret text, unique (tenant, secret));
       insert into jobs values (1, 'a', 1, '4711'), (2, 'b', 2, '4711');
       create table runs (job int references jobs on update cascade check (job < 10), log text);
       insert into runs values (1, '4712');
       create function complain() returns trigger language plpgsql as $$ begin
         if new.state = 'say' then raise 'not with %', new.secret; end if; return new; end $$;
       create trigger complains before update on jobs for each row execute function complain();
       grant all on staff, jobs to app_ro`,
    )
})
after(() => home.close())

for (const version of versions) {
  for (const filter of [true, false])
    test(`PostgreSQL ${version}: no error says the value of a masked column, ${filter ? 'which filters' : 'which does not'}`, async t => {
      const server = at(version)
      const door = await openDoor({
        target: { host: '127.0.0.1', port: server.port, database: 'orders', tls: { mode: 'disable' } },
        lease: { user: 'app_ro', password: server.passwords.ro },
        scope: scopeOf({
          statements: ['select'],
          tables: ['public.staff'],
          mask: [{ column: 'public.staff.salary', with: 'full', filter }],
        }),
        guardFor: (scope, own) => createGuard(scope, analyser, new VerdictCache(), own),
      })
      const client = new RawClient(door.port)
      t.after(() => {
        client.destroy()
        return door.close()
      })
      await client.login(door.grant, door.password, { database: 'orders' })
      const errorOf = async (): Promise<readonly [string | undefined, string | undefined]> => {
        const fields = (await client.upTo('Z')).find(({ type }) => type === 'E')?.fields
        assert.doesNotMatch(JSON.stringify(fields ?? {}), /4711/)
        return [fields?.C, fields?.M]
      }
      const told = filter ? (['22003', /message is withheld/] as const) : (['42501', /masked/] as const)
      for (const sql of [
        'select id from staff where salary > 1::float8',
        'select id from staff where salary in (1::float8)',
      ]) {
        client.send(parse('', sql), bind('', ''), execute(''), sync)
        const [code, message] = await errorOf()
        assert.equal(code, told[0])
        assert.match(message ?? '', told[1])
      }
      // What is not about data is told as it is.
      client.send(parse('', 'select id from staff where id = nothing'), bind('', ''), execute(''), sync)
      assert.equal((await errorOf())[1], 'column "nothing" does not exist')
      const said = JSON.stringify(door.sessions[0]?.recorder.lines)
      assert.doesNotMatch(said, /4711/)
    })
}

const jobs = { tables: ['public.jobs'], write_tables: ['public.jobs'] }
for (const version of versions) {
  const opened = async (t: TestContext, scope: Partial<PostgresScope>) => {
    const server = at(version)
    const door = await openDoor({
      target: { host: '127.0.0.1', port: server.port, database: 'orders', tls: { mode: 'disable' } },
      lease: { user: 'app_ro', password: server.passwords.ro },
      scope: scopeOf({ statements: ['select', 'update', 'insert'], ...scope }),
      guardFor: (given, own) => createGuard(given, analyser, new VerdictCache(), own),
    })
    const client = new RawClient(door.port)
    t.after(() => {
      client.destroy()
      return door.close()
    })
    await client.login(door.grant, door.password, { database: 'orders' })
    const errorOf = async (sql: string) =>
      (await client.query(sql)).find(({ type }) => type === 'E')?.fields ?? {}
    return { client, door, errorOf }
  }

  for (const [what, scope] of [
    ['of which some columns are given', { ...jobs, columns: { 'public.jobs': ['id', 'state', 'tenant'] } }],
    ['that may be written, not read', { ...jobs, tables: [] }],
    ['where nothing may be read', { ...jobs, statements: ['update', 'insert'] }],
  ] as const)
    test(`PostgreSQL ${version}: no error shows a row ${what}`, async t => {
      const { client, door, errorOf } = await opened(t, scope)
      for (const [sql, code, said] of [
        ['update jobs set state = null', '23502', /null value in column "state"/],
        ["update jobs set state = 'bad'", '23514', /violates check constraint/],
        ['update jobs set tenant = 3', '23505', /duplicate key value/],
        ["update jobs set state = 'say'", 'P0001', /message is withheld/],
        ['update jobs set id = 11', '23505', /duplicate key value/],
      ] as const) {
        const { C, M = '', D } = await errorOf(sql)
        assert.deepEqual([C, D], [code, undefined], sql)
        assert.match(M, said, sql)
      }
      assert.equal(client.received.includes('471'), false)
      assert.doesNotMatch(JSON.stringify(door.sessions[0]?.recorder.lines), /471/)
      // What is wrong with rows of one's own is told.
      client.send(query('copy jobs (id, state) from stdin'))
      await client.upTo('G')
      client.send(copyData('many\ta\n'), copyDone)
      const [told] = (await client.upTo('Z')).filter(({ type }) => type === 'E')
      assert.match(told?.fields.M ?? '', /invalid input syntax for type integer: "many"/)
    })

  test(`PostgreSQL ${version}: who may read all that may be written reads DETAIL, but for rows that a foreign key's action found`, async t => {
    const { client, errorOf } = await opened(t, jobs)
    assert.match((await errorOf('update jobs set state = null where id = 1')).D ?? '', /1, null, 1, 4711/)
    const { C, D, M = '' } = await errorOf('update jobs set id = 11 where id = 1')
    assert.deepEqual([C, D], ['23514', undefined])
    assert.match(M, /violates check constraint/)
    assert.equal(client.received.includes('4712'), false)
    assert.match((await errorOf("update jobs set state = 'say'")).W ?? '', /complain/)
  })
}

test('what waited for a lock in vain is told so, and a function that says the same is not', () => {
  const scope = scopeOf({ statements: ['update'], write_tables: ['public.jobs'] })
  const told = (W: string) => {
    const said = withholdUnder(scope)(ERROR, report(ERROR, { C: '40P01', M: 'of 4711', W }).subarray(5))
    return errorFields(said?.subarray(5) ?? Buffer.alloc(0)).M
  }
  assert.equal(told('while updating tuple (0,1) in relation "jobs"'), 'of 4711')
  for (const where of ['PL/pgSQL function f() line 1 at RAISE', 'while x\nSQL statement "y"', 'beim Ändern'])
    assert.match(told(where) ?? '', /withheld/)
})
