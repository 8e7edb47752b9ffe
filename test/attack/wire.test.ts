/** ATTACKS.md Q92 to Q101: raw sockets at the PostgreSQL door. What is malformed is refused on its header; the rest of the house works on. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { after, afterEach, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import {
  bind,
  closeStatement,
  copyData,
  describeStatement,
  execute,
  type Message,
  parse,
  query,
  RawClient,
  rawStartup,
  saslInitial,
  startup,
  sync,
} from '../../src/protocol/postgres/raw.fixture.ts'
import { frame, int32 } from '../../src/protocol/postgres/wire.ts'
import { pgUrl, psql } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing, until } from '../fixtures/run.ts'

const skip = missing('psql')
let home: Home
let okta: FakeOkta
let orders: TestOrders
let gateway: Gateway
interface Granted {
  readonly id: string
  readonly credential: { readonly username: string; readonly password: string }
}

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  gateway = await startGateway(home, {
    okta,
    postgres: orders,
    rules:
      '  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders], functions: [pg_catalog.pg_sleep] } }',
  })
})
after(() => home?.close())

const open: RawClient[] = []
afterEach(() => {
  for (const client of open.splice(0)) client.destroy()
})

async function granted(): Promise<Granted> {
  const answer = await gateway.grant(okta.token({ groups: ['analyst-agents'] }), 'orders-db')
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}
function stranger(): RawClient {
  const client = new RawClient(gateway.ports.postgres)
  open.push(client)
  return client
}
async function entered(code?: number): Promise<{ client: RawClient; ready: Message[] }> {
  const { credential } = await granted()
  const client = stranger()
  const ready = await client.login(credential.username, credential.password, { database: 'orders' }, code)
  return { client, ready }
}
const errors = (messages: readonly Message[]): Message[] => messages.filter(message => message.type === 'E')
const code = (messages: readonly Message[]): string =>
  errors(messages)
    .map(message => message.fields.C)
    .join()
const shape = (messages: readonly Message[]): string => messages.map(message => message.type).join('')

/** The connection ends, with an error of this kind or without a word, and never with a row. */
async function ends(client: RawClient, sqlstate?: RegExp): Promise<void> {
  const rest = await client.framed().rest()
  assert.equal(client.closed, true)
  assert.ok(!shape(rest).includes('D'), shape(rest))
  if (sqlstate !== undefined) assert.match(code(rest), sqlstate)
}

async function gatewayLives(): Promise<void> {
  assert.equal((await psql(pgUrl(gateway, await granted()), 'select 1')).stdout, '1\n')
}

async function memory(): Promise<number> {
  const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
}

test("Q92: only the key that a session was given cancels it, and it is not the upstream's", {
  skip,
}, async () => {
  const { client, ready } = await entered()
  const key = ready.find(message => message.type === 'K')?.payload ?? Buffer.alloc(0)
  assert.equal(key.length, 8)
  client.send(query('select pg_sleep(600)'))
  const pid = await until(
    'it sleeps',
    async () => (await orders.activity()).find(one => one.query.includes('pg_sleep'))?.pid,
  )
  const cancel = (bytes: Uint8Array): RawClient =>
    stranger().send(int32(16 + bytes.length - 8), int32(80877102), bytes)
  const wrong = [
    randomBytes(8),
    Buffer.concat([key.subarray(0, 4), randomBytes(4)]),
    Buffer.concat([int32(pid), key.subarray(4)]),
    Buffer.alloc(8),
    key.subarray(0, 4),
    Buffer.concat([key, randomBytes(300)]),
  ]
  for (const bytes of wrong) await cancel(bytes).rest()
  await Promise.all(Array.from({ length: 200 }, () => cancel(randomBytes(8)).rest()))
  assert.equal(client.messages.length, 0)
  await cancel(key).rest()
  const answer = await client.upTo('Z')
  assert.equal(code(answer), '57014')
  const other = await entered()
  assert.notDeepEqual(other.ready.find(message => message.type === 'K')?.payload, key)
})

