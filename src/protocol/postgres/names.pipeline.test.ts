/**
 * What the server runs is what was recorded, whatever became of the names before: the gateway's names must never stand for
 * something else than the server's (attack 93). Known ways of making them drift, then random ones.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { startPostgres, type TestOrders, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { type OpenDoor, openDoor } from './door.fixture.ts'
import { analyser, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import {
  bind,
  closePortal,
  closeStatement,
  execute,
  type Message,
  parse,
  query,
  RawClient,
  sync,
} from './raw.fixture.ts'
import { dataRow } from './wire.ts'

const runs = Number(process.env.POSTERN_FUZZ_PIPELINES ?? 60)

let home: Home
const doors = new Map<string, OpenDoor>()
const clients: RawClient[] = []
before(async () => {
  home = await openHome()
  for (const version of versions) {
    const orders: TestOrders = await startPostgres(home, { version })
    await orders.run(
      'orders',
      `create table people (id int primary key, name text, email text);
       insert into people values (1, 'ann', 'hidden@example.com'); grant all on people to app_ro;`,
    )
    doors.set(
      version,
      await openDoor({
        target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
        lease: { user: 'app_ro', password: orders.passwords.ro },
        scope: masked,
        guardFor: (scope, own) => createGuard(scope, analyser, new VerdictCache(), own),
      }),
    )
  }
})
after(async () => {
  for (const client of clients) client.destroy()
  for (const door of doors.values()) await door.close()
  await home?.close()
})

const masked = scopeOf({
  statements: ['select', 'update', 'delete'],
  tables: ['public.*'],
  write_tables: ['public.people'],
  mask: [{ column: 'public.people.email', with: 'full' }],
})

interface Caller {
  readonly client: RawClient
  /** Constants of the statements that gave a row, as the recording has it. */
  recorded(): (string | undefined)[]
}

async function login(version: string): Promise<Caller> {
  const door = doors.get(version)
  assert.ok(door)
  const client = new RawClient(door.port)
  clients.push(client)
  await client.login(door.grant, door.password, { database: 'orders' })
  const { recorder } = door.sessions.at(-1) ?? assert.fail()
  const textOf = (seq: number | undefined) => recorder.lines[(seq ?? 0) - 1]?.statement?.text
  return {
    client,
    recorded: () =>
      recorder.lines.filter(line => line.result?.rows === 1).map(line => constantOf(textOf(line.of))),
  }
}

/** Of a statement that names what it answers; of an EXECUTE or a FETCH none. */
const constantOf = (sql: string | undefined): string | undefined => /'(c\d+)'/.exec(sql ?? '')?.[1]
const given = (messages: readonly Message[]): (string | undefined)[] =>
  messages.filter(({ type }) => type === 'D').map(({ payload }) => dataRow(payload)[0]?.toString())
const codes = (messages: readonly Message[]): (string | undefined)[] =>
  messages.filter(({ type }) => type === 'E').map(({ fields }) => fields.C)
const select = (n: number): string => `select 'c${n}'`

