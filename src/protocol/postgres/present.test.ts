import assert from 'node:assert/strict'
import { test } from 'node:test'
import { psql } from './present.ts'

const prepare = (host: string, env: Record<string, string> = {}) =>
  psql.prepare({
    grant: {
      id: 'g_1',
      connection: 'orders-db',
      protocol: 'postgres',
      endpoint: { host, port: 15432, database: 'the orders', ca: 'CA' },
      env,
      credential: { username: 'g_1', password: 'pst_a/b' },
    },
    folder: '/tmp/x',
    args: [],
  })

test('DATABASE_URL says to a program all that the PG variables say to psql', () => {
  assert.equal(
    prepare('127.0.0.1').env['DATABASE_URL'],
    'postgresql://g_1:pst_a%2Fb@127.0.0.1:15432/the%20orders',
  )
  const { env, files } = prepare('db.example.com', { PGSSLMODE: 'require' })
  assert.equal(
    env['DATABASE_URL'],
    'postgresql://g_1:pst_a%2Fb@db.example.com:15432/the%20orders?sslmode=verify-full&sslrootcert=%2Ftmp%2Fx%2Fca.pem',
  )
  assert.deepEqual([env['PGSSLMODE'], files['ca.pem']], ['verify-full', 'CA'])
  assert.match(prepare('::1').env['DATABASE_URL'] ?? '', /@\[::1\]:15432\//)
})
