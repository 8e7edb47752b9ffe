/**
 * The same messages to a server directly and through the door: what comes back must be the same, message by message and, but
 * for the words of errors, byte by byte. Pipelines, suspended portals, Flush, errors and what is skipped after them.
 * `POSTERN_FUZZ_PIPELINES` runs more of them; a failure names its seed.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startPostgres, type TestOrders, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { type OpenDoor, openDoor, simpleGuard, slowGuard } from './door.fixture.ts'
import type { PostgresGuard } from './guard.ts'
import {
  bind,
  closePortal,
  closeStatement,
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

const pipelines = Number(process.env.POSTERN_FUZZ_PIPELINES ?? 60)

let home: Home
const clients: RawClient[] = []
const doors: OpenDoor[] = []
before(async () => {
  home = await openHome()
})
after(async () => {
  for (const client of clients) client.destroy()
  for (const door of doors) await door.close()
  await home?.close()
})

/** Numbers below `most`, the same for the same seed. */
function dice(seed: number): (most: number) => number {
  let state = seed * 2654435761 + 1
  return most => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) | 0
    return ((state ^ (state >>> 13)) >>> 0) % most
  }
}

const texts = [
  'select 1',
  'select generate_series(1, 5)',
  'select $1::text',
  'select 1 / 0',
  'select nonsense',
  'selec 1',
  'begin',
  'commit',
  'rollback',
  'savepoint a',
  'rollback to a',
  'insert into scratch values (1)',
  'delete from scratch returning id',
  "do $$ begin raise notice 'hello'; raise warning 'mind' using detail = 'more', hint = 'so'; end $$",
  "set timezone = 'Asia/Tokyo'",
  'reset timezone',
  'copy (select generate_series(1, 3)) to stdout',
]
const strings = [
  'select 1; select 2',
  'select 1; select 1 / 0; select 3',
  'begin; insert into scratch values (2)',
]
const names = ['', 's', 't']
const portals = ['', 'p', 'q']

function pipeline(seed: number): Buffer[] {
  const roll = dice(seed)
  const pick = <T>(of: readonly T[]): T => of[roll(of.length)] as T
  return Array.from({ length: 1 + roll(14) }, () => {
    switch (roll(12)) {
      case 0:
      case 1:
        return parse(pick(names), pick(texts))
      case 2:
      case 3:
        return bind(pick(portals), pick(names), roll(4) === 0 ? ['x'] : [])
      case 4:
        return describeStatement(pick(names))
      case 5:
        return describePortal(pick(portals))
      case 6:
      case 7:
        return execute(pick(portals), roll(4))
      case 8:
        return roll(2) === 0 ? closeStatement(pick(names)) : closePortal(pick(portals))
      case 9:
        return query(pick(roll(3) === 0 ? strings : texts))
      case 10:
        return flush
      default:
        return sync
    }
  })
}

/** An error by its code: the gateway's own words for an unknown name lack the server's file and line. All else by its bytes. */
const shown = ({ type, payload, fields }: Message): string =>
  type === 'E' ? `${type} ${fields.C}` : `${type} ${payload.toString('latin1')}`

const wordsOf = (frames: readonly Buffer[]): string =>
  frames.map(frame => frame.toString('latin1').replace(/[^\x20-\x7e]/g, '.')).join(' ')

/** Up to each Sync at once, in pieces; what comes behind a Sync waits for its answer. */
async function answers(client: RawClient, frames: readonly Buffer[], pieces: number): Promise<string[]> {
  const got: string[] = []
  let batch: Buffer[] = []
  for (const frame of frames) {
    batch.push(frame)
    if (frame !== sync) continue
    got.push(...(await answered(client, Buffer.concat(batch), pieces)))
    batch = []
  }
  return got
}

async function answered(client: RawClient, batch: Buffer, pieces: number): Promise<string[]> {
  const size = Math.ceil(batch.length / pieces)
  for (let at = 0; at < batch.length; at += size) client.send(batch.subarray(at, at + size))
  // The mark: nothing else here is empty, and it is answered in a transaction that has failed, too.
  client.send(query(''))
  const got: string[] = []
  for (;;) {
    const some = await client.upTo('Z')
    if (some[0]?.type === 'I') return got
    got.push(...some.map(shown))
  }
}

for (const version of versions) {
  test(`PostgreSQL ${version} answers through the door as it does directly`, async () => {
    const orders: TestOrders = await startPostgres(home, { version })
    await orders.run('orders', 'create table scratch(id int); grant all on scratch to app_ro')
    // One database each, with the same numbers for the same tables.
    for (const copy of ['quick', 'slow'])
      await orders.run('postgres', `create database ${copy} template orders`)
    const { ro } = orders.passwords
    const login = async (
      port: number,
      user: string,
      password: string,
      database: string,
    ): Promise<RawClient> => {
      const client = new RawClient(port)
      clients.push(client)
      await client.login(user, password, { database })
      return client
    }
    const behind = async (database: string, guard: PostgresGuard): Promise<RawClient> => {
      const target = { host: '127.0.0.1', port: orders.port, database, tls: { mode: 'disable' } } as const
      const door = await openDoor({ target, lease: { user: 'app_ro', password: ro }, guard })
      doors.push(door)
      return login(door.port, door.grant, door.password, database)
    }
    const direct = await login(orders.port, 'app_ro', ro, 'orders')
    const through = await behind('quick', simpleGuard)
    const late = await behind('slow', slowGuard)
    for (let seed = 1; seed <= pipelines; seed++) {
      // What both sides hold by name must be the same in the end.
      const held = names.flatMap(name => [describeStatement(name), sync])
      const frames = [...pipeline(seed), sync, ...held, query('rollback'), sync]
      const wanted = await answers(direct, frames, 1)
      const words = `seed ${seed}: ${wordsOf(frames)}`
      assert.deepEqual(await answers(through, frames, 1 + (seed % 3)), wanted, words)
      assert.deepEqual(await answers(late, frames, 1), wanted, `with slow verdicts, ${words}`)
    }
  })
}
