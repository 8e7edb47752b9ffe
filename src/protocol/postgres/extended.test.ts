import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { type LiveSession, type OpenDoor, openDoor, simpleGuard, slowGuard } from './door.fixture.ts'
import {
  bind,
  closeStatement,
  codes,
  copyData,
  copyDone,
  describePortal,
  describeStatement,
  execute,
  flush,
  type Message,
  parse,
  query,
  RawClient,
  sync,
} from './raw.fixture.ts'

const shapeOf = (messages: readonly Message[]): string => messages.map(message => message.type).join(' ')
const state = (messages: readonly Message[]): string => messages.at(-1)?.payload.toString() ?? ''
const rowsOf = (messages: readonly Message[]): string[] =>
  messages.filter(message => message.type === 'D').map(message => message.payload.subarray(6).toString())

for (const [name, guard] of [
  ['a verdict at once', simpleGuard],
  ['a verdict that takes a while', slowGuard],
] as const) {
  describe(`messages one by one, with ${name}`, () => {
    let home: Home
    let orders: TestOrders
    let door: OpenDoor
    const clients: RawClient[] = []
    const login = async (): Promise<RawClient> => {
      const client = new RawClient(door.port)
      clients.push(client)
      await client.login(door.grant, door.password, { database: 'orders' })
      return client
    }
    before(async () => {
      home = await openHome()
      orders = await startPostgres(home)
      await orders.run(
        'orders',
        'create table scratch(id int primary key, note text); grant all on scratch to app_ro',
      )
      door = await openDoor({
        target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
        lease: { user: 'app_ro', password: orders.passwords.ro },
        guard,
      })
    })
    after(async () => {
      for (const client of clients) client.destroy()
      await door?.close()
      await home?.close()
    })

    test('a refused simple query is an error and a ready, and the next one runs', async () => {
      const client = await login()
      const refused = await client.query('select forbidden')
      assert.equal(shapeOf(refused), 'E Z')
      assert.deepEqual(codes(refused), ['42501'])
      assert.equal(state(refused), 'I')
      assert.match(refused[0]?.fields.D ?? '', new RegExp(`^grant ${door.grant}, correlation s_\\d+/\\d+$`))
      assert.equal(shapeOf(await client.query('select 1')), 'T D C Z')
    })

    test('a refusal inside a transaction fails it, in the server as for the client', async () => {
      const client = await login()
      assert.equal(state(await client.query('begin')), 'T')
      await client.query("insert into scratch values (1, 'lost')")
      const refused = await client.query('forbidden')
      assert.deepEqual(codes(refused), ['42501'])
      assert.equal(state(refused), 'E')
      assert.deepEqual(codes(await client.query('select 1')), ['25P02'])
      const commit = await client.query('commit')
      assert.equal(commit[0]?.payload.toString(), 'ROLLBACK\0')
      assert.equal(shapeOf(await client.query('select id from scratch where id = 1')), 'T C Z')
    })

    test('refusals that are pipelined among good queries are answered in their place', async () => {
      const client = await login()
      client.send(
        query('select 1'),
        query('select forbidden'),
        query('select 2'),
        query('forbidden'),
        query('select 3'),
      )
      const all: string[] = []
      for (let i = 0; i < 5; i++) all.push(await client.shape())
      assert.deepEqual(all, ['T D C Z', 'E Z', 'T D C Z', 'E Z', 'T D C Z'])
    })

    test('after a refused Parse everything up to Sync is skipped, once and in step', async () => {
      const client = await login()
      client.send(
        parse('', 'forbidden'),
        bind('', ''),
        execute(''),
        parse('', 'select 1'),
        bind('', ''),
        execute(''),
        sync,
      )
      const answers = await client.upTo('Z')
      assert.equal(shapeOf(answers), 'E Z')
      assert.equal(state(answers), 'I')
      client.send(parse('', 'select 2'), bind('', ''), execute(''), sync)
      assert.equal(await client.shape(), '1 2 D C Z')
    })

    test('a Parse refused behind good messages undoes them, as an error of the server would', async () => {
      const client = await login()
      client.send(
        parse('', "insert into scratch values (2, 'implicit transaction')"),
        bind('', ''),
        execute(''),
        parse('', 'forbidden'),
        bind('', ''),
        execute(''),
        sync,
      )
      assert.equal(await client.shape(), '1 2 C E Z')
      const count = await client.query('select id from scratch where id = 2')
      assert.equal(shapeOf(count), 'T C Z')
    })

    test('a refused Parse leaves no statement behind, neither its own nor an older unnamed one', async () => {
      const client = await login()
      client.send(parse('', 'select 1'), sync)
      assert.equal(await client.shape(), '1 Z')
      client.send(parse('', 'forbidden'), sync)
      assert.equal(await client.shape(), 'E Z')
      client.send(bind('', ''), execute(''), sync)
      const answers = await client.upTo('Z')
      assert.deepEqual(codes(answers), ['26000'])
    })

    test('a Parse that the server refuses leaves the older statement of that name, and its record', async () => {
      const client = await login()
      client.send(parse('s', 'select 11'), sync, parse('s', 'select 22'), sync)
      assert.equal(await client.shape(), '1 Z')
      assert.deepEqual(codes(await client.upTo('Z')), ['42P05'])
      client.send(bind('', 's'), execute(''), sync)
      const answers = await client.upTo('Z')
      assert.equal(rowsOf(answers).join().endsWith('11'), true)
      const last = door.sessions.at(-1)?.recorder.statements().at(-1)
      assert.equal(last, 'select 11')
    })

    test('names that were closed, and portals that were never bound, cannot be used', async () => {
      const client = await login()
      client.send(parse('c', 'select 1'), closeStatement('c'), bind('', 'c'), sync)
      assert.deepEqual(codes(await client.upTo('Z')), ['26000'])
      client.send(execute('nobody'), sync)
      assert.deepEqual(codes(await client.upTo('Z')), ['34000'])
      client.send(describePortal('nobody'), sync)
      assert.deepEqual(codes(await client.upTo('Z')), ['34000'])
      client.send(describeStatement('nobody'), sync)
      assert.deepEqual(codes(await client.upTo('Z')), ['26000'])
    })

    test('a cursor that SQL declared is no portal for Execute', async () => {
      const client = await login()
      client.send(query('begin'), query('declare c cursor for select 1'))
      await client.upTo('Z')
      await client.upTo('Z')
      client.send(execute('c'), sync)
      const answers = await client.upTo('Z')
      assert.deepEqual(codes(answers), ['34000'])
      assert.equal(state(answers), 'E')
    })

    test('portals are suspended and resumed, and Flush brings what is there', async () => {
      const client = await login()
      client.send(parse('', 'select generate_series(1, 5)'), bind('p', ''), execute('p', 2), flush)
      assert.equal(await client.shape('s'), '1 2 D D s')
      client.send(execute('p', 2), execute('p', 2), sync)
      assert.equal(await client.shape(), 'D D s D C Z')
    })

    test('errors of the server keep both sides in step until Sync', async () => {
      const client = await login()
      client.send(
        parse('', 'select 1/0'),
        bind('', ''),
        execute(''),
        parse('x', 'select 1'),
        bind('', 'x'),
        execute(''),
        sync,
      )
      const first = await client.upTo('Z')
      assert.deepEqual(codes(first), ['22012'])
      client.send(bind('', 'x'), execute(''), sync)
      assert.deepEqual(codes(await client.upTo('Z')), ['26000'])
      client.send(parse('', 'select nothing_there'), flush)
      assert.equal((await client.upTo('E')).at(-1)?.fields.C, '42703')
      client.send(bind('', ''), query('select 1'), sync)
      assert.equal(await client.shape(), 'Z')
      assert.equal(shapeOf(await client.query('select 1')), 'T D C Z')
    })

    test('the parameters of each Bind are recorded, and one Parse serves many', async () => {
      const client = await login()
      client.send(parse('p', 'select $1::text'), sync)
      await client.upTo('Z')
      client.send(bind('', 'p', ['one']), execute(''), bind('', 'p', ['two']), execute(''), sync)
      assert.equal(await client.shape(), '2 D C 2 D C Z')
      const lines = door.sessions.at(-1)?.recorder.lines ?? []
      const bound = lines
        .filter(line => line.parameters !== undefined)
        .map(line => line.parameters?.toString('latin1'))
      assert.equal(bound.length, 2)
      assert.match(bound[0] ?? '', /one/)
      assert.match(bound[1] ?? '', /two/)
    })

    test('parameters too long for the record of their statement are a stream of the recording, whole', async () => {
      const client = await login()
      client.send(parse('p', 'select length($1::text)'), sync)
      await client.upTo('Z')
      const { recorder } = door.sessions.at(-1) as LiveSession
      for (const size of [8 * 1024 - 30, 8 * 1024, 3_000_000]) {
        const value = `${'x'.repeat(size - 3)}end`
        const whole = Buffer.concat([
          bind('', 'p', [value]),
          execute(''),
          bind('', 'p', ['short']),
          execute(''),
          sync,
        ])
        recorder.lines.length = 0
        for (let at = 0; at < whole.length; at += 700_001) {
          client.send(whole.subarray(at, at + 700_001))
          await sleep(2)
        }
        const messages = await client.upTo('Z')
        assert.deepEqual(rowsOf(messages), [String(size), '5'])
        const [long, short] = recorder.lines.filter(line => line.parameters !== undefined)
        // A format, a count, a length; the value; a format.
        const parameters = bind('', 'p', [value]).subarray(1 + 4 + 1 + 2)
        assert.deepEqual(long?.parameters, parameters)
        assert.equal(long?.type, size < 8 * 1024 ? 'statement' : 'input')
        assert.match(short?.parameters?.toString('latin1') ?? '', /short/)
      }
    })

    test('COPY FROM STDIN goes through, by both protocols', async () => {
      const client = await login()
      client.send(query('copy scratch from stdin'))
      assert.equal(await client.shape('G'), 'G')
      client.send(copyData('10\tten\n'), copyData('11\televen\n'), copyDone)
      assert.equal(await client.shape(), 'C Z')
      client.send(parse('', 'copy scratch from stdin'), bind('', ''), execute(''), sync)
      assert.equal(await client.shape('G'), '1 2 G')
      client.send(copyData('12\ttwelve\n'), sync, copyDone, sync)
      assert.equal(await client.shape(), 'C Z')
      const rows = await client.query('select id from scratch where id between 10 and 12')
      assert.equal(rowsOf(rows).length, 3)
    })

    test('what a COPY FROM STDIN wrote is recorded: rows, bytes and their digest, however they were cut', async () => {
      const client = await login()
      const results = () => door.sessions.at(-1)?.recorder.results() ?? []
      const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
      const long = `31\t${'x'.repeat(300_000)}\n`
      client.send(query('copy scratch from stdin'), copyData('30\tthirty\n'))
      await client.upTo('G')
      client.send(copyData(long.slice(0, 10)), copyData(long.slice(10)), copyDone)
      assert.equal(await client.shape(), 'C Z')
      const all = `30\tthirty\n${long}`
      const [{ rows, bytes, digest, tag } = {}] = results()
      assert.deepEqual([rows, bytes, digest, tag], [2, all.length, sha256(all), 'COPY 2'])
      client.send(query('copy scratch from stdin'))
      await client.upTo('G')
      client.send(copyData('not a number\tx\n'), copyDone)
      await client.upTo('Z')
      const failed = results()[1]
      assert.deepEqual([failed?.rows, failed?.digest], [0, sha256('not a number\tx\n')])
      await client.query('select 1')
      assert.notEqual(results()[2]?.digest, failed?.digest)
    })

    test('rows that the server does not take for a while arrive as they were sent', async () => {
      const client = await login()
      const rows = Array.from({ length: 6000 }, (_, n) => `${n + 1000}\t${String(n).repeat(1 + (n % 400))}\n`)
      client.send(query('copy scratch from stdin'))
      await client.upTo('G')
      const { rows: backends } = await orders.run(
        'orders',
        "select pid from pg_stat_activity where query = 'copy scratch from stdin' and state = 'active'",
      )
      const pid = Number(backends[0]?.pid)
      // Its socket fills, writes stay half done, and what is read meanwhile must not be put over them.
      process.kill(pid, 'SIGSTOP')
      try {
        for (let at = 0; at < rows.length; at += 7) {
          client.send(...rows.slice(at, at + 7).map(copyData))
          if (at % 70 === 0) await sleep(1)
        }
        await sleep(200)
      } finally {
        process.kill(pid, 'SIGCONT')
      }
      client.send(copyDone)
      assert.equal(await client.shape(), 'C Z')
      const stored = await orders.run('orders', 'select * from scratch where id >= 1000 order by id')
      assert.deepEqual(
        stored.rows.map(row => `${Object.values(row).join('\t')}\n`),
        rows,
      )
    })

    test('what a client still sends after a COPY failed is ignored, and the session goes on', async () => {
      const client = await login()
      client.send(query('copy scratch from stdin'))
      await client.upTo('G')
      client.send(copyData('not a number\tx\n'), copyDone)
      assert.deepEqual(codes(await client.upTo('Z')), ['22P02'])
      assert.equal(shapeOf(await client.query('select 1')), 'T D C Z')
    })

    test('rows sent behind a COPY at once wait for its answer, and arrive', async () => {
      const client = await login()
      const big = copyData('x'.repeat(200_000))
      client.send(query('copy scratch from stdin'), copyData('20\tearly\n'), copyData('21\t'), big)
      client.send(copyData('\n'), copyDone, query('select count(*) from scratch where id in (20, 21)'))
      assert.equal(await client.shape(), 'G C Z')
      const [count] = rowsOf(await client.upTo('Z'))
      assert.equal(count, '2')
    })

    test('rows sent behind a COPY that is refused or fails are ignored, byte by byte too, and the session goes on', async () => {
      const client = await login()
      const rows = Buffer.concat([copyData('1\tx\n'), copyDone])
      for (const [sql, code] of [
        ['copy forbidden from stdin', '42501'],
        ['copy scratch_that_is_not from stdin', '42P01'],
      ] as const) {
        client.send(query(sql), rows)
        assert.deepEqual(codes(await client.upTo('Z')), [code])
        assert.equal(shapeOf(await client.query('select 1')), 'T D C Z')
        for (const byte of Buffer.concat([query(sql), rows])) client.send(Uint8Array.of(byte))
        assert.deepEqual(codes(await client.upTo('Z')), [code])
        assert.equal(shapeOf(await client.query('select 1')), 'T D C Z')
      }
    })

    test('CopyData behind a statement that is no COPY ends the session', async () => {
      const client = await login()
      client.send(query('select 1'), copyData('x'))
      const fatal = (await client.rest()).find(message => message.type === 'E')
      assert.equal(fatal?.fields.C, '08P01')
    })

    test('a statement pipelined behind COPY FROM STDIN ends the session: the server would never answer it', async () => {
      const client = await login()
      client.send(query('copy scratch from stdin'), query('select 1'))
      const [fatal] = (await client.rest()).filter(message => message.type === 'E')
      assert.equal(fatal?.fields.C, '08P01')
    })

    test('COPY TO STDOUT goes through and is counted', async () => {
      const client = await login()
      const answers = await client.query('copy (select generate_series(1, 3)) to stdout')
      assert.equal(shapeOf(answers), 'H d d d c C Z')
      assert.equal(door.sessions.at(-1)?.recorder.results().at(-1)?.rows, 3)
    })

    test('a message byte by byte is one message', async () => {
      const client = await login()
      for (const byte of query('select 42')) {
        client.send(Uint8Array.of(byte))
        await new Promise(resolve => setImmediate(resolve))
      }
      assert.equal(await client.shape(), 'T D C Z')
    })

    test('FunctionCall is refused and the session goes on', async () => {
      const client = await login()
      client.send(Buffer.from([0x46, 0, 0, 0, 14, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
      const answers = await client.upTo('Z')
      assert.deepEqual(codes(answers), ['42501'])
      assert.equal(shapeOf(await client.query('select 1')), 'T D C Z')
    })

    for (const [what, bytes] of [
      ['an unknown type', Buffer.from([0x7a, 0, 0, 0, 4])],
      ["a server's message", Buffer.from([0x5a, 0, 0, 0, 5, 0x49])],
      ['a password in mid-session', Buffer.from([0x70, 0, 0, 0, 6, 0x61, 0])],
      ['CopyData without a COPY', copyData('x')],
      ['length 0', Buffer.from([0x51, 0, 0, 0, 0])],
      ['length 3', Buffer.from([0x51, 0, 0, 0, 3])],
      ['a negative length', Buffer.from([0x51, 0xff, 0xff, 0xff, 0xff])],
      ['length 2^31-1', Buffer.from([0x50, 0x7f, 0xff, 0xff, 0xff])],
      ['a Bind of a GiB', Buffer.from([0x42, 0x40, 0, 0, 0])],
      ['a Query without its NUL', Buffer.from([0x51, 0, 0, 0, 6, 0x61, 0x62])],
      ['a NUL inside a Query', query('select 1\0; drop table x')],
      ['a Parse that lies about its parameters', Buffer.from([0x50, 0, 0, 0, 10, 0, 0x61, 0, 0, 9, 0])],
      ['a second startup packet', Buffer.from([0, 0, 0, 9, 0, 3, 0, 0, 0])],
    ] as const) {
      test(`${what} ends the session with 08P01 and nothing of it reaches the server`, async () => {
        const client = await login()
        client.send(bytes)
        const [fatal] = await client.rest()
        assert.equal(fatal?.fields.S, 'FATAL')
        assert.equal(fatal?.fields.C, '08P01')
        assert.deepEqual(door.sessions.at(-1)?.recorder.statements().slice(1), [])
      })
    }
  })
}
