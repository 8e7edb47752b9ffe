/** SCRAM bound to the channel, and OAUTHBEARER, at the door: with psql where it can, with bytes where no client would. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { createSecureContext } from 'node:tls'
import fc from 'fast-check'
import { psql } from '../../../test/fixtures/clients.ts'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { issueAuthority, issueServer } from '../../listener/certificate.ts'
import { type Doorway, type OpenDoor, openDoor } from './door.fixture.ts'
import { readBearer } from './oauth.ts'
import { type Message, RawClient, saslInitial, startup } from './raw.fixture.ts'
import { clientBare, clientFinal, MECHANISM, MECHANISM_PLUS } from './scram.ts'
import { frame, int32, PASSWORD } from './wire.ts'

let home: Home
let orders: TestOrders
let keys: NonNullable<Doorway['keys']>
const doors: OpenDoor[] = []
const clients: RawClient[] = []
before(async () => {
  home = await openHome()
  orders = await startPostgres(home)
  const authority = await issueAuthority(Date.now(), 86_400_000)
  const server = await issueServer(authority, ['127.0.0.1', 'localhost'], Date.now(), 86_400_000)
  keys = { tls: createSecureContext({ cert: server.cert, key: server.key }) }
})
after(async () => {
  for (const client of clients) client.destroy()
  for (const door of doors) await door.close()
  await home?.close()
})

async function doorWith(way: Partial<Doorway> = {}): Promise<OpenDoor> {
  const door = await openDoor({
    target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
    lease: { user: 'app_ro', password: orders.passwords.ro },
    keys,
    ...way,
  })
  doors.push(door)
  return door
}

function raw(door: OpenDoor): RawClient {
  const client = new RawClient(door.port)
  clients.push(client)
  return client
}

const offered = ({ payload }: Message): string[] => payload.toString('latin1', 4).split('\0').filter(Boolean)
const last = async (client: RawClient): Promise<string> => {
  const error = (await client.rest()).find(({ type }) => type === 'E')
  return `${error?.fields.S} ${error?.fields.C}`
}

/** SCRAM with a header and a binding of the test's choice. */
async function bound(
  door: OpenDoor,
  mechanism: string,
  header: string,
  data: (real: Buffer | null) => Buffer | null,
) {
  const client = raw(door)
  const real = await client.tls()
  client.framed().send(startup({ user: door.grant, database: 'orders' }))
  await client.next()
  const nonce = randomBytes(18).toString('base64')
  client.send(saslInitial(`${header}${clientBare(nonce)}`, mechanism))
  const challenge = await client.next()
  if (challenge.type !== 'R') return `${challenge.fields.S} ${challenge.fields.C}`
  const binding = { header, data: data(real) }
  const final = await clientFinal(door.password, nonce, challenge.payload.toString('latin1', 4), binding)
  assert.ok(final)
  client.send(frame(PASSWORD, final.message))
  const proof = await client.next()
  if (proof.type !== 'R') return `${proof.fields.S} ${proof.fields.C}`
  return (await client.upTo('Z')).at(-1)?.type
}

test('psql binds SCRAM to the TLS channel where it is told to demand that', async () => {
  const door = await doorWith()
  const ran = await psql(door.url('sslmode=require&channel_binding=require'), 'select 1')
  assert.equal(ran.stdout.trim(), '1', ran.stderr)
})

test('channel binding is offered inside TLS and nowhere else', async () => {
  const door = await doorWith()
  const clear = raw(door)
    .framed()
    .send(startup({ user: door.grant }))
  assert.deepEqual(offered(await clear.next()), [MECHANISM])
  const secure = raw(door)
  await secure.tls()
  assert.deepEqual(
    offered(
      await secure
        .framed()
        .send(startup({ user: door.grant }))
        .next(),
    ),
    [MECHANISM_PLUS, MECHANISM],
  )
})

