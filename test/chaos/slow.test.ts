/** ATTACKS.md R190 to R193 and N216: peers that are slow, silent or greedy cost themselves, not the others. Nothing here measures speed. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { freePort } from '../../src/demo/ports.ts'
import { query, RawClient } from '../../src/protocol/postgres/raw.fixture.ts'
import { newKey, pgUrl, psql, ssh } from '../fixtures/clients.ts'
import { type Answer, type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing, until } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'

const skip = missing('psql', 'ssh', '/usr/sbin/sshd')
let home: Home
let okta: FakeOkta
let orders: TestOrders
let gateway: Gateway
const sockets: Socket[] = []

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  const silent = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => undefined).resume()
  })
  await new Promise<void>(done => silent.listen(0, '127.0.0.1', done))
  home.onEnd(() => void silent.close())
  const { port } = silent.address() as AddressInfo
  gateway = await startGateway(home, {
    okta,
    postgres: orders,
    sshd: await startSshd(home),
    connections: `  silent-db:
    protocol: postgres
    target: { host: 127.0.0.1, port: ${port}, database: orders, tls: { mode: disable } }
    lease: { user: app_ro, password: "env:ORDERS_PASSWORD" }
  nobody-db:
    protocol: postgres
    target: { host: 127.0.0.1, port: ${await freePort()}, database: orders, tls: { mode: disable } }
    lease: { user: app_ro, password: "env:ORDERS_PASSWORD" }
`,
    rules: `
  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders] } }
  - { group: analyst-agents, connection: silent-db, ttl: 10m, scope: { statements: [select], tables: [public.orders] } }
  - { group: analyst-agents, connection: nobody-db, ttl: 10m, scope: { statements: [select], tables: [public.orders] } }
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { exec: ["*"] } }
`,
  })
})
after(async () => {
  for (const drip of drips) clearInterval(drip)
  for (const socket of sockets) socket.destroy()
  await home?.close()
})

async function granted(
  connection = 'orders-db',
  group = 'analyst-agents',
  more: Record<string, unknown> = {},
): Promise<Answer['json']> {
  const answer = await gateway.grant(okta.token({ groups: [group] }), connection, more)
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}

async function othersAreServed(): Promise<void> {
  assert.equal((await psql(pgUrl(gateway, await granted()), 'select 1')).stdout, '1\n')
  const key = await newKey(home)
  assert.equal(
    (await ssh(gateway, await granted('web-1', 'sre-agents', { public_key: key.public }), key, ['echo on']))
      .stdout,
    'on\n',
  )
}

function dial(port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined).resume()
  sockets.push(socket)
  return socket
}

async function memory(): Promise<number> {
  const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

const slow: Socket[] = []
const drips: NodeJS.Timeout[] = []

test('R190, N216: a hundred clients at each door, silent or dripping a byte a second, keep nobody out', {
  skip,
}, async () => {
  const beginnings = {
    http: 'GET /v1/connections HTTP/1.1\r\nHost: x\r\n',
    postgres: '\0\0\0\x50\0\x03\0\0user',
    ssh: 'SSH-2.0-slow',
  }
  for (const [door, text] of Object.entries(beginnings) as ['http' | 'postgres' | 'ssh', string][])
    for (let at = 0; at < 100; at++) {
      const socket = dial(gateway.ports[door])
      slow.push(socket)
      let sent = 0
      if (at % 4 === 1) socket.write('\x16\x03')
      if (at % 4 > 1)
        drips.push(setInterval(() => socket.write(text[sent++ % text.length] ?? '', 'latin1'), 900 + at))
    }
  await othersAreServed()
})

test('R192: a client that never reads while the database pours costs the gateway no memory', {
  skip,
  timeout: 60_000,
}, async () => {
  const before = await memory()
  const clients: RawClient[] = []
  for (let at = 0; at < 4; at++) {
    const grant = await granted()
    const client = new RawClient(gateway.ports.postgres)
    await client.login(grant.id, grant.credential.password, { database: 'orders' })
    client.socket.pause()
    client.send(query('select a.note, b.note from orders a, orders b'))
    clients.push(client)
  }
  await othersAreServed()
  await new Promise(done => setTimeout(done, 4000))
  const grown = (await memory()) - before
  for (const client of clients) client.destroy()
  assert.ok(grown < 150, `grew by ${grown.toFixed(0)} MiB`)
  await until(
    'what they asked for is gone from the database',
    async () => (await orders.activity()).length === 0,
    5000,
  )
})

test('R192: a client that sends without end and reads nothing costs no memory either', {
  skip,
  timeout: 60_000,
}, async () => {
  const grant = await granted()
  const client = new RawClient(gateway.ports.postgres)
  await client.login(grant.id, grant.credential.password, { database: 'orders' })
  const before = await memory()
  client.socket.pause()
  const many = Buffer.concat(
    Array.from({ length: 2000 }, () => query(`select id from orders where id = 1 /* ${'x'.repeat(1000)} */`)),
  )
  for (let at = 0; at < 20; at++) client.socket.write(many)
  await new Promise(done => setTimeout(done, 3000))
  const grown = (await memory()) - before
  client.destroy()
  assert.ok(grown < 150, `grew by ${grown.toFixed(0)} MiB`)
  await othersAreServed()
})

test('R193: a target that accepts and says nothing, and one that is not there, are upstream_unreachable', {
  skip,
  timeout: 60_000,
}, async () => {
  for (const connection of ['silent-db', 'nobody-db']) {
    const grant = await granted(connection)
    const client = psql(pgUrl(gateway, grant), 'select 1', [], {
      timeout: 40_000,
      env: { PGCONNECT_TIMEOUT: '30' },
    })
    await othersAreServed()
    const answer = await client
    assert.match(answer.stderr, /cannot be reached/, connection)
    assert.ok(!answer.stderr.includes('ECONNREFUSED') && !answer.stderr.includes('app_ro'))
    const [line] = (
      await gateway.api(
        'GET',
        `/v1/audit?type=session.refused&grant=${grant.id}`,
        okta.person(['postern-auditors']),
      )
    ).json
    assert.equal(line.reason, 'upstream_unreachable')
  }
})

test('R190: all of those slow clients are shown out in the end, also those that drip', {
  skip,
  timeout: 120_000,
}, async () => {
  await until('all slow clients are shown out', () => slow.every(socket => socket.closed), 100_000)
  for (const drip of drips) clearInterval(drip)
  await othersAreServed()
})