for (const version of versions) {
  const asked = async ({ client }: Caller, ...frames: Buffer[]): Promise<Message[]> => {
    client.send(...frames, sync)
    return client.upTo('Z')
  }
  /** Its verdict is known from now on, so that what comes with it goes up in one turn. */
  const known = async (caller: Caller, ...texts: string[]): Promise<void> => {
    for (const sql of texts) await caller.client.query(sql)
  }
  /** Sent at once; the answers of the second batch. */
  const second = async ({ client }: Caller, ...frames: Buffer[]): Promise<Message[]> => {
    client.send(...frames, sync)
    await client.upTo('Z')
    return client.upTo('Z')
  }

  test(`PostgreSQL ${version}: a name that only the gateway forgot is not free`, async () => {
    const caller = await login(version)
    await known(caller, select(0))
    await asked(caller, parse('d', select(1)))
    await known(caller, 'deallocate nosuch', 'prepare zz as select 1')
    const answers = await second(caller, parse('d', select(2)), sync, bind('', 'd'), execute(''))
    assert.deepEqual(codes(answers), ['26000'])
  })

  for (const [what, refused] of [
    ['a query', query('drop table people')],
    ['a Parse', parse('', 'drop table people')],
  ] as const) {
    test(`PostgreSQL ${version}: ${what} that was refused and never sent up dropped no unnamed statement`, async () => {
      const caller = await login(version)
      await known(caller, select(0), 'select nosuchcolumn')
      await asked(caller, parse('', select(1)))
      await asked(caller, refused)
      if (what === 'a query') await caller.client.upTo('Z')
      const swap = [parse('bad', 'select nosuchcolumn'), parse('', select(2)), sync]
      const answers = await second(caller, ...swap, bind('', ''), execute(''))
      assert.deepEqual([codes(answers), given(answers)], [['26000'], []])
    })
  }

  test(`PostgreSQL ${version}: no mask is lost over a name that stands for another statement`, async () => {
    const caller = await login(version)
    const plain = 'select name, name from people'
    await known(caller, 'begin', 'rollback', plain, `prepare q as ${plain}`)
    await asked(caller, parse('e', 'execute q'))
    await known(caller, 'deallocate nosuch', 'prepare zz as select 1')
    caller.client.send(parse('e', plain), sync, query('begin'), bind('P', 'e'), sync)
    for (let i = 0; i < 3; i++) await caller.client.upTo('Z')
    await caller.client.query('deallocate q; prepare q as select email, email from people')
    assert.deepEqual(codes(await asked(caller, execute('P'))), ['34000'])
    assert.ok(!caller.client.received.includes('hidden'))
  })

  test(`PostgreSQL ${version}: what DEALLOCATE made doubtful stays so when a Parse over it is taken back`, async () => {
    const caller = await login(version)
    await known(caller, select(0), 'select nosuchcolumn', 'prepare s as select 1', 'deallocate s')
    await asked(caller, parse('s', select(1)))
    const { client } = caller
    client.send(parse('', 'select nosuchcolumn'), parse('s', select(2)), sync, query('deallocate s'))
    await client.upTo('Z')
    await client.upTo('Z')
    await known(caller, `prepare s as ${select(3)}`)
    assert.deepEqual(codes(await asked(caller, bind('', 's'), execute(''))), ['26000'])
  })

  test(`PostgreSQL ${version}: an EXECUTE in SQL of a parsed PREPARE or DECLARE changes names as they do`, async () => {
    const caller = await login(version)
    await asked(caller, parse('s', select(1)))
    await asked(caller, parse('e1', 'deallocate s'))
    await asked(caller, parse('e2', `prepare s as ${select(2)}`))
    await known(caller, 'execute e1', 'execute e2')
    assert.deepEqual(codes(await asked(caller, bind('', 's'), execute(''))), ['26000'])
    await known(caller, 'begin')
    await asked(caller, parse('', 'select name from people'), bind('p', ''))
    await asked(caller, parse('e3', 'close p'))
    await asked(caller, parse('e4', 'declare p cursor for select email from people'))
    await known(caller, 'execute e3', 'execute e4')
    assert.deepEqual(codes(await asked(caller, execute('p'))), ['34000'])
    assert.ok(!caller.client.received.includes('hidden'))
  })

  test(`PostgreSQL ${version}: a name may be used behind a Sync before it was answered, and waits for that`, async () => {
    const caller = await login(version)
    await known(caller, select(0), 'begin')
    const answers = await second(caller, parse('new', select(1)), bind('p', 'new'), sync, execute('p'))
    assert.deepEqual([codes(answers), given(answers)], [[], ['c1']])
    const failed = await second(caller, parse('new', select(2)), sync, bind('', 'new'), execute(''))
    assert.deepEqual(codes(failed), ['25P02'])
    await known(caller, 'rollback')
    const older = await second(caller, parse('new', select(2)), sync, bind('', 'new'), execute(''))
    assert.deepEqual([codes(older), given(older), caller.recorded().at(-1)], [[], ['c1'], 'c1'])
  })

  test(`PostgreSQL ${version}: what was skipped is taken back from under what came after it`, async () => {
    for (const which of ['s', '']) {
      const caller = await login(version)
      const { client } = caller
      await known(caller, select(0), 'select nosuchcolumn')
      const skipped = (n: number): Buffer[] => [
        parse('bad', 'select nosuchcolumn'),
        parse(which, select(n)),
        sync,
      ]
      const runs = [bind('', which), execute('')]
      client.send(...skipped(1), parse(which, select(2)), sync, ...runs, sync)
      const answers = [await client.upTo('Z'), await client.upTo('Z'), await client.upTo('Z')]
      answers.push(await asked(caller, ...runs))
      assert.deepEqual(answers.map(codes), [['42703'], [], [], []])
      assert.deepEqual(given(answers.flat()), ['c2', 'c2'])
      client.send(...skipped(3), parse(which, select(4)), sync, ...runs, sync)
      const again = [await client.upTo('Z'), await client.upTo('Z'), await client.upTo('Z')]
      // A name that is taken is not given again; the unnamed is.
      assert.deepEqual(again.map(codes), [['42703'], which === '' ? [] : ['42P05'], []])
      assert.deepEqual(given(again.flat()), [which === '' ? 'c4' : 'c2'])
      assert.deepEqual(caller.recorded(), ['c0', 'c2', 'c2', which === '' ? 'c4' : 'c2'])
    }
  })

  test(`PostgreSQL ${version}: random pipelines run what the recording says they ran`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 40 }), async steps => {
        const caller = await login(version)
        const { client } = caller
        await known(caller, select(0), 'select nosuch', 'select 1 / 0', 'begin', 'rollback')
        const before = caller.recorded().length
        const answers: Message[] = []
        let packet: Buffer[] = []
        for (const [nth, make] of [...steps, 'answers' as const].entries()) {
          if (make !== 'answers') packet.push(make(nth + 1))
          else {
            client.send(...packet, sync, ...mark)
            answers.push(...(await marked(client)))
            packet = []
          }
        }
        client.destroy()
        const recorded = caller.recorded().slice(before)
        const rows = given(answers)
        assert.equal(rows.length, recorded.length)
        for (const [nth, constant] of recorded.entries())
          if (constant !== undefined) assert.equal(rows[nth], constant)
      }),
      { numRuns: runs },
    )
  })
}

