/**
 * A FETCH and an EXECUTE have the columns of what their name stood for when they were parsed or bound. Over another's rows the
 * server takes bytes for other types than theirs: it tells no origins, and reads its own memory.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startPostgres, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { createAnalyser } from '../../statement/sql/analyser.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { createLog } from '../../telemetry/log.ts'
import type { Narrowed } from '../../words.ts'
import { type OpenDoor, openDoor, wholeScope } from './door.fixture.ts'
import { createGuard } from './guard.ts'
import {
  asked,
  bind,
  closePortal,
  closeStatement,
  codes,
  describePortal,
  describeStatement,
  execute,
  type Message,
  parse,
  RawClient,
  sync,
} from './raw.fixture.ts'
import type { PostgresScope } from './scope.ts'

const plain: PostgresScope = { ...wholeScope, statements: ['select'] }
const scopes = {
  'no masks': plain,
  masks: { ...plain, mask: [{ column: 'public.people.email', with: 'full' }] },
} as const satisfies Record<string, PostgresScope>

let home: Home
const doors = new Map<string, OpenDoor>()
const clients: RawClient[] = []
before(async () => {
  home = await openHome()
  const analyser = createAnalyser({ log: createLog() })
  for (const version of versions) {
    const orders = await startPostgres(home, { version })
    await orders.run(
      'orders',
      `create table people (id int primary key, email text);
       insert into people values (1, 'hidden1@example.com');
       grant select on people to app_ro;`,
    )
    for (const [masks, scope] of Object.entries(scopes)) {
      const door = await openDoor({
        target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
        lease: { user: 'app_ro', password: orders.passwords.ro },
        scope,
        guard: createGuard(scope as Narrowed<PostgresScope>, analyser, new VerdictCache()),
      })
      doors.set(`${version} ${masks}`, door)
    }
  }
})
after(async () => {
  for (const client of clients) client.destroy()
  for (const door of doors.values()) await door.close()
  await home?.close()
})

async function login(where: string): Promise<RawClient> {
  const door = doors.get(where)
  assert.ok(door)
  const client = new RawClient(door.port)
  clients.push(client)
  await client.login(door.grant, door.password, { database: 'orders' })
  return client
}

const rows = (messages: readonly Message[]): number => messages.filter(({ type }) => type === 'D').length

// Where a number's bytes are taken for a text's, its value is the length. This one stays within the row.
const bytes = "select ''::bytea"
const number = 'select 8::int4'
const emails = 'select email from people'

for (const version of versions)
  for (const masks of Object.keys(scopes)) {
    const where = `${version} ${masks}`

    for (const [what, named, then] of [
      ['a FETCH', 'fetch all from c', `begin; declare c cursor for ${emails}; execute s; rollback`],
      ['an EXECUTE', 'execute p', `prepare p as ${emails}; execute s`],
      ['an EXPLAIN of an EXECUTE', 'explain execute p', `prepare p as ${emails}; execute s`],
    ] as const)
      test(`PostgreSQL ${where}: ${what} that was parsed under a name is not run by SQL`, async () => {
        const client = await login(where)
        await asked(client, parse('s', named))
        const answers = await client.query(then)
        assert.deepEqual([codes(answers), rows(answers)], [['42501'], 0])
        // Nor by the protocol's own EXECUTE of it.
        await client.query(`rollback; prepare p as ${emails}`)
        assert.deepEqual(codes(await asked(client, parse('', 'execute s'), bind('', ''), execute(''))), [
          '42501',
        ])
        assert.equal(client.received.includes('hidden'), false)
      })

    test(`PostgreSQL ${where}: a bound FETCH runs over nothing but what it was bound to`, async () => {
      const client = await login(where)
      await client.query('begin')
      await asked(client, parse('', bytes), bind('c', ''), parse('', 'fetch 1 from c'), bind('p', ''))
      await asked(client, closePortal('c'), parse('', number), bind('c', ''))
      const answers = await asked(client, execute('p'))
      assert.deepEqual([codes(answers), rows(answers)], [['34000'], 0])
    })

    test(`PostgreSQL ${where}: a bound EXECUTE likewise`, async () => {
      for (const swap of ['sql', 'protocol']) {
        const client = await login(where)
        await client.query('begin')
        await asked(client, parse('p', bytes), parse('', 'execute p'), bind('e', ''))
        if (swap === 'sql') await client.query(`deallocate p; prepare p as ${number}`)
        else await asked(client, closeStatement('p'), parse('p', number))
        const answers = await asked(client, execute('e'))
        assert.deepEqual([codes(answers), rows(answers)], [['34000'], 0])
      }
    })

    test(`PostgreSQL ${where}: nor after anything else ran, which may have opened another cursor under the name`, async () => {
      const client = await login(where)
      await client.query('begin')
      await client.query(`declare c cursor for ${bytes}`)
      await asked(client, parse('', 'fetch 1 from c'), bind('p', ''))
      await client.query('select 1')
      assert.deepEqual(codes(await asked(client, execute('p'))), ['34000'])
    })

    test(`PostgreSQL ${where}: SQL fetches nothing from a portal that goes by a name`, async () => {
      // What it gave once it keeps, whatever its name stands for then: of that, the server tells the origins.
      const client = await login(where)
      await client.query(`begin; prepare p as ${emails}`)
      await asked(client, parse('', 'execute p'), bind('e', ''))
      const fetching = [parse('', 'fetch all from e'), bind('', ''), execute('')]
      const refused = ['42501']
      assert.deepEqual(codes(await asked(client, ...fetching)), refused)
      await client.query('rollback; begin')
      await asked(client, parse('', 'execute p'), bind('é', ''))
      assert.deepEqual(
        codes(await client.query('move 1 from "é"; deallocate p; prepare p as select 1')),
        refused,
      )
      assert.equal(client.received.includes('hidden'), false)
      // The name is free again behind the transaction.
      await client.query('rollback')
      await client.query('begin; declare e cursor for select 1')
      assert.equal(rows(await asked(client, ...fetching)), 1)
    })

    test(`PostgreSQL ${where}: what goes by a name that is gone is not described, for the server falls over it`, async () => {
      const begin = 'begin; declare c cursor for select 1'
      const ways: readonly [string, readonly (string | readonly Buffer[])[]][] = [
        ['26000', [begin, [parse('f', 'fetch c')], 'close c', [describeStatement('f')]]],
        ['26000', [begin, [parse('f', 'fetch c')], 'commit', [describeStatement('f')]]],
        ['26000', [begin, [parse('f', 'fetch c'), closePortal('c'), describeStatement('f')]]],
        ['34000', [begin, [parse('', 'fetch c'), bind('p', '')], 'close c', [describePortal('p')]]],
        ['34000', [begin, [parse('', 'fetch c'), bind('p', ''), closePortal('c'), describePortal('p')]]],
        ['26000', [[parse('', bytes), bind('c', ''), parse('f', 'fetch c')], [describeStatement('f')]]],
        [
          '42501',
          [
            begin,
            [parse('', 'fetch c'), bind('p', '')],
            [parse('', 'fetch p'), bind('', ''), describePortal('')],
          ],
        ],
        [
          '26000',
          [begin, [parse('', 'fetch c'), bind('p', '')], [parse('', 'fetch p'), describeStatement('')]],
        ],
        ['26000', [[parse('', bytes), bind('c', ''), parse('f', 'fetch c'), sync, describeStatement('f')]]],
      ]
      for (const [code, steps] of ways) {
        const client = await login(where)
        const answers: Message[] = []
        for (const step of steps)
          answers.push(...(await (typeof step === 'string' ? client.query(step) : asked(client, ...step))))
        if (steps.at(-1)?.includes(sync as never)) answers.push(...(await client.upTo('Z')))
        assert.deepEqual(codes(answers), [code], JSON.stringify(steps))
      }
    })

    test(`PostgreSQL ${where}: FETCHes are described as long as nothing else was done`, async () => {
      const client = await login(where)
      await client.query('begin; declare c cursor for select generate_series(1, 9)')
      const types = async (...frames: Buffer[]) =>
        (await asked(client, ...frames)).map(({ type }) => type).join('')
      assert.equal(await types(parse('f', 'fetch 2 from c'), describeStatement('f')), '1tTZ')
      assert.equal(
        await types(describeStatement('f'), bind('p', 'f'), describePortal('p'), execute('p')),
        'tT2TDDCZ',
      )
      assert.equal(await types(describePortal('p'), describePortal('c')), 'TTZ')
      assert.equal(await types(bind('', 'f'), describePortal(''), execute('')), '2TDDCZ')
    })

    test(`PostgreSQL ${where}: one transaction fetches thousands of times, each under a new name`, async () => {
      const client = await login(where)
      await client.query('begin; declare c cursor for select generate_series(1, 1500)')
      const once = (i: number) => [bind(`C_${i}`, 'f'), execute(`C_${i}`, 2), closePortal(`C_${i}`)]
      const often = Array.from({ length: 1200 }, (_, i) => once(i)).flat()
      const answers = await asked(client, parse('f', 'fetch 1 from c'), ...often)
      assert.deepEqual([codes(answers), rows(answers)], [[], 1200])
    })

    test(`PostgreSQL ${where}: a cursor is read by named and by bound FETCHes, and SQL runs what SQL prepared`, async () => {
      const client = await login(where)
      await client.query('begin; declare c scroll cursor for select generate_series(1, 9)')
      await asked(client, parse('f', 'fetch 4 from c'))
      for (let round = 0; round < 2; round++) {
        const first = await asked(client, bind('q', 'f'), execute('q', 2), execute('q', 2))
        assert.deepEqual([codes(first), rows(first)], [[], 4])
        await asked(client, closePortal('q'))
      }
      const other = await login(where)
      await other.query(`prepare p as ${number}`)
      assert.equal(rows(await other.query('execute p')), 1)
      assert.equal(rows(await asked(other, parse('', 'execute p'), bind('', ''), execute(''))), 1)
    })
  }
