import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { pgbench, psql } from '../../../test/fixtures/clients.ts'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { missing } from '../../../test/fixtures/run.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { type OpenDoor, openDoor } from './door.fixture.ts'

describe('the relay, with psql and pgbench against a real PostgreSQL', {
  skip: missing('psql', 'pgbench'),
}, () => {
  let home: Home
  let orders: TestOrders
  let door: OpenDoor
  before(async () => {
    home = await openHome()
    orders = await startPostgres(home, { scale: 1 })
    door = await openDoor(at())
  })
  after(async () => {
    await door?.close()
    await home?.close()
  })
  const at = () => ({
    target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } } as const,
    lease: { user: 'app_ro', password: orders.passwords.ro },
  })

  test('psql reads what the database holds, and both statement and result are recorded', async () => {
    const ran = await psql(door.url(), 'select count(*) from orders')
    assert.equal(ran.stdout.trim(), '5000', ran.stderr)
    const recorder = door.sessions.at(-1)?.recorder
    assert.deepEqual(recorder?.statements().slice(1), ['select count(*) from orders'])
    const [result] = recorder?.results() ?? []
    assert.equal(result?.tag, 'SELECT 1')
    assert.equal(result?.rows, 1)
    assert.deepEqual(result?.columns, ['count'])
  })

  for (const mode of ['simple', 'extended', 'prepared']) {
    test(`pgbench runs in ${mode} mode`, async () => {
      const ran = await pgbench(door.url(), ['-S', '-M', mode, '-c', '4', '-t', '200'])
      assert.equal(ran.status, 0, ran.stderr)
      assert.match(ran.stdout, /number of transactions actually processed: 800\/800/)
    })
  }
})