type Step = ((n: number) => Buffer) | 'answers'
const name = fc.constantFrom('', 's')
const portal = fc.constantFrom('', 'p')
/** `n` is another for each step, and so is what its statement answers. */
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: name.map(of => (n: number) => parse(of, select(n))) },
  { weight: 2, arbitrary: name.map(of => () => parse(of, 'select nosuch')) },
  { weight: 1, arbitrary: name.map(of => () => parse(of, 'drop table people')) },
  { weight: 1, arbitrary: name.map(of => (n: number) => parse(of, `prepare s as ${select(n)}`)) },
  {
    weight: 6,
    arbitrary: fc.tuple(portal, name).map(
      ([of, to]) =>
        () =>
          bind(of, to),
    ),
  },
  { weight: 6, arbitrary: portal.map(of => () => execute(of)) },
  {
    weight: 3,
    arbitrary: name.map(of => (n: number) => {
      const skipped = [parse('bad', 'select nosuch'), parse(of, select(n)), sync]
      return Buffer.concat([...skipped, bind('', of), execute(''), sync])
    }),
  },
  { weight: 1, arbitrary: name.map(of => () => closeStatement(of)) },
  { weight: 1, arbitrary: portal.map(of => () => closePortal(of)) },
  { weight: 6, arbitrary: fc.constant(() => sync) },
  { weight: 4, arbitrary: fc.constant('answers' as const) },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom(
        'begin',
        'rollback',
        'drop table people',
        'select 1 / 0',
        'deallocate nosuch',
        'deallocate s',
        'prepare zz as select 1',
        'execute s',
        'close p',
      )
      .map(sql => () => query(sql)),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('', 'prepare s as ', 'declare p cursor for ', 'deallocate s; prepare s as ')
      .map(before => (n: number) => query(before + select(n))),
  },
)

/** Changes no name that a step uses, runs in a failed transaction too, and is answered as nothing else here is. */
const marks = Array.from({ length: 6 }, (_, n) => `mark${n}`)
const mark = [...marks.map(one => parse(one, '')), ...marks.map(one => closeStatement(one)), sync]
const markShape = /1 1 1 1 1 1 3 3 3 3 3 3 Z$/

async function marked(client: RawClient): Promise<Message[]> {
  const got: Message[] = []
  for (;;) {
    const some = await client.upTo('Z')
    got.push(...some)
    // PostgreSQL 18 itself loses its place behind Parse, Query, Bind, Execute and `deallocate s` in one batch: what comes next fails.
    if (codes(some).includes('XX000')) client.send(...mark)
    if (markShape.test(got.map(({ type }) => type).join(' '))) return got
  }
}
