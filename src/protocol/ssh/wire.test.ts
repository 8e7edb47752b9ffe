import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { message, Reader } from '../../statement/sftp/fields.ts'
import { hostileHost, type Meet } from './hostile.fixture.ts'
import { newKey } from './hostkey.ts'
import { pinned, proofOf } from './identity.ts'
import { pinnedKey } from './knownhosts.ts'
import { channelData, channelRequest, msg } from './messages.ts'
import { sshClients } from './openssh.fixture.ts'
import { signerOf } from './signature.ts'
import { Wire, type WireOptions } from './wire.ts'
import { run, until, type World, world } from './world.fixture.ts'

const key = signerOf(newKey()) ?? assert.fail()
let w: World
before(async () => {
  w = await world()
})
after(() => w.close())

interface End {
  readonly wire: Wire
  readonly heard: number[]
  readonly ends: (Error | undefined)[]
  readonly ready: Promise<void>
}

function end(socket: Socket, role: WireOptions['role'], rekey: NonNullable<WireOptions['rekey']> = {}): End {
  const [heard, ends]: [number[], (Error | undefined)[]] = [[], []]
  const ready = Promise.withResolvers<void>()
  const wire = new Wire(socket, {
    role,
    rekey,
    onReady: () => ready.resolve(),
    onMessage: type => void heard.push(type),
    onTurn: () => undefined,
    onDrain: () => undefined,
    onEnd: error => void ends.push(error),
  })
  return { wire, heard, ends, ready: ready.promise }
}

async function pair(t: TestContext, rekey: WireOptions['rekey']): Promise<{ client: End; server: End }> {
  const listening = createServer()
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const socket = connect((listening.address() as { port: number }).port, '127.0.0.1')
  const [accepted] = (await once(listening, 'connection')) as [Socket]
  const server = end(accepted, { kind: 'server', proof: proofOf(key) })
  t.after(() => {
    socket.destroy()
    listening.close()
  })
  const client = end(socket, { kind: 'client', trust: pinned(key.blob) }, rekey)
  await Promise.all([client.ready, server.ready])
  return { client, server }
}

test('keys are changed after so many bytes, counted both ways, and after so much time', async t => {
  const byBytes = await pair(t, { bytes: 1_000_000 })
  const data = Buffer.alloc(30_000)
  for (let i = 0; i < 150; i++) byBytes.server.wire.send([message(msg.channelData, 0, data.length), data])
  await until(() => byBytes.client.heard.length === 150, 'everything arrives')
  await until(() => byBytes.server.wire.exchanges >= 2, 'new keys')
  assert.deepEqual([...byBytes.client.ends, ...byBytes.server.ends], [])
  const byTime = await pair(t, { millis: 60 })
  await until(() => byTime.server.wire.exchanges >= 4, 'new keys, again and again')
  assert.deepEqual([...byTime.client.ends, ...byTime.server.ends], [])
})

test('a wire that is not read from changes its keys all the same, and is not read from after', async t => {
  const { client, server } = await pair(t, { bytes: 1_000_000 })
  client.wire.pause()
  const data = Buffer.alloc(30_000)
  for (let i = 0; i < 40; i++) client.wire.send([message(msg.channelData, 0, data.length), data])
  await until(() => client.wire.exchanges === 2 && !client.wire.blocked, 'new keys')
  server.wire.send(message(msg.globalRequest, 'later', false))
  await wait(100)
  assert.deepEqual(client.heard, [])
  client.wire.resume()
  await until(() => client.heard.length === 1, 'it is read again')
  assert.deepEqual([...client.ends, ...server.ends], [])
})

for (const [after, rekey] of [
  ['so much time', { millis: 400 }],
  ['so many bytes', { bytes: 1_000_000 }],
] as const)
  test(`OpenSSH's server takes the new keys that we wish for after ${after}`, async t => {
    const trust = pinned((await pinnedKey(w.target)) ?? assert.fail())
    const socket = connect(w.target.port, '127.0.0.1')
    t.after(() => socket.destroy())
    const { wire, ends, heard, ready } = end(socket, { kind: 'client', trust }, rekey)
    await ready
    wire.send(message(msg.serviceRequest, 'ssh-userauth'))
    const lease = signerOf(readFileSync(join(w.folder, 'lease'), 'utf8')) ?? assert.fail()
    const user = process.env.USER ?? 'root'
    const request = message(
      msg.userauthRequest,
      ...[user, 'ssh-connection', 'publickey', true, lease.type, lease.blob],
    )
    const covered = message(0, wire.sessionId, { raw: request }).subarray(1)
    wire.send(Buffer.concat([request, message(0, lease.sign(lease.type, covered)).subarray(1)]))
    await until(() => heard.includes(msg.userauthSuccess), 'logged in')
    const before = wire.exchanges
    await until(() => {
      for (let i = 0; i < 20 && 'bytes' in rekey; i++) wire.send(message(msg.ignore, Buffer.alloc(30_000)))
      return wire.exchanges >= before + 3
    }, 'new keys, again and again')
    wire.send(message(msg.globalRequest, 'keepalive@openssh.com', true))
    await until(() => heard.includes(msg.requestFailure), 'an answer under the newest keys')
    assert.deepEqual(ends, [])
  })

for (const { of, ssh, skip } of sshClients)
  test(`${of}'s ssh takes the new keys that we wish for in the middle of what it gets`, { skip }, async t => {
    // As much as its first window takes.
    const pieces = Array.from({ length: 60 }, () => randomBytes(16_384).toString('hex'))
    let exchanges = 0
    const answer = async (wire: Wire) => {
      wire.send(message(msg.channelSuccess, 0))
      for (const piece of pieces) {
        wire.send(channelData(0, Buffer.from(piece), false))
        while (wire.blocked) await new Promise(resolve => setImmediate(resolve))
      }
      wire.send(channelRequest(0, 'exit-status', false, 7))
      wire.send(message(msg.channelClose, 0))
    }
    const meet: Meet = (wire, type, payload) => {
      const fields = new Reader(payload, 1)
      if (type === msg.channelOpen) {
        fields.text()
        wire.send(message(msg.channelOpenConfirmation, fields.u32(), 0, 1 << 20, 32_768))
      } else if (type === msg.channelRequest) {
        void answer(wire)
      } else if (type === msg.channelClose) exchanges = wire.exchanges
    }
    const at = { target: { ...w.target } }
    t.after(await hostileHost(at, meet, { bytes: 300_000 }))
    const known = ['-o', 'UserKnownHostsFile=/dev/null', '-o', 'StrictHostKeyChecking=no']
    const ran = await run(ssh, ['-F', 'none', ...known, '-p', String(at.target.port), '127.0.0.1', 'x'])
    assert.equal(ran.code, 7, ran.stderr)
    assert.ok(ran.stdout === pieces.join(''))
    await until(() => exchanges >= 5, 'new keys, again and again')
  })

test('a peer that does nothing but change keys is shown out (attack 126)', async t => {
  const { client, server } = await pair(t, { millis: 1 })
  await until(() => server.ends.length === 1, 'the end')
  assert.match(String(server.ends[0]), /too many key exchanges/)
  assert.ok(client.wire.exchanges < 20)
})