test('a binding is verified, and a client that was talked out of it is refused', async () => {
  const door = await doorWith()
  const plus = 'p=tls-server-end-point,,'
  const itself = (real: Buffer | null) => real
  const nothing = () => null
  assert.equal(await bound(door, MECHANISM_PLUS, plus, itself), 'Z')
  assert.equal(await bound(door, MECHANISM, 'n,,', nothing), 'Z')
  const wrong: readonly Parameters<typeof bound>[] = [
    // Somebody in between showed another certificate.
    [door, MECHANISM_PLUS, plus, () => randomBytes(32)],
    [door, MECHANISM_PLUS, plus, nothing],
    // "I could, but you did not offer": somebody took the offer out.
    [door, MECHANISM, 'y,,', nothing],
    [door, MECHANISM, plus, itself],
    [door, MECHANISM_PLUS, 'n,,', nothing],
    [door, MECHANISM_PLUS, 'y,,', nothing],
    [door, MECHANISM_PLUS, 'p=tls-unique,,', itself],
  ]
  for (const attempt of wrong)
    assert.equal(await bound(...attempt), 'FATAL 28P01', attempt.slice(1, 3).join(' '))
})

// ---- OAUTHBEARER

const oauth = { user: 'orders-db', database: 'orders', options: '-c postern.login=oauth' }
const bearer = (token: string): string => `n,,\u0001auth=Bearer ${token}\u0001\u0001`

test('OAUTHBEARER is offered to who asks for it at a connection with token_login, in private', async () => {
  const door = await doorWith({ tokenLogin: true })
  const asking = raw(door).framed().send(startup(oauth))
  assert.deepEqual(offered(await asking.next()), ['OAUTHBEARER', MECHANISM])
  const silent = raw(door)
    .framed()
    .send(startup({ user: 'orders-db', database: 'orders' }))
  assert.equal((await silent.next()).payload.readUInt32BE(0), 3)
  const grant = raw(door)
    .framed()
    .send(startup({ ...oauth, user: door.grant }))
  assert.deepEqual(offered(await grant.next()), [MECHANISM])
  const remote = await doorWith({ tokenLogin: true, keys: { ...keys, loopback: false } })
  assert.deepEqual(offered(await raw(remote).framed().send(startup(oauth)).next()), [MECHANISM])
  const secure = raw(remote)
  await secure.tls()
  assert.deepEqual(offered(await secure.framed().send(startup(oauth)).next()), ['OAUTHBEARER', MECHANISM])
  const other = raw(door)
    .framed()
    .send(startup({ ...oauth, options: '-c postern.login=oauth -c search_path=x' }))
  assert.equal(await last(other), 'FATAL 42501')
})

test('a token comes in by OAUTHBEARER, at once or after an empty challenge', async () => {
  const door = await doorWith({ tokenLogin: true })
  const good = raw(door).framed().send(startup(oauth))
  await good.next()
  good.send(saslInitial(bearer('a.good.token'), 'OAUTHBEARER'))
  assert.equal((await good.upTo('Z')).at(-1)?.type, 'Z')
  const late = raw(door).framed().send(startup(oauth))
  await late.next()
  late.send(frame(PASSWORD, 'OAUTHBEARER\0', int32(-1)))
  const challenge = await late.next()
  assert.deepEqual([challenge.type, challenge.payload], ['R', int32(11)])
  late.send(frame(PASSWORD, bearer('a.good.token').replace('n,,', 'y,,')))
  assert.equal((await late.upTo('Z')).at(-1)?.type, 'Z')
})

