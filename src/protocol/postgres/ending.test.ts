import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { until } from '../../../test/fixtures/run.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { endingOf } from '../../ending.ts'
import { RecordingLost } from '../../recording/record.ts'
import { type LiveSession, type OpenDoor, openDoor } from './door.fixture.ts'
import { bind, execute, parse, query, RawClient, sync, terminate } from './raw.fixture.ts'
import { int32 } from './wire.ts'

const expired = endingOf({
  id: 'g_x',
  state: 'expired',
  ending: "it expired at 2026-03-01T12:00:05Z (the rule's 10m)",
})

describe('how a session ends', () => {
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
  const enter = async (): Promise<{ client: RawClient; session: LiveSession; key: Buffer }> => {
    const client = new RawClient(door.port)
    clients.push(client)
    const ready = await client.login(door.grant, door.password, { database: 'orders' })
    const session = door.sessions.at(-1)
    assert.ok(session)
    return { client, session, key: ready.find(message => message.type === 'K')?.payload ?? Buffer.alloc(0) }
  }
  const nobodyUpstream = (): Promise<unknown> =>
    until('no upstream session', async () => (await orders.activity()).length === 0, 3000)
  const running = (sql: string): Promise<unknown> =>
    until(`${sql} runs`, async () =>
      (await orders.activity()).some(one => one.state === 'active' && one.query.includes(sql)),
    )

  test('a cut tells the client why with FATAL 57P01, and what ran upstream is gone', async () => {
    const { client, session } = await enter()
    client.send(query('select pg_sleep(60)'))
    await running('pg_sleep')
    await session.end(expired)
    const [fatal] = (await client.rest()).filter(message => message.fields.S === 'FATAL')
    assert.equal(fatal?.fields.C, '57P01')
    assert.equal(fatal?.fields.M, `postern: ${expired.text}`)
    await nobodyUpstream()
  })

  test('an idle session is cut as well', async () => {
    const { client, session } = await enter()
    await session.end(expired)
    assert.equal((await client.rest()).at(-1)?.fields.C, '57P01')
    await nobodyUpstream()
  })

  test('a cut in the middle of a stream of rows still ends in one whole message', async () => {
    const { client, session } = await enter()
    client.send(query("select repeat('x', 100000) from generate_series(1, 100000)"))
    await until('rows come', () => client.messages.length > 20)
    await session.end(expired)
    const last = (await client.rest()).at(-1)
    assert.equal(last?.type, 'E')
    assert.equal(last?.fields.C, '57P01')
    await nobodyUpstream()
  })

  test('a client that reads nothing is cut all the same, and the gateway holds little of what it did not read', async () => {
    const { client, session } = await enter()
    const before = process.memoryUsage().arrayBuffers
    client.socket.pause()
    client.send(query("select repeat('x', 1000) from generate_series(1, 1000000)"))
    await running('generate_series')
    await new Promise(resolve => setTimeout(resolve, 300))
    assert.ok(process.memoryUsage().arrayBuffers - before < 32 * 1024 * 1024)
    await session.end(expired)
    client.destroy()
    await nobodyUpstream()
  })

  test('a client that leaves takes its running statement with it', async () => {
    const { client } = await enter()
    client.send(query('select pg_sleep(61)'))
    await running('pg_sleep(61)')
    client.destroy()
    await nobodyUpstream()
  })

  test('Terminate ends the session as the client wished', async () => {
    const { client, session } = await enter()
    client.send(terminate)
    await until('the session is over', () => session.ending)
    assert.equal(session.ending?.why, 'client_closed')
    await nobodyUpstream()
  })

  test('a cancel request with our key stops the statement, any other is silent', async () => {
    const { client, key } = await enter()
    client.send(query('select pg_sleep(62)'))
    await running('pg_sleep(62)')
    const cancel = async (bytes: Buffer): Promise<Buffer> => {
      const other = new RawClient(door.port)
      clients.push(other)
      other.send(int32(8 + bytes.length), int32(80877102), bytes)
      await other.rest()
      return other.received
    }
    assert.equal((await cancel(Buffer.alloc(8, 7))).length, 0)
    assert.equal((await orders.activity()).filter(one => one.state === 'active').length, 1)
    assert.equal((await cancel(key)).length, 0)
    const answers = await client.upTo('Z')
    assert.equal(answers.find(message => message.type === 'E')?.fields.C, '57014')
    // Clients ask on once a cancel's connection has ended: it must not reach what they ask then.
    for (let i = 0; i < 20; i++) {
      assert.equal((await cancel(key)).length, 0)
      client.send(query('select pg_sleep(0.005)'))
      const next = await client.upTo('Z')
      assert.equal(next.find(message => message.type === 'E')?.fields.C, undefined)
    }
    client.send(terminate)
    await nobodyUpstream()
  })

  test('when the recording is lost nothing more is relayed', async () => {
    const { client, session } = await enter()
    session.recorder.failing = new RecordingLost(new Error('ENOSPC'))
    client.send(query("select 'must not run'"))
    const fatal = (await client.rest()).find(message => message.type === 'E')
    assert.equal(fatal?.fields.C, '57P01')
    assert.match(fatal?.fields.M ?? '', /recording/)
    assert.equal(session.ending?.why, 'recording_unavailable')
    await nobodyUpstream()
  })

  test('the end of a long Bind goes upstream when its parameters are written, and not before', async () => {
    const { client, session } = await enter()
    const { recorder, upstream } = session
    client.send(parse('', 'select length($1::text)'), sync)
    await client.upTo('Z')
    let sent = 0
    const send = upstream.send.bind(upstream)
    upstream.send = (of, bytes) => {
      sent += bytes.length
      return send(of, bytes)
    }
    const whole = Buffer.concat([bind('', '', ['x'.repeat(100_000)]), execute(''), sync])
    client.send(whole.subarray(0, 90_000))
    await until('the first part is relayed', () => sent === 90_000)
    recorder.failing = new RecordingLost(new Error('ENOSPC'))
    client.send(whole.subarray(90_000))
    const fatal = (await client.rest()).find(message => message.type === 'E')
    assert.match(fatal?.fields.M ?? '', /recording/)
    assert.equal(recorder.lines.at(-1)?.type, 'input')
    assert.equal(sent, 90_000)
    await nobodyUpstream()
  })

  test('a fault of ours is told as ours, and whoever serves us hears of it', async () => {
    const { client, session } = await enter()
    const fault = new TypeError('a defect')
    session.recorder.statement = () => {
      throw fault
    }
    client.send(query('select 1'))
    const fatal = (await client.rest()).find(message => message.type === 'E')
    assert.match(fatal?.fields.M ?? '', /the gateway failed/)
    assert.equal(session.ending?.why, 'internal_error')
    await until('the fault is heard of', () => door.faults.includes(fault))
  })

  test('every statement is written before its bytes go upstream', async () => {
    const { client, session } = await enter()
    const { recorder, upstream } = session
    const send = upstream.send.bind(upstream)
    let unwritten = 0
    upstream.send = (of, bytes) => {
      unwritten += recorder.lines.slice(recorder.flushed).filter(line => line.type === 'statement').length
      assert.ok(of <= recorder.flushed)
      return send(of, bytes)
    }
    await client.query('select 1')
    client.send(
      parse('', 'select 2'),
      bind('', ''),
      execute(''),
      sync,
      query('select 3'),
      parse('n', 'select 4'),
      sync,
    )
    for (let i = 0; i < 3; i++) await client.upTo('Z')
    client.send(bind('', 'n'), execute(''), sync)
    await client.upTo('Z')
    assert.equal(unwritten, 0)
    assert.deepEqual(recorder.statements().slice(1), [
      'select 1',
      'select 2',
      'select 3',
      'select 4',
      'select 4',
    ])
    client.send(terminate)
  })

  test('a session that the database ends is told so', async () => {
    const { client, session } = await enter()
    await orders.run(
      'orders',
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app_ro'",
    )
    const told = (await client.rest()).filter(message => message.type === 'E')
    assert.equal(told[0]?.fields.C, '57P01')
    assert.equal(session.ending?.why, 'upstream_closed')
  })
})
