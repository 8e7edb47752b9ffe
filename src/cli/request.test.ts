import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { postern } from '../../test/fixtures/gateway.ts'
import { run } from '../../test/fixtures/run.ts'

test('request shows how the door is known, as a line for known_hosts', async () => {
  const grant = {
    id: 'g_1',
    connection: 'web-1',
    protocol: 'ssh',
    state: 'active',
    scope: {},
    narrowed: [],
    endpoint: { host: '127.0.0.1', port: 2222, host_key: 'ssh-ed25519 AAAA' },
    credential: { username: 'g_1', password: 'pst_x' },
    env: {},
  }
  const server = createServer((_, response) => response.writeHead(201).end(JSON.stringify(grant)))
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const env = {
    POSTERN_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    POSTERN_TOKEN: 't',
  }
  try {
    const { stdout } = await run(postern, ['request', 'web-1'], { env })
    assert.match(stdout, /^known_hosts: \[127\.0\.0\.1\]:2222 ssh-ed25519 AAAA$/m)
  } finally {
    server.close()
  }
})