test('Q93: a verdict belongs to the statement that the server holds, whatever is parsed over it', {
  skip,
}, async () => {
  const { client } = await entered()
  client.send(parse('', 'select 1'), bind('', ''), parse('', 'delete from orders'), execute(''), sync)
  assert.equal(shape(await client.upTo('Z')), '12EZ')
  client.send(bind('', ''), execute(''), sync)
  const after = await client.upTo('Z')
  assert.ok(!shape(after).includes('C') || code(after) !== '', shape(after))
  client.send(parse('s', 'select 1'), sync)
  await client.upTo('Z')
  client.send(closeStatement('s'), parse('s', 'delete from orders'), bind('', 's'), execute(''), sync)
  assert.equal(shape(await client.upTo('Z')), '3EZ')
  client.send(describeStatement('s'), sync)
  assert.notEqual(code(await client.upTo('Z')), '')
  for (const text of ['select 1; delete from orders', 'delete from orders']) {
    client.send(parse('x', text), bind('', 'x'), execute(''), sync)
    assert.equal(shape(await client.upTo('Z')), 'EZ')
  }
  assert.equal((await orders.run('orders', 'select count(*)::int n from orders')).rows[0]?.n, 5000)
})

test('Q93: prepared statements are counted, and the count is capped', { skip }, async () => {
  const { client } = await entered()
  let refusal = ''
  for (let round = 0; round < 60 && refusal === ''; round++) {
    client.send(...Array.from({ length: 500 }, (_, at) => parse(`s${round}-${at}`, 'select 1')), sync)
    refusal = code(
      await client
        .upTo('Z')
        .catch(error => [{ type: 'E', payload: Buffer.alloc(0), fields: { C: String(error) } }]),
    )
  }
  assert.match(refusal, /54000|53/)
})

test('Q94: after a refusal everything up to Sync is skipped, and what is counted stays in step', {
  skip,
}, async () => {
  const { client } = await entered()
  client.send(
    parse('', 'delete from orders'),
    bind('', ''),
    execute(''),
    parse('', 'select 1'),
    bind('', ''),
    execute(''),
    sync,
    parse('', 'select 2'),
    bind('', ''),
    execute(''),
    sync,
    query('select 3'),
  )
  assert.equal(shape(await client.upTo('Z')), 'EZ')
  assert.equal(shape(await client.upTo('Z')), '12DCZ')
  assert.equal(shape(await client.upTo('Z')), 'TDCZ')
  client.send(
    parse('', 'select 1'),
    bind('', ''),
    execute(''),
    parse('', 'delete from orders'),
    bind('', ''),
    execute(''),
    sync,
    sync,
    sync,
  )
  assert.equal(shape(await client.upTo('Z')), '12DCEZ')
  assert.equal(shape(await client.upTo('Z')), 'Z')
  assert.equal(shape(await client.upTo('Z')), 'Z')
})

test('Q95: a FunctionCall is refused and the session goes on', { skip }, async () => {
  const { client } = await entered()
  client.send(frame(0x46, int32(1598), Uint8Array.of(0, 0, 0, 0, 0, 0)))
  const answer = await client.upTo('Z')
  assert.equal(`${shape(answer)} ${code(answer)}`, 'EZ 42501')
  assert.equal(shape(await client.query('select 1')), 'TDCZ')
})

test('Q96: unknown messages, messages of the server and messages out of place end the session', {
  skip,
}, async () => {
  const odd = [
    frame(0x21, 'x'),
    frame(0x00),
    frame(0x52, int32(0)),
    frame(0x5a, 'I'),
    frame(0x44, 'Xabc\0'),
    startup({ user: 'x', database: 'orders' }),
    frame(0x70, 'again\0'),
    frame(0x51),
    frame(0x50, 'no end'),
  ]
  for (const bytes of odd) {
    const { client } = await entered()
    client.send(bytes)
    await ends(client)
  }
  const { client } = await entered()
  client.send(copyData('1,2,3'), query('select 1'))
  const answer = await client.upTo('Z').catch(() => [])
  assert.ok(['', 'TDCZ', 'EZ'].includes(shape(answer)), shape(answer))
  await gatewayLives()
})

