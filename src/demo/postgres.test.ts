import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import pg from 'pg'
import { openHome } from './home.ts'
import { startPostgres } from './postgres.ts'

test('the embedded PostgreSQL is an 18, holds the orders database, and leaves nothing behind', async () => {
  const home = await openHome()
  try {
    const orders = await startPostgres(home)
    assert.match(orders.version, /^18\./)
    const where = { host: '127.0.0.1', port: orders.port, database: 'orders' }
    const client = new pg.Client({ ...where, user: 'app_ro', password: orders.passwords.ro })
    await client.connect()
    assert.equal((await client.query('select count(*)::int n from orders')).rows[0]?.n, 5000)
    await client.end()
    const wrong = new pg.Client({ ...where, user: 'app_ro', password: 'guess' })
    await assert.rejects(wrong.connect(), /password authentication failed/)
  } finally {
    await home.close()
  }
  assert.equal(existsSync(home.dir), false)
})
