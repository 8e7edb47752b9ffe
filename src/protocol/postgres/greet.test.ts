import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls'
import { psql } from '../../../test/fixtures/clients.ts'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { run } from '../../../test/fixtures/run.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { issueAuthority, issueServer } from '../../listener/certificate.ts'
import { type Doorway, type OpenDoor, openDoor } from './door.fixture.ts'
import { RawClient, rawStartup, saslInitial, startup } from './raw.fixture.ts'
import { frame, PASSWORD } from './wire.ts'

const SSL = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const GSS = Buffer.from([0, 0, 0, 8, 4, 210, 22, 48])

describe('the greeting', () => {
  let home: Home
  let orders: TestOrders
  let door: OpenDoor
  let ca: string
  let tls: NonNullable<Doorway['keys']>
  const doors: OpenDoor[] = []
  const clients: RawClient[] = []
  const at = () => ({
    target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } } as const,
    lease: { user: 'app_ro', password: orders.passwords.ro },
  })
  const another = async (way: Partial<Doorway>): Promise<OpenDoor> => {
    const made = await openDoor({ ...at(), ...way })
    doors.push(made)
    return made
  }
  const raw = (at = door): RawClient => {
    const client = new RawClient(at.port)
    clients.push(client)
    return client
  }
  before(async () => {
    home = await openHome()
    orders = await startPostgres(home)
    const authority = await issueAuthority(Date.now(), 86_400_000)
    const server = await issueServer(authority, ['127.0.0.1', 'localhost'], Date.now(), 86_400_000)
    ca = join(home.dir, 'ca.pem')
    await writeFile(ca, authority.cert)
    tls = { tls: createSecureContext({ cert: server.cert, key: server.key }) }
    door = await another({ keys: tls })
  })
  after(async () => {
    for (const client of clients) client.destroy()
    for (const one of doors) await one.close()
    await home?.close()
  })
  const fatalOf = async (client: RawClient): Promise<string> => {
    const fatal = (await client.framed().rest()).find(message => message.type === 'E')
    return fatal === undefined ? 'closed' : `${fatal.fields.S} ${fatal.fields.C}`
  }

  test('psql comes in over TLS and checks whom it reached', async () => {
    const ran = await psql(door.url(`sslmode=verify-full&sslrootcert=${ca}`), 'select 1')
    assert.equal(ran.stdout.trim(), '1', ran.stderr)
  })

  test('psql comes in without TLS where plaintext may be taken, and only there', async () => {
    assert.equal((await psql(door.url('sslmode=disable'), 'select 1')).status, 0)
    const strict = await another({ keys: { ...tls, plaintext: false } })
    const refused = await psql(strict.url('sslmode=disable'), 'select 1')
    assert.match(refused.stderr, /TLS only/)
    assert.equal((await psql(strict.url('sslmode=require'), 'select 1')).status, 0)
  })

  test('direct TLS needs ALPN postgresql', async () => {
    const open = async (protocols: string[]): Promise<TLSSocket> => {
      const socket = connectTls({
        port: door.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ALPNProtocols: protocols,
      })
      socket.on('error', () => undefined)
      await new Promise<void>(resolve => {
        socket.once('secureConnect', () => resolve())
        socket.once('close', () => resolve())
      })
      return socket
    }
    const good = await open(['postgresql'])
    good.write(startup({ user: door.grant, database: 'orders' }))
    const [answer] = (await once(good, 'data')) as [Buffer]
    assert.equal(answer.toString('latin1', 0, 1), 'R')
    good.destroy()
    for (const wrong of [[], ['http/1.1']]) {
      const socket = await open(wrong)
      const said: Buffer[] = []
      socket.on('data', (chunk: Buffer) => said.push(chunk))
      socket.write(startup({ user: door.grant, database: 'orders' }))
      if (!socket.closed) await once(socket, 'close')
      assert.deepEqual(said, [])
    }
  })

  test('bytes sent in clear behind the request for TLS end the connection before any S', async () => {
    const client = raw().send(SSL, startup({ user: door.grant, database: 'orders' }))
    assert.equal(await fatalOf(client), 'FATAL 08P01')
    assert.notEqual(client.received[0], 0x53)
  })

  test('GSS is declined, and encryption is asked for once', async () => {
    const client = raw().send(GSS)
    assert.equal(await client.byte(), 0x4e)
    client.send(GSS)
    assert.equal(await fatalOf(client), 'FATAL 08P01')
  })

  test('a second request for TLS inside TLS ends the connection', async () => {
    const client = raw().send(SSL)
    assert.equal(await client.byte(), 0x53)
    const inside = connectTls({ socket: client.socket, rejectUnauthorized: false })
    await once(inside, 'secureConnect')
    inside.write(SSL)
    const [answer] = (await once(inside, 'data')) as [Buffer]
    assert.match(answer.toString('latin1'), /^E.*08P01/s)
  })

  for (const [what, packet, outcome] of [
    ['replication', startup({ user: 'u', replication: 'true' }), 'FATAL 42501'],
    ['options', startup({ user: 'u', options: '-c session_replication_role=replica' }), 'FATAL 42501'],
    ['search_path', startup({ user: 'u', search_path: 'evil' }), 'FATAL 42501'],
    ['a setting in other case', startup({ user: 'u', Search_Path: 'evil' }), 'FATAL 42501'],
    [
      'a value that would close a quote',
      startup({ user: 'u', TimeZone: "x'; drop table y; --" }),
      'FATAL 22023',
    ],
    ['another encoding', startup({ user: 'u', client_encoding: 'SJIS' }), 'FATAL 0A000'],
    ['no user', startup({ database: 'orders' }), 'FATAL 28000'],
    ['user twice', rawStartup('user\0a\0user\0b\0\0'), 'FATAL 08P01'],
    ['a name without a value', rawStartup('user\0'), 'FATAL 08P01'],
    ['no end', rawStartup('user\0a\0'), 'FATAL 08P01'],
    ['ten thousand parameters', rawStartup(`${'a\0b\0'.repeat(2000)}\0`), 'FATAL 08P01'],
    ['protocol 2.0', startup({ user: 'u' }, 131072), 'FATAL 0A000'],
    ['a length of 0', Buffer.alloc(8), 'FATAL 08P01'],
    ['a length of 2 GiB', Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0]), 'FATAL 08P01'],
    ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0]), 'FATAL 08P01'],
  ] as const) {
    test(`a startup packet with ${what} is refused: ${outcome}`, async () => {
      const before = door.sessions.length
      assert.equal(await fatalOf(raw().send(packet)), outcome)
      assert.equal(door.sessions.length, before)
    })
  }

  test('another database than the grant opens is refused, and only to who has proven who he is', async () => {
    const client = raw()
    await assert.rejects(client.login(door.grant, door.password, { database: 'postgres' }), /FATAL 3D000/)
    const stranger = raw()
    await assert.rejects(stranger.login('g_nobody', 'x', { database: 'postgres' }), /FATAL 28P01/)
  })

  test('a newer minor version and unknown _pq_ options are negotiated', async () => {
    const client = raw()
      .framed()
      .send(startup({ user: door.grant, '_pq_.one': '1', '_pq_.two': '2' }, 0x0003270f))
    const { type, payload } = await client.next()
    assert.equal(type, 'v')
    assert.deepEqual([payload.readUInt32BE(0), payload.readUInt32BE(4)], [196610, 2])
    assert.equal(payload.toString('latin1', 8), '_pq_.one\0_pq_.two\0')
    const plain = raw()
    const ready = await plain.login(door.grant, door.password, { database: 'orders' }, 196610)
    assert.equal(ready.at(-1)?.type, 'Z')
  })

  test('a driver may choose its time zone and date style, and is told of them', async () => {
    const client = raw()
    const ready = await client.login(door.grant, door.password, {
      database: 'orders',
      TimeZone: 'Asia/Tokyo',
      DateStyle: 'German',
      application_name: 'a test',
    })
    const told = ready.filter(message => message.type === 'S').map(message => message.payload.toString())
    assert.ok(told.includes('TimeZone\0Asia/Tokyo\0'), told.join())
    assert.ok(told.includes('application_name\0a test\0'))
    assert.equal(
      told.some(one => one.startsWith('session_authorization')),
      false,
    )
    const shown = await client.query('show timezone')
    assert.match(shown[1]?.payload.toString() ?? '', /Asia\/Tokyo/)
    assert.match(
      door.sessions.at(-1)?.recorder.statements()[0] ?? '',
      /application_name=a test.*TimeZone=Asia\/Tokyo/,
    )
  })

  test("the upstream session names the grant, and the key the client gets is the gateway's", async () => {
    const client = raw()
    const ready = await client.login(door.grant, door.password, { database: 'orders' })
    const key = ready.find(message => message.type === 'K')?.payload
    assert.deepEqual(key, Buffer.from(door.sessions.at(-1)?.cancelKey ?? []))
    const [activity] = (await orders.activity()).filter(
      one => one.application_name === `postern/${door.grant}`,
    )
    assert.notEqual(activity, undefined)
    assert.equal(client.received.includes(orders.passwords.ro), false)
  })

  for (const [what, user, wrong] of [
    ['a wrong password', 'grant', 'pst_wrong'],
    ['an unknown user', 'g_unknown', 'pst_wrong'],
  ] as const) {
    test(`${what} gets the whole exchange and the one answer for all`, async () => {
      const name = user === 'grant' ? door.grant : user
      const client = raw()
      await assert.rejects(client.login(name, wrong, { database: 'orders' }), {
        message: `FATAL 28P01: password authentication failed for user "${name}"`,
      })
    })
  }

  for (const [what, first] of [
    ['an authzid', 'n,a=admin,n=,r=abcdefghijkl'],
    ['channel binding that was not offered', 'p=tls-server-end-point,,n=,r=abcdefghijkl'],
    ['a name with a bare equals sign', 'n,,n=a=b,r=abcdefghijkl'],
    ['an extension', 'n,,m=x,n=,r=abcdefghijkl'],
    ['no nonce', 'n,,n=,r='],
    ['nothing', ''],
  ] as const) {
    test(`SCRAM with ${what} fails`, async () => {
      const client = raw().send(startup({ user: door.grant, database: 'orders' }), saslInitial(first))
      assert.equal(await fatalOf(client), 'FATAL 28P01')
    })
  }

  for (const [what, message] of [
    ['another mechanism', saslInitial('n,,n=,r=abcdefghijkl', 'SCRAM-SHA-1')],
    ['a length that lies', frame(PASSWORD, 'SCRAM-SHA-256\0', Uint8Array.of(0x7f, 0xff, 0xff, 0xff), 'x')],
    ['a password message without an end', frame(PASSWORD, 'abc')],
  ] as const) {
    test(`${what} in place of SCRAM is a protocol violation`, async () => {
      assert.equal(await fatalOf(raw().send(startup({ user: door.grant }), message)), 'FATAL 08P01')
    })
  }

  test('a token is asked for in clear only inside TLS or on loopback', async () => {
    const tokens = await another({ keys: { ...tls, loopback: false }, tokenLogin: true })
    const clear = raw(tokens)
      .framed()
      .send(startup({ user: 'orders-db', database: 'orders' }))
    assert.equal((await clear.next()).payload.readUInt32BE(0), 10)
    const url = `postgresql://orders-db@127.0.0.1:${tokens.port}/orders?sslmode=require`
    const ran = await run('psql', ['-X', '-At', url, '-c', 'select 1'], {
      env: { PGPASSWORD: 'a.good.token' },
    })
    assert.equal(ran.stdout.trim(), '1', ran.stderr)
    const wrong = await run('psql', ['-X', '-At', url, '-c', 'select 1'], {
      env: { PGPASSWORD: 'a.bad.token' },
    })
    assert.match(wrong.stderr, /FATAL: .*signature does not verify/)
  })
})
