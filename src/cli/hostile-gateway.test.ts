import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { postern } from '../../test/fixtures/gateway.ts'
import { run } from '../../test/fixtures/run.ts'
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

test('no word of its is obeyed by the terminal, in whichever command and form', async t => {
  const acts = '\u001b]0;title\u0007\u009b2J\u202e'
  const pending = { id: 'g_1', connection: acts, state: 'pending', scope: {}, narrowed: [], expires_at: acts }
  const server = createServer(({ method, url }, response) => {
    if (url === '/v1/connections')
      return response.end(JSON.stringify([{ connection: acts, protocol: 'http', ttl: acts, rule: 'r' }]))
    if (method === 'POST') return response.writeHead(202).end(JSON.stringify(pending))
    if (method === 'GET') return response.end(JSON.stringify({ id: acts, state: acts, ending: acts }))
    return response.writeHead(403).end(JSON.stringify({ code: acts, detail: acts }))
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const env = {
    POSTERN_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    POSTERN_TOKEN: 't',
  }
  for (const words of [
    'connections',
    'connections --json',
    'connect api',
    'request api',
    'request api --json',
    'request api --wait',
    'end g_1',
    'run api -- true',
  ]) {
    const { stdout, stderr } = await run(postern, words.split(' '), { env })
    assert.match(stdout + stderr, /\\u001b\]0;title/, words)
    assert.doesNotMatch(stdout + stderr, /[^\n -~]/, words)
  }
})