test('a bad token is refused as RFC 7628 has it: the failure in JSON, one byte of the client, the error', async () => {
  const door = await doorWith({ tokenLogin: true, tokenIssuer: 'https://issuer.example.com' })
  const shows = (token: string): RawClient =>
    raw(door)
      .framed()
      .send(startup(oauth), saslInitial(bearer(token), 'OAUTHBEARER'))
  const bad = shows('a.bad.token')
  assert.equal((await bad.next()).payload.readUInt32BE(0), 10)
  const { type, payload } = await bad.next()
  assert.deepEqual([type, payload.readUInt32BE(0)], ['R', 11])
  assert.deepEqual(JSON.parse(payload.toString('utf8', 4)), {
    status: 'invalid_token',
    'openid-configuration': 'https://issuer.example.com/.well-known/openid-configuration',
    scope: 'openid',
  })
  assert.equal(bad.messages.length, 0)
  bad.send(frame(PASSWORD, '\u0001'))
  assert.equal(await last(bad), 'FATAL 28000')
  assert.deepEqual([door.refused.length, door.noted.length], [1, 0])
  // Nothing else than that byte, and no second try on this connection.
  for (const word of ['', '\u0001\u0001', bearer('a.good.token')]) {
    const insists = shows('a.bad.token')
    await insists.next()
    await insists.next()
    insists.send(frame(PASSWORD, word))
    assert.equal(await last(insists), 'FATAL 08P01', word)
  }
  assert.equal(door.sessions.length, 0)
  const silent = shows('a.bad.token')
  assert.equal(await last(silent), 'FATAL 57P01')
})

test('a client without a token is told where to get one, and nobody counts it', async () => {
  const door = await doorWith({ tokenLogin: true, tokenIssuer: 'https://issuer.example.com/oauth2/default' })
  const asks = (): RawClient =>
    raw(door).framed().send(startup(oauth), saslInitial('n,,\u0001auth=\u0001\u0001', 'OAUTHBEARER'))
  const client = asks()
  await client.next()
  const { payload } = await client.next()
  assert.equal(payload.readUInt32BE(0), 11)
  assert.deepEqual(JSON.parse(payload.toString('utf8', 4)), {
    status: 'invalid_token',
    'openid-configuration': 'https://issuer.example.com/oauth2/default/.well-known/openid-configuration',
    scope: 'openid',
  })
  client.send(frame(PASSWORD, '\u0001'))
  assert.equal(await last(client), 'FATAL 28000')
  assert.deepEqual([door.noted, door.refused], [[], []])
  const impatient = asks()
  impatient.send(frame(PASSWORD, bearer('a.good.token')))
  assert.equal(await last(impatient), 'FATAL 08P01')
})

test('what is no OAUTHBEARER message is a protocol violation', async () => {
  const door = await doorWith({ tokenLogin: true })
  const wrong = [
    '',
    'n,,',
    'n,a=admin,\u0001auth=Bearer x\u0001\u0001',
    'p=tls-server-end-point,,\u0001auth=Bearer x\u0001\u0001',
    'n,,\u0001auth=Bearer x\u0001',
    'n,,\u0001auth=Bearer x\u0001\u0001more',
    'n,,\u0001auth=Bearer x\u0001auth=Bearer y\u0001\u0001',
    'n,,\u0001auth=Basic x\u0001\u0001',
    'n,,\u0001auth=Bearer x y\u0001\u0001',
    'n,,\u0001host=a\u0001\u0001',
    'n,,\u0001auth=Bearer \u00e4\u0001\u0001',
  ]
  for (const message of wrong) {
    assert.equal(readBearer(message), null, message)
    const client = raw(door).framed().send(startup(oauth), saslInitial(message, 'OAUTHBEARER'))
    assert.equal(await last(client), 'FATAL 08P01', message)
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const read = readBearer(text)
      assert.ok(read === null || read.asks === 'discovery' || /^[A-Za-z0-9._~+/=-]+$/.test(read.token))
    }),
  )
  assert.deepEqual(readBearer('n,,\u0001host=db\u0001port=5432\u0001auth=bearer  a.b-c==\u0001\u0001'), {
    asks: 'login',
    token: 'a.b-c==',
  })
})

test('a client that asks for protocol 3.0 with options is never answered with a newer version', async () => {
  const door = await doorWith()
  const client = raw(door)
    .framed()
    .send(startup({ user: door.grant, '_pq_.one': '1' }, 196608))
  const { type, payload } = await client.next()
  assert.deepEqual([type, payload.readUInt32BE(0), payload.readUInt32BE(4)], ['v', 196608, 1])
})
