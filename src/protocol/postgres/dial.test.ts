import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createSecureContext, TLSSocket } from 'node:tls'
import { startPostgres, type TestOrders, turnOnTls } from '../../../test/fixtures/postgres.ts'
import { SecretRef } from '../../config/secret.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { Refused } from '../../denial.ts'
import { issueAuthority, issueServer } from '../../listener/certificate.ts'
import type { Grant, Narrowed } from '../../words.ts'
import { endPointOf } from './binding.ts'
import { dial } from './dial.ts'
import { verifierOf, wholeScope } from './door.fixture.ts'
import type { PostgresScope } from './scope.ts'
import { serverFinal, serverFirst } from './scram.ts'
import type { PostgresTarget } from './target.ts'
import { AUTHENTICATION, ERROR, frame, int32, ready, report } from './wire.ts'

const PASSWORD = 'the-lease-password'
const SSL = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

describe('dialling', () => {
  let home: Home
  let orders: TestOrders
  let ca: string
  let cert: { cert: string; key: string }
  const servers: Server[] = []
  const sockets: (Socket | TLSSocket)[] = []
  before(async () => {
    home = await openHome()
    const authority = await issueAuthority(Date.now(), 86_400_000)
    cert = await issueServer(authority, ['127.0.0.1', 'localhost'], Date.now(), 86_400_000)
    ca = join(home.dir, 'ca.pem')
    await writeFile(ca, authority.cert)
    orders = await startPostgres(home)
  })
  after(async () => {
    for (const socket of sockets) socket.destroy()
    for (const server of servers) server.close()
    await home?.close()
  })

  const reach = async (
    target: Partial<PostgresTarget>,
    password = PASSWORD,
    signal = new AbortController().signal,
  ) => {
    process.env.DIAL_TEST_PASSWORD = password
    return dial({
      target: {
        host: '127.0.0.1',
        port: orders.port,
        database: 'orders',
        tls: { mode: 'disable' },
        ...target,
      },
      lease: { user: 'app_ro', password: await new SecretRef('env:DIAL_TEST_PASSWORD').resolve() },
      scope: wholeScope as Narrowed<PostgresScope>,
      grant: { id: 'g_dial' } as Grant,
      session: 's_dial',
      signal,
    })
  }
  /** A server of bytes; what it was sent is kept. */
  const fake = async (
    behave: (socket: Socket, said: Buffer) => void,
  ): Promise<{ port: number; heard: () => Buffer }> => {
    let heard = Buffer.alloc(0)
    const server = createServer(socket => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      socket.on('data', (chunk: Buffer) => {
        heard = Buffer.concat([heard, chunk])
        behave(socket, chunk)
      })
    })
    servers.push(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return { port: (server.address() as { port: number }).port, heard: () => heard }
  }
  const refusal = (outcome: unknown): string => {
    assert.ok(outcome instanceof Refused, 'it was not refused')
    return `${outcome.denial.code}: ${outcome.denial.detail}`
  }

  test('a wrong password is the target refusing, in its own words, and no socket stays', async () => {
    assert.match(refusal(await reach({}, 'wrong')), /^upstream_refused: 28P01/)
    assert.equal((await orders.activity()).length, 0)
  })

  test('the guard is told which version the server has', async () => {
    const upstream = await reach({}, orders.passwords.ro)
    assert.ok(!(upstream instanceof Refused))
    const { rows } = await orders.run('orders', 'show server_version_num')
    assert.equal(upstream.own.version, Math.floor(Number(rows[0]?.server_version_num) / 10_000))
    await upstream[Symbol.asyncDispose]()
  })

  test("the guard is told of the database's own operators", async () => {
    await orders.run(
      'orders',
      `create function public.joined(text, text) returns text language sql as 'select $1';
       create operator public.+ (leftarg = text, rightarg = text, function = public.joined)`,
    )
    const upstream = await reach({}, orders.passwords.ro)
    assert.ok(!(upstream instanceof Refused))
    assert.deepEqual(upstream.own.unsaid, [
      { needs: 'operator +', how: 'in', calls: 'public.joined', place: null },
    ])
    await upstream[Symbol.asyncDispose]()
    await orders.run('orders', 'drop function public.joined cascade')
  })

  test('a database in another encoding than UTF8 is refused, and the operators are told why', async () => {
    for (const encoding of ['LATIN1', 'SQL_ASCII']) {
      const database = encoding.toLowerCase()
      await orders.run(
        'postgres',
        `create database ${database} encoding '${encoding}' lc_collate 'C' lc_ctype 'C' template template0`,
      )
      assert.match(
        refusal(await reach({ database }, orders.passwords.ro)),
        new RegExp(`^upstream_refused: .*${encoding}`),
      )
    }
  })

  test('nobody there, and somebody who says nothing, cannot be reached', async () => {
    assert.match(refusal(await reach({ port: 1 })), /^upstream_unreachable/)
    const silent = await fake(() => undefined)
    assert.match(
      refusal(await reach({ port: silent.port }, PASSWORD, AbortSignal.timeout(100))),
      /^upstream_unreachable/,
    )
  })

  test('TLS that is demanded and declined ends it before anything is said', async () => {
    for (const mode of ['require', 'verify-full'] as const) {
      const clear = await fake(socket => socket.write('N'))
      assert.match(refusal(await reach({ port: clear.port, tls: { mode } })), /^upstream_refused: .*TLS/)
      assert.deepEqual(clear.heard(), SSL)
    }
  })

  test('bytes behind the S, in clear, end it', async () => {
    const early = await fake(socket =>
      socket.write(Buffer.concat([Buffer.from('S'), frame(AUTHENTICATION, int32(0))])),
    )
    assert.match(refusal(await reach({ port: early.port, tls: { mode: 'require' } })), /^upstream_refused/)
    assert.deepEqual(early.heard(), SSL)
  })

  for (const [what, meddle, outcome] of [
    ['its own certificate', (real: Buffer | null) => real, /^upstream_refused: 28000 enough/],
    ['the certificate of somebody in between', () => Buffer.alloc(32), /^upstream_refused: 28P01/],
  ] as const) {
    test(`SCRAM towards a target inside TLS is bound to ${what}`, async () => {
      const steps: string[] = []
      const secure = await fake(socket => {
        socket.removeAllListeners('data')
        socket.write('S')
        const tls = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(cert) })
        sockets.push(tls)
        let step: ReturnType<typeof serverFirst> = null
        const verifier = verifierOf(PASSWORD)
        tls.on('error', () => undefined)
        tls.on('data', (chunk: Buffer) => {
          const said = chunk.toString('latin1')
          steps.push(said)
          if (steps.length === 1) {
            tls.write(frame(AUTHENTICATION, int32(10), 'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'))
          } else if (steps.length === 2) {
            const endPoint = meddle(endPointOf(tls.getX509Certificate()))
            const channel = { endPoint, mechanism: said.slice(5, said.indexOf('\0', 5)) }
            step = serverFirst(said.slice(said.indexOf('p=tls')), verifier, 'server-part', channel)
            tls.write(frame(AUTHENTICATION, int32(11), step?.message ?? ''))
          } else {
            const proof = step === null ? null : serverFinal(step, said.slice(5), verifier)
            tls.write(
              proof === null
                ? report(ERROR, { S: 'FATAL', C: '28P01', M: 'no' })
                : Buffer.concat([
                    frame(AUTHENTICATION, int32(12), proof),
                    report(ERROR, { S: 'FATAL', C: '28000', M: 'enough' }),
                  ]),
            )
          }
        })
      })
      const refused = refusal(await reach({ port: secure.port, tls: { mode: 'require' } }))
      assert.match(refused, outcome)
      assert.match(steps[1] ?? '', /SCRAM-SHA-256-PLUS\0.*p=tls-server-end-point,,/s)
    })
  }

  test('a server with a certificate of nobody known is not spoken to under verify-full', async () => {
    const secure = await fake(socket => {
      socket.removeAllListeners('data')
      socket.write('S')
      const tls = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(cert) })
      tls.on('error', () => undefined)
      sockets.push(tls)
    })
    assert.match(
      refusal(await reach({ port: secure.port, tls: { mode: 'verify-full' } })),
      /^upstream_unreachable/,
    )
  })

  for (const [what, answer] of [
    ['a password in clear', frame(AUTHENTICATION, int32(3))],
    ['Kerberos', frame(AUTHENTICATION, int32(7))],
    [
      'only a SASL mechanism with channel binding',
      frame(AUTHENTICATION, int32(10), 'SCRAM-SHA-256-PLUS\0\0'),
    ],
    ['OAuth', frame(AUTHENTICATION, int32(10), 'OAUTHBEARER\0\0')],
    ['a row of a GiB', Buffer.from([0x44, 0x40, 0, 0, 0])],
    ['a length of 0', Buffer.from([0x52, 0, 0, 0, 0])],
    ['an unknown message', Buffer.from([0x7a, 0, 0, 0, 4])],
    ['ready before any authentication', ready(0x49)],
    ['an error without a SQLSTATE', report(ERROR, { M: 'go away' })],
    ['an error without anything', frame(ERROR, '\0')],
  ] as const) {
    test(`a server that answers with ${what} is refused and learns nothing`, async () => {
      const hostile = await fake(socket => socket.write(answer))
      assert.match(refusal(await reach({ port: hostile.port })), /^upstream_refused/)
      assert.equal(hostile.heard().includes(PASSWORD), false)
    })
  }

  for (const [what, after] of [
    ['no proof of its own', (socket: Socket) => socket.write(frame(AUTHENTICATION, int32(0)))],
    [
      'a false proof',
      (socket: Socket) => socket.write(frame(AUTHENTICATION, int32(12), `v=${'A'.repeat(43)}=`)),
    ],
    [
      'a request for the password in clear',
      (socket: Socket) => socket.write(frame(AUTHENTICATION, int32(3))),
    ],
    ['a request for md5', (socket: Socket) => socket.write(frame(AUTHENTICATION, int32(5), 'salt'))],
  ] as const) {
    test(`a server that goes on after SCRAM with ${what} is refused`, async () => {
      let step = 0
      const hostile = await fake((socket, said) => {
        step++
        if (step === 1) socket.write(frame(AUTHENTICATION, int32(10), 'SCRAM-SHA-256\0\0'))
        else if (step === 2) {
          const first = said.toString('latin1', 5 + 14 + 4)
          const challenge = serverFirst(first, verifierOf('whatever'), 'servernonce')
          socket.write(frame(AUTHENTICATION, int32(11), challenge?.message ?? ''))
        } else if (step === 3) after(socket)
      })
      assert.match(refusal(await reach({ port: hostile.port })), /^upstream_refused/)
      assert.equal(hostile.heard().includes(PASSWORD), false)
    })
  }

  test('a server that demands a million rounds of hashing is refused', async () => {
    let step = 0
    const hostile = await fake((socket, said) => {
      if (++step === 1) socket.write(frame(AUTHENTICATION, int32(10), 'SCRAM-SHA-256\0\0'))
      else {
        const nonce = /r=(.*)$/.exec(said.toString('latin1'))?.[1] ?? ''
        socket.write(frame(AUTHENTICATION, int32(11), `r=${nonce}abc,s=${'A'.repeat(24)},i=100000000`))
      }
    })
    assert.match(refusal(await reach({ port: hostile.port })), /^upstream_refused/)
  })
})

