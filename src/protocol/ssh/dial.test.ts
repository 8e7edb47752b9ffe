import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { after, test } from 'node:test'
import ssh2 from 'ssh2'
import { Secret } from '../../config/secret.ts'
import { Refused } from '../../denial.ts'
import { message } from '../../statement/sftp/fields.ts'
import type { Grant, Narrowed } from '../../words.ts'
import { newKey } from './hostkey.ts'
import { proofOf } from './identity.ts'
import { ssh } from './index.ts'
import { msg } from './messages.ts'
import type { SshScope } from './scope.ts'
import { signerOf } from './signature.ts'
import { Wire } from './wire.ts'

const key = newKey()
const servers: Server[] = []
after(() => {
  for (const server of servers) server.close()
})

function publicOf(pem: string): string {
  const parsed = ssh2.utils.parseKey(pem)
  if (parsed instanceof Error) throw parsed
  return `${parsed.type} ${parsed.getPublicSSH().toString('base64')}`
}

/** A host of the enemy's: what it does with each message is the test's. */
async function host(meet: (socket: Socket) => void): Promise<number> {
  const server = createServer(meet)
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as { port: number }).port
}

function speaking(answer: (wire: Wire, type: number) => void, hostKey = key) {
  return (socket: Socket) => {
    const wire: Wire = new Wire(socket, {
      role: { kind: 'server', proof: proofOf(signerOf(hostKey) ?? assert.fail()) },
      onReady: () => undefined,
      onMessage: type => {
        if (type === msg.serviceRequest) wire.send(message(msg.serviceAccept, 'ssh-userauth'))
        else answer(wire, type)
      },
      onTurn: () => undefined,
      onDrain: () => undefined,
      onEnd: () => undefined,
    })
  }
}

async function dial(
  port: number,
  signal = new AbortController().signal,
  lease: object = { user: 'root', password: new Secret('s3cret') },
) {
  const outcome = await ssh.dial({
    target: ssh.target.parse({ host: '127.0.0.1', port, host_key: publicOf(key) }),
    lease: lease as never,
    scope: ssh.scope.schema.parse({}) as Narrowed<SshScope>,
    grant: { id: 'g_1' } as Grant,
    session: 's_1',
    signal,
  })
  if (!(outcome instanceof Refused)) {
    outcome.destroy()
    return 'in'
  }
  assert.ok(!outcome.denial.detail.includes('s3cret'))
  return `${outcome.denial.code} ${outcome.denial.detail}`
}

test('a host with the pinned key that takes the lease is reached', async () => {
  assert.equal(await dial(await host(speaking(wire => wire.send(message(msg.userauthSuccess))))), 'in')
  const withKey = { user: 'root', private_key: new Secret(newKey()) }
  assert.equal(
    await dial(await host(speaking(wire => wire.send(message(msg.userauthSuccess)))), undefined, withKey),
    'in',
  )
})

test("a host with another key gets nothing, not even the user's name (attack 129)", async () => {
  let asked = 0
  const port = await host(
    speaking(() => {
      asked++
    }, newKey()),
  )
  assert.match(
    await dial(port),
    /^upstream_unreachable \S+: the host showed SHA256:[\w+/]{43} where target\.host_key is SHA256:[\w+/]{43}: another host, or somebody in between$/,
  )
  assert.equal(asked, 0)
})

test('a host that asks questions is answered nothing (attack 129)', async () => {
  const heard: number[] = []
  const port = await host(
    speaking((wire, type) => {
      heard.push(type)
      wire.send(message(msg.userauth60, 'a question', '', '', 1, 'Password: ', false))
    }),
  )
  assert.match(await dial(port), /^upstream_refused .*asked a question/)
  assert.deepEqual(heard, [msg.userauthRequest])
})

test('a host that refuses the lease, breaks the protocol or closes is told of as such', async () => {
  assert.match(
    await dial(await host(speaking(wire => wire.send(message(msg.userauthFailure, 'x', false))))),
    /^upstream_refused .*does not take the lease/,
  )
  assert.match(
    await dial(await host(speaking(wire => wire.send(message(msg.channelOpen, 'x11', 0, 1, 1))))),
    /^upstream_unreachable/,
  )
  assert.match(await dial(await host(socket => socket.destroy())), /^upstream_unreachable/)
  assert.match(await dial(1), /^upstream_unreachable .*ECONNREFUSED/)
  const unusable = { user: 'root', private_key: new Secret('nonsense') }
  assert.match(await dial(await host(speaking(() => undefined)), undefined, unusable), /not a private key/)
})

test('a host that says nothing is left when the session ends (attack 193)', async () => {
  const abort = new AbortController()
  let socket: Socket | undefined
  const port = await host(one => {
    socket = one
    one.on('error', () => one.destroy())
    abort.abort()
  })
  assert.match(await dial(port, abort.signal), /^upstream_unreachable .*the session ended/)
  if (socket !== undefined && !socket.destroyed) {
    socket.resume()
    await once(socket, 'close')
  }
})
