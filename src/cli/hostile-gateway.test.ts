import assert from 'node:assert/strict'
import { test } from 'node:test'
import { protocols } from '../protocol/registry.ts'
import { prepareClient } from './connect.ts'
import type { GrantAnswer } from './grant.ts'

test('a gateway that is not ours names no endpoint that is an option of the client', async () => {
  const ssh = protocols.get('ssh')
  assert.ok(ssh)
  const grant = (endpoint: object, username = 'g_1') =>
    ({
      endpoint: { host: 'h', port: 22, ...endpoint },
      credential: { username },
      env: {},
    }) as unknown as GrantAnswer
  for (const bad of [
    grant({ host: '-oProxyCommand=id' }),
    grant({ url: '-K/etc/passwd' }),
    grant({}, '-oProxyCommand=id'),
  ])
    await assert.rejects(prepareClient(ssh, bad, '/nowhere', []), /names an endpoint that is none/)
})

test('nor does it set what makes a program run another', async () => {
  const postgres = protocols.get('postgres')
  assert.ok(postgres)
  const env = {
    PGHOST: '127.0.0.1',
    LD_PRELOAD: '/tmp/evil.so',
    NODE_OPTIONS: '--import=evil',
    PGOPTIONS: '-c x',
  }
  const grant = {
    endpoint: { host: '127.0.0.1', port: 1, database: 'orders' },
    credential: { username: 'g_1', password: 'pst_x' },
    env,
  } as unknown as GrantAnswer
  const prepared = await prepareClient(postgres, grant, '/nowhere', [])
  assert.deepEqual(Object.keys(prepared.env).sort(), ['DATABASE_URL', 'PGHOST'])
})
