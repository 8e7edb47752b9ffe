import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { createCalls } from './calls.ts'
import { openDoor, openSession, simpleGuard } from './door.fixture.ts'
import { RawClient } from './raw.fixture.ts'
import type { GuardFor } from './serve.ts'

let home: Home
let orders: TestOrders
before(async () => {
  home = await openHome()
  orders = await startPostgres(home)
})
after(() => home.close())

test('an owner has one turn at the parser, whatever number of grants they take', async t => {
  const turns: string[] = []
  const guardFor: GuardFor = (_scope, _own, who) => {
    turns.push(who)
    return simpleGuard
  }
  const way = {
    target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
    lease: { user: 'app_ro', password: orders.passwords.ro },
  } as const
  for (const owner of ['ann', 'ann', 'bob']) {
    const door = await openDoor({ ...way, owner, guardFor })
    const client = new RawClient(door.port)
    t.after(() => {
      client.destroy()
      return door.close()
    })
    await client.login(door.grant, door.password, { database: 'orders' })
  }
  const session = await openSession({ ...way, owner: 'ann' }, { grant: 'g_other' })
  assert.ok('upstream' in session)
  await createCalls(guardFor).query.run({ statement: 'select 1' }, session)
  await session.end({ how: 'close', why: 'idle', text: 'the test is over' })
  const [first, second, another, called] = turns
  assert.deepEqual([second, called], [first, first])
  assert.notEqual(another, first)
})
