/**
 * What a client may open with and say, changed at random: each is answered, or the connection ends in words. Nothing of it is a
 * defect of ours, and nobody beside it notices. `POSTERN_FUZZ_MESSAGES=20000` sends more.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { type OpenDoor, openDoor } from './door.fixture.ts'
import * as raw from './raw.fixture.ts'
import { readOpening, StartupRefused } from './startup.ts'
import { frame, QUERY, Violation } from './wire.ts'

const messages = Number(process.env.POSTERN_FUZZ_MESSAGES ?? 400)
let home: Home
let orders: TestOrders
let door: OpenDoor
before(async () => {
  home = await openHome()
  orders = await startPostgres(home)
  door = await openDoor({
    target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
    lease: { user: 'app_ro', password: orders.passwords.ro },
  })
})
after(async () => {
  await door?.close()
  await home?.close()
})

/** Bytes changed, taken out or put in, anywhere. */
const mutated = (payload: Buffer) =>
  fc
    .array(fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(0, 1, 127, 128, 255), fc.nat(255)), fc.nat(2)), {
      minLength: 1,
      maxLength: 4,
    })
    .map(changes => {
      const bytes = [...payload]
      for (const [place, value, how] of changes) {
        const at = place % (bytes.length + 1)
        bytes.splice(at, how === 0 ? 0 : 1, ...(how === 1 ? [] : [value]))
      }
      return Buffer.from(bytes)
    })

const opening = raw.startup({ user: 'g_1', database: 'orders', application_name: 'x', TimeZone: 'UTC' })

test('an opening is read or refused, whatever was done to it; one that is cut short never reads', () => {
  const read = (packet: Buffer): boolean => {
    try {
      readOpening(packet)
      return true
    } catch (error) {
      assert.ok(error instanceof Violation || error instanceof StartupRefused, String(error))
      return false
    }
  }
  assert.ok(read(opening))
  for (let length = 8; length < opening.length; length++) assert.ok(!read(opening.subarray(0, length)))
  const rest = fc.oneof(mutated(opening.subarray(4)), fc.uint8Array({ minLength: 4, maxLength: 300 }))
  fc.assert(
    fc.property(rest, bytes => {
      if (bytes.length >= 4) read(Buffer.concat([Buffer.alloc(4), bytes]))
    }),
    { numRuns: 5_000 },
  )
})

const said = [
  raw.query('select id from orders'),
  raw.parse('s', 'select $1::text'),
  raw.bind('p', 's', ['a']),
  raw.bind('', '', ['a', 'b']),
  raw.describeStatement('s'),
  raw.describePortal('p'),
  raw.execute('p', 1),
  raw.closeStatement('s'),
  raw.closePortal('p'),
  raw.copyData('a\n'),
]

test(`${messages} messages that were changed are answered or end their session in words`, async () => {
  const honest = new raw.RawClient(door.port)
  await honest.login(door.grant, door.password, { database: 'orders' })
  const changed = fc
    .constantFrom(...said)
    .chain(message => fc.tuple(fc.constant(message), mutated(message.subarray(5))))
  let client: raw.RawClient | undefined
  let [answered, ended] = [0, 0]
  for (const [message, payload] of fc.sample(changed, { seed: 7, numRuns: messages })) {
    if (client === undefined) {
      client = new raw.RawClient(door.port)
      await client.login(door.grant, door.password, { database: 'orders' })
      client.send(raw.parse('s', 'select $1::text'), raw.bind('p', 's', ['a']), raw.sync)
      await client.upTo('Z')
    }
    const type = message[0] ?? 0
    // A query's end needs no Sync.
    client.send(frame(type, payload), ...(type === QUERY ? [] : [raw.sync]))
    try {
      await client.upTo('Z')
      answered++
    } catch (error) {
      assert.match(String(error), /FATAL 08P01/, `${type} ${payload.toString('hex')}`)
      client = undefined
      ended++
    }
  }
  client?.destroy()
  assert.ok(answered > messages / 10 && ended > messages / 10, `${answered} answered, ${ended} ended`)
  assert.equal((await honest.query('select 1')).at(-1)?.type, 'Z')
  honest.destroy()
  assert.deepEqual(door.faults, [])
})
