import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { openDoor } from './door.fixture.ts'
import { analyser, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import { bind, execute, parse, RawClient, sync } from './raw.fixture.ts'

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, versions)
  for (const version of versions)
    await at(version).run(
      'orders',
      'create table staff (id int, salary numeric); insert into staff values (1, 1e3), (2, 4711e400); grant all on staff to app_ro',
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
