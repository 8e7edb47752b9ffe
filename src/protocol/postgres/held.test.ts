/** What one session may make the gateway hold: texts of statements under names, and answers that nobody takes. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { type LiveSession, type OpenDoor, openDoor } from './door.fixture.ts'
import { bind, closePortal, closeStatement, parse, query, RawClient, sync } from './raw.fixture.ts'

let home: Home
let orders: TestOrders
let door: OpenDoor
const clients: RawClient[] = []
before(async () => {
  home = await openHome()
  orders = await startPostgres(home)
  door = await openDoor({
    target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
    lease: { user: 'app_ro', password: orders.passwords.ro },
  })
})
after(async () => {
  for (const client of clients) client.destroy()
  await door?.close()
  await home?.close()
})

async function enter(): Promise<{ client: RawClient; session: LiveSession }> {
  const client = new RawClient(door.port)
  clients.push(client)
  await client.login(door.grant, door.password, { database: 'orders' })
  return { client, session: door.sessions.at(-1) ?? assert.fail() }
}

const long = `select '${'x'.repeat(256 * 1024 - 20)}'`
const most = (8 * 1024 * 1024) / long.length

test('texts held under names are bounded together, and given free by Close', async () => {
  const { client } = await enter()
  const code = async (...frames: Buffer[]): Promise<string | undefined> => {
    client.send(...frames, sync)
    return (await client.upTo('Z')).find(({ type }) => type === 'E')?.fields.C
  }
  for (let n = 0; n < most; n++) assert.equal(await code(parse(`s${n}`, long)), undefined, `${n}`)
  assert.equal(await code(parse('more', 'select 1')), '54000')
  // What is not held by name goes on.
  assert.equal(await code(parse('', long), bind('', '')), undefined)
  assert.equal(await code(closeStatement('s1'), parse('more', 'select 1')), undefined)
  await client.query('begin')
  for (let n = 0; n < most; n++) assert.equal(await code(parse('', long), bind(`p${n}`, '')), undefined)
  assert.equal(await code(closePortal('p1'), bind('p1', ''), bind('', '')), undefined)
  assert.equal(await code(bind('more', '')), '54000')
  await client.query('rollback')
  await client.query('begin')
  assert.equal(await code(parse('', long), bind('more', '')), undefined)
})

const refused = [
  ['queries', query('select forbidden')],
  ['Parses', Buffer.concat([parse('', 'select forbidden'), sync])],
] as const

for (const [what, frame] of refused) {
  test(`a client that does not read the refusals of its ${what} is not read either, and loses none`, async () => {
    const { client, session } = await enter()
    const count = 60_000
    client.socket.pause()
    client.send(...Array.from({ length: count }, () => frame))
    await quiet(session)
    const taken = session.recorder.lines.length
    assert.ok(taken < count, `${taken}`)
    client.socket.resume()
    let answered = 0
    while (answered < count) if ((await client.next()).type === 'Z') answered++
    assert.equal(session.ending, null)
  })
}

test('nor may it take its time for ever', async t => {
  const { client, session } = await enter()
  client.socket.pause()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  client.send(...Array.from({ length: 60_000 }, () => query('select forbidden')))
  await quiet(session)
  assert.ok(!session.signal.aborted)
  t.mock.timers.tick(121_000)
  assert.equal(session.ending?.why, 'limit_exceeded')
})

/** Nothing more is taken of what the client has sent. */
async function quiet({ recorder }: LiveSession): Promise<void> {
  let before = -1
  while (recorder.lines.length !== before) {
    before = recorder.lines.length
    for (let i = 0; i < 500; i++) await turn()
  }
}