test('Q97: a length that cannot be is refused on the header, and nothing is held for it', {
  skip,
}, async () => {
  const before = await memory()
  for (const length of [0, 3, -1, -2147483648, 2147483647, 1024 * 1024 * 1024]) {
    const { client } = await entered()
    const header = Buffer.alloc(5)
    header[0] = 0x51
    header.writeInt32BE(length, 1)
    client.send(header, Buffer.alloc(64 * 1024))
    await ends(client, /08P01|54000|^$/)
  }
  for (const length of [0, 7, -1, 2147483647, 10_001]) {
    const client = stranger().send(int32(length), int32(196608), Buffer.alloc(1000))
    await ends(client)
  }
  assert.ok((await memory()) - before < 64 * 1024 * 1024)
  await gatewayLives()
})

test('Q99: a startup that asks for more than the grant is refused before any password', {
  skip,
}, async () => {
  const { id } = await granted()
  const asks: Record<string, string>[] = [
    { user: id, database: 'orders', replication: 'true' },
    { user: id, database: 'orders', replication: 'database' },
    { user: id, database: 'orders', options: '-c session_replication_role=replica' },
    { user: id, database: 'orders', options: '-c search_path=evil' },
    { user: id, database: 'orders', search_path: 'evil' },
    { user: id, database: 'orders', local_preload_libraries: 'x' },
    { user: id, database: 'orders', role: 'postgres' },
    { database: 'orders' },
    { user: '', database: 'orders' },
    { user: 'x'.repeat(9000), database: 'orders' },
  ]
  for (const parameters of asks)
    await refusedAtStart(stranger().send(startup(parameters)), JSON.stringify(parameters).slice(0, 100))
  await refusedAtStart(
    stranger().send(rawStartup(`user\0${id}\0user\0postgres\0database\0orders\0\0`)),
    'user twice',
  )
  await refusedAtStart(stranger().send(rawStartup(`user\0${id}\0database\0orders`)), 'no end')
  await refusedAtStart(
    stranger().send(rawStartup(`user\0${id}\0${'a\0b\0'.repeat(2000)}\0`)),
    'thousands of parameters',
  )
  await refusedAtStart(stranger().send(startup({ user: id, database: 'orders' }, 131072)), 'protocol 2.0')
  for (const database of ['postgres', 'ORDERS', 'orders; drop', 'template1']) {
    const { credential } = await granted()
    const client = stranger()
    await assert.rejects(client.login(credential.username, credential.password, { database }))
  }
})

/** FATAL or closed; a password is asked for only where the user name alone was odd. */
async function refusedAtStart(client: RawClient, what: string): Promise<void> {
  client.framed()
  const first = await client.next().catch(() => undefined)
  if (first?.type === 'R') {
    client.send(saslInitial('n,,n=,r=abc'), frame(0x70, 'c=biws,r=abc,p=AAAA'))
    const rest = await client.rest()
    assert.ok(!shape(rest).includes('Z'), what)
    return
  }
  assert.ok(first === undefined || first.fields.S === 'FATAL', `${what}: ${first?.type}`)
}

test('Q99: a minor version or protocol extension that is not known is negotiated down', {
  skip,
}, async () => {
  const { id } = await granted()
  const client = stranger()
    .send(startup({ user: id, database: 'orders', '_pq_.command': 'x' }, 3 * 65536 + 9999))
    .framed()
  const first = await client.next()
  assert.equal(first.type, 'v')
  assert.match(first.payload.toString('latin1'), /_pq_\.command/)
})