describe('dialling a PostgreSQL with TLS', () => {
  let home: Home
  let orders: TestOrders
  let ca: string
  before(async () => {
    home = await openHome()
    orders = await startPostgres(home)
    ca = join(home.dir, 'ca.pem')
    await writeFile(ca, await turnOnTls(orders))
  })
  after(() => home?.close())

  for (const tls of ['require', 'verify-full'] as const) {
    test(`under ${tls} the session is encrypted, and its cancel request too`, async () => {
      process.env.DIAL_TEST_PASSWORD = orders.passwords.ro
      const upstream = await dial({
        target: {
          host: '127.0.0.1',
          port: orders.port,
          database: 'orders',
          tls: tls === 'require' ? { mode: tls } : { mode: tls, ca },
        },
        lease: { user: 'app_ro', password: await new SecretRef('env:DIAL_TEST_PASSWORD').resolve() },
        scope: wholeScope as Narrowed<PostgresScope>,
        grant: { id: 'g_tls' } as Grant,
        session: 's_tls',
        signal: new AbortController().signal,
      })
      assert.ok(!(upstream instanceof Refused), upstream instanceof Refused ? upstream.denial.detail : '')
      const { rows } = await orders.run(
        'postgres',
        "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'app_ro'",
      )
      assert.deepEqual(rows, [{ ssl: true }])
      await upstream.cancel()
      await upstream[Symbol.asyncDispose]()
      upstream.destroy()
    })
  }
})
