/** `max_bytes`, `statements_per_second`, `idle_timeout`, `transaction_timeout` over the wire, against a real server. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { type Doorway, type OpenDoor, openDoor } from './door.fixture.ts'
import { bind, copyData, execute, flush, parse, query, RawClient, sync } from './raw.fixture.ts'

let home: Home
let orders: TestOrders
const doors: OpenDoor[] = []
const clients: RawClient[] = []
before(async () => {
  home = await openHome()
  orders = await startPostgres(home)
  await orders.run('orders', 'create table scratch(id int); grant all on scratch to app_ro')
})
after(async () => {
  for (const client of clients) client.destroy()
  for (const door of doors) await door.close()
  await home?.close()
})

async function enter(scope: Doorway['scope']): Promise<{ client: RawClient; door: OpenDoor }> {
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

test('rows above max_bytes are dropped, also smaller ones after; a notice says so', async () => {
  const { client, door } = await enter({ max_bytes: 350 })
  const rows = "select repeat('x', case when n = 4 then 1000 else 90 end) from generate_series(1, 6) n"
  client.send(query(rows))
  assert.equal(await client.shape(), 'T D D D N C Z')
  client.send(parse('', rows), bind('', ''), execute('', 2), execute('', 2), execute(''), sync)
  const answers = await client.upTo('Z')
  assert.equal(answers.map(({ type }) => type).join(' '), '1 2 D D s D s N C Z')
  assert.match(
    answers.find(({ type }) => type === 'N')?.fields.M ?? '',
    /the result was cut \(max_bytes: 350\)/,
  )
  client.send(query(`copy (${rows}) to stdout`))
  assert.equal(await client.shape(), 'H d d d c N C Z')
  assert.ok(
    door.sessions[0]?.recorder
      .results()
      .slice(0, 1)
      .every(({ truncated }) => truncated),
  )
})

test('a client that sends more statements than it may is slowed, in both protocols, and loses none', async () => {
  const { client } = await enter({ statements_per_second: 20 })
  const since = performance.now()
  client.send(...Array.from({ length: 25 }, (_, i) => query(`select ${i}`)))
  for (let i = 0; i < 25; i++) {
    const answers = await client.upTo('Z')
    assert.equal(
      answers
        .find(({ type }) => type === 'D')
        ?.payload.subarray(6)
        .toString(),
      String(i),
    )
  }
  client.send(parse('s', 'select $1::text'))
  for (let i = 0; i < 10; i++) client.send(bind('', 's', [String(i)]), execute(''))
  client.send(query('select forbidden'), sync)
  const all = await client.upTo('Z')
  assert.equal(all.filter(({ type }) => type === 'D').length, 10)
  assert.ok(performance.now() - since >= 700)
})

test('an idle session is told so and ended, a busy one is not', async () => {
  const { client, door } = await enter({ idle_timeout: 400 })
  assert.equal((await client.query('select pg_sleep(0.9)')).at(-1)?.type, 'Z')
  assert.ok(!door.sessions[0]?.signal.aborted)
  const [last] = await client.rest()
  assert.deepEqual([last?.fields.S, last?.fields.C], ['FATAL', '57P05'])
  assert.match(last?.fields.M ?? '', /idle for 400 ms/)
  assert.equal(door.sessions[0]?.ending?.why, 'idle')
})

test('a session is idle though it ended with a Flush, or without a Sync', async () => {
  const waiting: readonly (readonly Buffer[])[] = [
    [flush],
    [parse('', 'select 1'), flush],
    [parse('', 'begin'), bind('', ''), execute(''), flush],
    [parse('', 'select nosuch'), flush],
    [query('select 1'), flush],
  ]
  await Promise.all(
    waiting.map(async frames => {
      const { client, door } = await enter({ idle_timeout: 400 })
      client.send(...frames)
      assert.equal((await client.rest()).at(-1)?.fields.C, '57P05')
      assert.equal(door.sessions[0]?.ending?.why, 'idle')
    }),
  )
})

test('a COPY that waits for the rows of a silent client is idle, and one that gets them is not', async () => {
  const { client, door } = await enter({ idle_timeout: 800 })
  client.send(query('copy scratch from stdin'))
  await client.upTo('G')
  for (let n = 0; n < 6; n++) {
    client.send(copyData(`${n}\n`))
    await sleep(200)
  }
  assert.ok(!door.sessions[0]?.signal.aborted)
  assert.equal((await client.rest()).at(-1)?.fields.C, '57P05')
})

test('a transaction that lasts too long ends its session, however it was opened', async () => {
  const open: readonly ((client: RawClient) => void)[] = [
    client => client.send(query('begin; select 1')),
    client => client.send(query('select pg_sleep(20)')),
    client => client.send(parse('', 'select 1'), bind('', ''), execute(''), flush),
  ]
  for (const begin of open) {
    const { client, door } = await enter({ transaction_timeout: 300 })
    begin(client)
    const last = (await client.rest()).at(-1)
    assert.deepEqual([last?.fields.S, last?.fields.C], ['FATAL', '54000'])
    assert.match(last?.fields.M ?? '', /open for longer than 300 ms/)
    assert.equal(door.sessions[0]?.ending?.why, 'limit_exceeded')
  }
  const { client } = await enter({ transaction_timeout: 600 })
  for (let i = 0; i < 4; i++) await client.query('begin; select pg_sleep(0.2); commit')
  assert.equal((await client.query('select 1')).at(-1)?.type, 'Z')
})
