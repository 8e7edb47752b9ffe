/** `statements_per_second` on the wire, with the real guard before a real server: what makes the parser read is paced. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { type OpenDoor, openDoor } from './door.fixture.ts'
import { analyser, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import { parse, query, RawClient, sync } from './raw.fixture.ts'

let home: Home
let orders: TestOrders
let door: OpenDoor
let client: RawClient
before(async () => {
  home = await openHome()
  orders = await startPostgres(home)
  door = await openDoor({
    target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
    lease: { user: 'app_ro', password: orders.passwords.ro },
    scope: scopeOf({ statements: ['select'], tables: ['public.orders'], statements_per_second: 10 }),
    guardFor: (scope, own) => createGuard(scope, analyser, new VerdictCache(), own),
  })
  client = new RawClient(door.port)
  await client.login(door.grant, door.password, { database: 'orders' })
})
after(async () => {
  client?.destroy()
  await door?.close()
  await home?.close()
})

async function took(parses: readonly Buffer[], each: readonly Buffer[]): Promise<number> {
  const since = performance.now()
  for (const one of parses) client.send(one, ...each)
  if (each.length === 0) client.send(sync)
  for (const _ of each.length === 0 ? [0] : parses) await client.upTo('Z')
  return performance.now() - since
}

test('a Parse that nobody has read before counts, a known one does not, and a refused one does', async () => {
  const fresh = Array.from({ length: 20 }, (_, i) => parse('', `select id as fresh_${i} from orders`))
  assert.ok((await took(fresh, [])) > 800, 'ten more than a second has')
  assert.ok((await took(fresh, [])) < 800, 'known ones')
  await new Promise(resolve => setTimeout(resolve, 1_100))
  const refused = Array.from({ length: 20 }, () => parse('', 'select id from secret'))
  assert.ok((await took(refused, [sync])) > 800, 'refused ones')
})

test('each statement of a message counts, whether it was read before or differs in a literal alone', async () => {
  await new Promise(resolve => setTimeout(resolve, 1_100))
  for (const first of [1, 1, 2]) {
    const since = performance.now()
    client.send(query(Array.from({ length: 20 }, (_, i) => `select ${first + i}`).join(';')))
    client.send(query('select 1'))
    for (const _ of [1, 2]) await client.upTo('Z')
    assert.ok(performance.now() - since > 800, 'ten more than a second has')
    await new Promise(resolve => setTimeout(resolve, 1_200))
  }
})
