import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { type Doorway, type OpenDoor, openDoor } from './door.fixture.ts'
import { bind, describePortal, execute, flush, parse, query, RawClient, sync } from './raw.fixture.ts'
import { dataRow } from './wire.ts'

const text = (payload: Buffer): (string | null)[] => dataRow(payload).map(value => value?.toString() ?? null)

describe('what leaves: max_rows and masks', () => {
  let home: Home
  let orders: TestOrders
  const doors: OpenDoor[] = []
  const clients: RawClient[] = []
  before(async () => {
    home = await openHome()
    orders = await startPostgres(home)
    await orders.run(
      'orders',
      `create table people(id int, email text, born date, code char(5)) partition by range (id);
       create table people_1 partition of people for values from (0) to (100);
       insert into people values (1, 'ann@example.com', '2000-01-01', 'abc'), (2, 'bob@example.com', null, null), (3, 'x', '1999-12-31', 'z');
       grant all on people, people_1 to app_ro`,
    )
  })
  after(async () => {
    for (const client of clients) client.destroy()
    for (const door of doors) await door.close()
    await home?.close()
  })
  const enter = async (scope: Doorway['scope']): Promise<{ client: RawClient; door: OpenDoor }> => {
    const door = await openDoor({
      target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
      lease: { user: 'app_ro', password: orders.passwords.ro },
      scope: scope ?? {},
    })
    doors.push(door)
    const client = new RawClient(door.port)
    clients.push(client)
    await client.login(door.grant, door.password, { database: 'orders' })
    return { client, door }
  }
  const results = (door: OpenDoor) => door.sessions.at(-1)?.recorder.results() ?? []
  const masks = {
    mask: [
      { column: 'public.people.email', with: 'partial' },
      { column: 'public.people.born', with: 'full' },
      { column: 'public.people.code', with: 'full' },
    ],
  } as const

  test('rows above max_rows are dropped, a notice says so, the tag says what was sent, the recording the truth', async () => {
    const { client, door } = await enter({ max_rows: 3 })
    const answers = await client.query('select id from orders order by id')
    assert.equal(answers.map(message => message.type).join(' '), 'T D D D N C Z')
    assert.equal(answers.find(message => message.type === 'C')?.payload.toString(), 'SELECT 3\0')
    const [result] = results(door)
    assert.deepEqual([result?.rows, result?.tag, result?.truncated], [3, 'SELECT 5000', true])
    assert.equal((await client.query('select 1')).map(message => message.type).join(' '), 'T D C Z')
  })

  test('where max_bytes cuts says nothing of what is masked', async () => {
    const { client } = await enter({ ...masks, max_bytes: 2000 })
    const given = async (id: number) =>
      (await client.query(`select born, code from people, generate_series(1, 500) where id = ${id}`)).filter(
        ({ type }) => type === 'D',
      ).length
    // Of the values 10 and 5 bytes, 10 and 5; the bound way counts as this one does.
    assert.equal(await given(1), await given(3))
    const rows = []
    for (const id of [1, 3]) {
      client.send(
        parse('', `select email from people, generate_series(1, 500) where id = ${id}`),
        bind('', ''),
        execute(''),
        sync,
      )
      rows.push((await client.upTo('Z')).filter(({ type }) => type === 'D'))
    }
    for (const each of rows) {
      const length = 5 + (each[0]?.payload.length ?? 0)
      assert.equal(each.length, Math.floor(2000 / length))
    }
  })

  test('rows without columns are rows, also in a binary COPY', async () => {
    const { client, door } = await enter({ max_rows: 3 })
    for (const format of ['text', 'binary']) {
      const answers = await client.query(
        `copy (select from generate_series(1, 9)) to stdout (format ${format})`,
      )
      assert.equal(answers.find(({ type }) => type === 'C')?.payload.toString(), 'COPY 3\0', format)
      assert.equal(results(door).at(-1)?.rows, 3)
    }
    // What ends a binary COPY is none: all three come, and it is whole.
    const whole = await client.query('copy (select from generate_series(1, 3)) to stdout (format binary)')
    assert.ok(!whole.some(({ type }) => type === 'N'))
    assert.equal(
      whole
        .filter(({ type }) => type === 'd')
        .at(-1)
        ?.payload.toString('hex'),
      'ffff',
    )
  })

  test('each statement of a string, and all Executes of a portal together, have max_rows', async () => {
    const { client } = await enter({ max_rows: 3 })
    client.send(query('select generate_series(1, 5); select generate_series(1, 2)'))
    assert.equal(await client.shape(), 'T D D D N C T D D C Z')
    client.send(
      parse('', 'select generate_series(1, 6)'),
      bind('', ''),
      execute('', 2),
      execute('', 2),
      execute(''),
      sync,
    )
    assert.equal(await client.shape(), '1 2 D D s D s N C Z')
  })

  test('COPY TO STDOUT has max_rows too, and the end of a binary one stays', async () => {
    const { client } = await enter({ max_rows: 2 })
    client.send(query('copy (select generate_series(1, 5)) to stdout'))
    assert.equal(await client.shape(), 'H d d c N C Z')
    client.send(query('copy (select generate_series(1, 5)) to stdout (format binary)'))
    const answers = await client.upTo('Z')
    assert.deepEqual(
      answers.filter(message => message.type === 'd').at(-1)?.payload,
      Buffer.from([0xff, 0xff]),
    )
  })

  test('masked columns leave masked by both protocols, whatever they are called', async () => {
    const { client } = await enter(masks)
    const simple = await client.query('select email as e, id, born, code from people order by id')
    const rows = simple.filter(message => message.type === 'D').map(message => text(message.payload))
    assert.deepEqual(rows, [
      ['a***@example.com', '1', null, '***'],
      ['b***@example.com', '2', null, null],
      ['***', '3', null, '***'],
    ])
    client.send(parse('', 'select email from people order by id'), bind('', ''), execute(''), sync)
    const extended = await client.upTo('Z')
    assert.equal(extended.map(message => message.type).join(' '), '1 2 D D D C Z')
    assert.deepEqual(text(extended.find(message => message.type === 'D')?.payload ?? Buffer.alloc(2)), [
      'a***@example.com',
    ])
  })

  test('a client that describes gets its own description, and only its own', async () => {
    const { client } = await enter(masks)
    client.send(parse('', 'select email from people'), bind('', ''), describePortal(''), execute('', 1), sync)
    assert.equal(await client.shape(), '1 2 T D s Z')
    client.send(parse('', 'begin'), bind('', ''), execute(''), flush)
    assert.equal(await client.shape('C'), '1 2 C')
  })

  test('a partition read by its own name is masked as its parent', async () => {
    const { client } = await enter(masks)
    const answers = await client.query('select email from people_1 where id = 1')
    assert.deepEqual(text(answers.find(message => message.type === 'D')?.payload ?? Buffer.alloc(2)), [
      'a***@example.com',
    ])
    assert.equal(client.received.includes('ann@'), false)
  })

  test('a cursor gives masked rows too', async () => {
    const { client } = await enter(masks)
    await client.query('begin')
    await client.query('declare c cursor for select email from people order by id')
    const answers = await client.query('fetch all from c')
    assert.deepEqual(text(answers.find(message => message.type === 'D')?.payload ?? Buffer.alloc(2)), [
      'a***@example.com',
    ])
  })

  test('a mask on a column that does not exist opens no session', async () => {
    const door = await openDoor({
      target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
      lease: { user: 'app_ro', password: orders.passwords.ro },
      scope: { mask: [{ column: 'public.people.nothing', with: 'full' }] },
    })
    doors.push(door)
    const client = new RawClient(door.port)
    clients.push(client)
    await assert.rejects(client.login(door.grant, door.password, { database: 'orders' }), /FATAL 08004/)
    assert.match(door.refused[0]?.denial.detail ?? '', /public\.people\.nothing/)
  })

  test('a read scope is read-only in the server as well, and stays so after RESET ALL', async () => {
    const { client } = await enter({ statements: ['select'] })
    const write = await client.query("insert into people values (5, 'x', null, null)")
    assert.equal(write[0]?.fields.C, '25006')
    await client.query('reset all')
    const again = await client.query("insert into people values (5, 'x', null, null)")
    assert.equal(again[0]?.fields.C, '25006')
    const path = await client.query('show search_path')
    assert.deepEqual(text(path[1]?.payload ?? Buffer.alloc(2)), ['pg_catalog, public, pg_temp'])
  })

  test('a setting that would change how statements are read ends the session', async () => {
    for (const change of ["set client_encoding = 'latin1'", 'set standard_conforming_strings = off']) {
      const { client } = await enter({})
      client.send(query(change))
      const fatal = (await client.rest()).find(message => message.type === 'E')
      assert.equal(fatal?.fields.S, 'FATAL')
    }
  })

  test('statement_timeout of the scope holds in the server', async () => {
    const { client } = await enter({ statement_timeout: 50 })
    const answers = await client.query('select pg_sleep(5)')
    assert.equal(answers.find(message => message.type === 'E')?.fields.C, '57014')
  })
})