test("Q100: bytes sent in clear behind an SSLRequest are never read as the session's", { skip }, async () => {
  const { id } = await granted()
  const client = stranger().send(int32(8), int32(80877103), startup({ user: id, database: 'orders' }))
  await until('the connection is closed', () => client.closed)
  assert.ok(!client.received.includes('SCRAM'), client.received.toString('latin1'))
  const twice = stranger().send(int32(8), int32(80877104))
  assert.equal(String.fromCharCode(await twice.byte()), 'N')
  const inside = await entered()
  inside.client.send(int32(8), int32(80877103))
  await ends(inside.client)
})

test("Q100: direct TLS without the protocol's ALPN is refused", { skip }, async () => {
  const { connect: tls } = await import('node:tls')
  const answers = await Promise.all(
    [['http/1.1'], undefined, ['postgresql']].map(
      ALPNProtocols =>
        new Promise<string>(done => {
          const socket = tls(
            {
              host: '127.0.0.1',
              port: gateway.ports.postgres,
              rejectUnauthorized: false,
              ...(ALPNProtocols && { ALPNProtocols }),
            },
            () => done(socket.alpnProtocol || 'none'),
          )
          socket.once('error', () => done('refused'))
          socket.once('close', () => done('refused'))
        }),
    ),
  )
  assert.equal(answers[0], 'refused')
  assert.notEqual(answers[2], 'none')
})

test('Q101: a SCRAM exchange that is not to the letter proves nothing', { skip }, async () => {
  const { credential } = await granted()
  const attempts: ((server: string, nonce: string) => string)[] = [
    (_, nonce) => `c=biws,r=${nonce}x,p=AAAA`,
    server => `c=eSws,${server.split(',')[0]},p=AAAA`,
    server => `c=biws,${server.split(',')[0]}`,
    server => `c=biws,${server.split(',')[0]},p=${Buffer.alloc(32).toString('base64')}`,
    server => `${server},p=`,
    () => '',
  ]
  const said = new Set<string>()
  for (const attempt of attempts) {
    const nonce = randomBytes(12).toString('base64')
    const client = stranger()
      .send(startup({ user: credential.username, database: 'orders' }))
      .framed()
    await client.upTo('R')
    client.send(saslInitial(`n,,n=,r=${nonce}`))
    const challenge = await client.next()
    client.send(frame(0x70, attempt(challenge.payload.toString('latin1', 4), nonce)))
    const rest = await client.rest()
    assert.ok(!shape(rest).includes('R') && !shape(rest).includes('Z'), shape(rest))
    said.add(code(rest))
  }
  for (const initial of [
    'n,a=postgres,n=,r=abc',
    'p=tls-server-end-point,,n=,r=abc',
    'y,,',
    'garbage',
    `n,,n=,r=${'x'.repeat(5000)}`,
  ]) {
    const client = stranger()
      .send(startup({ user: credential.username, database: 'orders' }))
      .framed()
    await client.upTo('R')
    client.send(saslInitial(initial))
    const answer = await client.next().catch(() => undefined)
    if (answer?.type === 'R') client.destroy()
    else assert.ok(answer === undefined || answer.type === 'E')
  }
  assert.deepEqual(
    [...said].filter(one => !/^(28P01|08P01|28000)$/.test(one)),
    [],
  )
  await gatewayLives()
})

test('Q217: a PROXY header, HTTP, SSH and noise at the door are closed, and others are served meanwhile', {
  skip,
}, async () => {
  const noise = [
    'PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'SSH-2.0-x\r\n',
    '\r\n\r\n\0\r\nQUIT\n',
    randomBytes(4000).toString('latin1'),
  ]
  const sockets: Socket[] = []
  for (const text of noise)
    for (const port of Object.values(gateway.ports)) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.resume().write(text, 'latin1')
      sockets.push(socket)
    }
  await gatewayLives()
  for (const socket of sockets) socket.destroy()
})

test('Q: the SQL door repeats neither the lease nor where it leads', { skip }, async () => {
  const { client } = await entered()
  await client.query('select 1/0')
  await client.query('select * from orders where id = $$x$$::int')
  const all = client.received.toString('latin1')
  assert.ok(
    !all.includes(orders.passwords.ro) && !all.includes('app_ro') && !all.includes(String(orders.port)),
  )
})
