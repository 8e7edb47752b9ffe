/** Hosts and clients that keep to the protocol's letters and to nothing else: what they say off the record, and what they pour. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { message, Reader } from '../../statement/sftp/fields.ts'
import { Frames, framed, fxp } from '../../statement/sftp/packet.ts'
import { hostileHost, type Meet } from './hostile.fixture.ts'
import { channelData, channelRequest, msg, type Payload } from './messages.ts'
import { RawClient } from './raw.fixture.ts'
import { until, type World, world } from './world.fixture.ts'

let real: World
let w: World
let meet: Meet
let close: () => void
before(async () => {
  real = await world()
  w = await world()
  close = await hostileHost(w, (...of) => meet(...of))
})
after(async () => {
  close()
  await w.close()
  await real.close()
})

const MiB = 1024 * 1024
const confirmed = (id: number, window = MiB) => message(msg.channelOpenConfirmation, id, 7, window, 32_768)
const idOf = (payload: Buffer) => {
  const fields = new Reader(payload, 1)
  fields.text()
  return fields.u32()
}
const said = Buffer.from('OFF THE RECORD')
/** For a client that has a MiB of window and gives no more. */
const tooMuch = (id: number) => [
  ...Array.from({ length: 64 }, () => channelData(id, Buffer.alloc(32_768), false)),
  channelData(id, said, false),
]

/** Opens its channels, and says this at that moment. */
const saying =
  (opening: (id: number) => readonly Payload[], started: typeof opening): Meet =>
  (wire, type, payload) => {
    const send = (payloads: ReturnType<typeof opening>) => payloads.forEach(one => void wire.send(one))
    if (type === msg.channelOpen) send(opening(idOf(payload)))
    else if (type === msg.channelRequest) send(started(0))
  }

async function run(asked: 'exec' | 'subsystem', what: string): Promise<RawClient> {
  const client = await RawClient.enter(w, w.grant({ exec: ['uptime'], sftp: 'read', cut_on: ['NEVER SAID'] }))
  client.send(message(msg.channelOpen, 'session', 0, MiB, 32_768), channelRequest(0, asked, true, what))
  return client
}

test('a host says nothing in a channel before it is open, before something runs in it, beyond its window, or behind its close', async () => {
  const ways: readonly (readonly [name: string, Meet])[] = [
    [
      'before the confirmation',
      saying(
        id => [channelData(id, said, false), confirmed(id)],
        () => [],
      ),
    ],
    [
      'stderr before anything runs',
      saying(
        id => [confirmed(id), channelData(id, said, true)],
        () => [],
      ),
    ],
    [
      'before anything runs',
      saying(
        id => [confirmed(id), channelData(id, said, false)],
        () => [],
      ),
    ],
    [
      'behind its close',
      saying(
        id => [confirmed(id)],
        () => [message(msg.channelSuccess, 0), message(msg.channelClose, 0), channelData(0, said, false)],
      ),
    ],
    [
      'behind all that its window holds',
      saying(
        id => [confirmed(id)],
        () => [message(msg.channelSuccess, 0), ...tooMuch(0)],
      ),
    ],
    [
      'a second EOF',
      saying(
        id => [confirmed(id)],
        () => [message(msg.channelSuccess, 0), message(msg.channelEof, 0), message(msg.channelEof, 0)],
      ),
    ],
  ]
  for (const [name, way] of ways) {
    meet = way
    const client = await RawClient.enter(w, w.grant({ exec: ['uptime'] }))
    client.send(message(msg.channelOpen, 'session', 0, MiB, 32_768))
    if (name.startsWith('behind') || name.startsWith('a second')) {
      await client.see(msg.channelOpenConfirmation)
      client.send(channelRequest(0, 'exec', true, 'uptime'))
    }
    await client.end()
    assert.ok(!client.data.includes(said), name)
    assert.match(w.last().ending?.text ?? '', /broke the protocol/, name)
  }
})

test('a host is held to its window in a forwarded connection too', async () => {
  meet = saying(
    id => [confirmed(id), ...tooMuch(id)],
    () => [],
  )
  const client = await RawClient.enter(w, w.grant({ forward: ['db:5432'] }))
  client.send(message(msg.channelOpen, 'direct-tcpip', 0, MiB, 32_768, 'db', 5432, '127.0.0.1', 1))
  await client.end()
  assert.ok(!client.data.includes(said))
  assert.match(w.last().ending?.text ?? '', /broke the protocol/)
})

test('what a host says on stderr beside sftp reaches nobody', async () => {
  meet = saying(
    id => [confirmed(id)],
    () => [message(msg.channelSuccess, 0), channelData(0, said, true)],
  )
  const client = await RawClient.enter(w, w.grant({ sftp: 'read' }))
  await client.start(await client.channel(0), 'subsystem', 'sftp')
  await wait(50)
  assert.equal(client.data.length, 0)
  assert.equal(client.ended, false)
  client.socket.destroy()
})

test('how a command ended is told once, however often a host says it', async () => {
  meet = saying(
    id => [confirmed(id)],
    () => [
      message(msg.channelSuccess, 0),
      ...Array.from({ length: 1000 }, (_, n) => channelRequest(0, 'exit-status', false, n)),
      message(msg.channelClose, 0),
    ],
  )
  const client = await run('exec', 'uptime').catch(() => assert.fail())
  await client.see(msg.channelOpenConfirmation)
  client.send(channelRequest(0, 'exec', true, 'uptime'))
  await client.see(msg.channelClose)
  assert.equal(client.count(msg.channelRequest), 1)
  client.socket.destroy()
})

test('a channel that its client closes before it is open is closed when it is, and runs nothing', async () => {
  let closed = 0
  meet = (wire, type, payload) => {
    if (type === msg.channelOpen) setTimeout(() => wire.send(confirmed(idOf(payload))), 50)
    if (type !== msg.channelClose) return
    closed++
    wire.send(message(msg.channelClose, new Reader(payload, 1).u32() === 7 ? closed - 1 : 0))
  }
  const client = await RawClient.enter(w, w.grant({ exec: ['uptime'] }))
  client.send(message(msg.channelOpen, 'session', 0, MiB, 32_768), message(msg.channelClose, 0))
  await client.see(msg.channelClose)
  await until(() => closed === 1, 'the host is told')
  client.send(channelRequest(0, 'exec', true, 'uptime'))
  await client.end()
  assert.equal(w.last().recorder.of('allowed').length, 0)
})

test('requests that wait for what their path is count against the window, and are no longer than they need be', async () => {
  let asked = 0
  const packets = (data: Buffer) => {
    const frames = new Frames()
    frames.push(data)
    return frames.next() ?? Buffer.alloc(5)
  }
  meet = (wire, type, payload) => {
    const say = (packet: Buffer) => wire.send(channelData(0, framed(packet), false))
    if (type === msg.channelOpen) wire.send(confirmed(idOf(payload)))
    else if (type === msg.channelRequest) wire.send(message(msg.channelSuccess, 0))
    if (type !== msg.channelData) return
    const body = packets(new Reader(payload, 5).bytes())
    if (body[0] === fxp.init) say(message(fxp.version, 3))
    // Where the client begins; what any other path is it does not say.
    else if (asked++ === 0) say(message(fxp.name, body.readUInt32BE(1), 1, '/data', '', 0))
  }
  const client = await RawClient.enter(w, w.grant({ sftp: { read: ['/data'] } }))
  const channel = await client.channel(0)
  await client.start(channel, 'subsystem', 'sftp')
  client.send(channelData(channel, framed(message(fxp.init, 3)), false))
  await until(() => client.data.length > 0, 'a version')
  const open = (id: number, bytes: number) =>
    client.send(
      channelData(channel, framed(message(fxp.open, id, '/data/x', 1, { raw: Buffer.alloc(bytes) })), false),
    )
  open(1, 16_385)
  await until(() => client.data.includes('too long'), 'it is not kept')
  for (let id = 2; id < 300 && !client.ended; id++) open(id, 16_000)
  await client.end()
  assert.equal(w.last().ending?.why, 'protocol_violation')
})

test('a write that the host does not answer holds on to nothing else that came with it', async () => {
  setFlagsFromString('--expose-gc')
  const held = () => {
    ;(runInNewContext('gc') as () => void)()
    return process.memoryUsage().arrayBuffers / MiB
  }
  let writes = 0
  meet = (wire, type, payload) => {
    const say = (packet: Buffer) => wire.send(channelData(0, framed(packet), false))
    if (type === msg.channelOpen) wire.send(confirmed(idOf(payload), 1 << 30))
    else if (type === msg.channelRequest) wire.send(message(msg.channelSuccess, 0))
    if (type !== msg.channelData) return
    const frames = new Frames()
    frames.push(Buffer.from(new Reader(payload, 5).bytes()))
    for (let body = frames.next(); body !== undefined; body = frames.next()) {
      if (body[0] === fxp.init) say(message(fxp.version, 3))
      else if (body[0] === fxp.open) say(message(fxp.handle, body.readUInt32BE(1), 'h'))
      else writes++
    }
  }
  const client = await RawClient.enter(w, w.grant({ sftp: 'write' }))
  const channel = await client.channel(0, 1 << 30)
  await client.start(channel, 'subsystem', 'sftp')
  const send = (...packets: readonly Buffer[]) =>
    client.send(channelData(channel, Buffer.concat(packets.map(framed)), false))
  send(message(fxp.init, 3))
  await until(() => client.data.length > 0, 'a version')
  const had = client.data.length
  send(message(fxp.open, 0, '/x', 2, 0))
  await until(() => client.data.length > had, 'a handle')
  const before = held()
  for (let id = 1; id <= 1500; id += 2) {
    send(message(fxp.write, id, 'h', 0n, 'x'), message(99, id + 1, { raw: Buffer.alloc(30_000) }))
    await until(() => writes > id / 2 - 20, 'the host has it')
  }
  await until(() => writes === 750, 'the host has all')
  // V8 gives buffers back a moment after it has collected them.
  await until(() => held() - before < 8, 'what came with the writes is let go')
  client.socket.destroy()
})

test('nothing stands behind the data in its message', async () => {
  const more = message(msg.channelData, 0, 'x', 'more')
  for (const [says, why] of [
    [[message(msg.channelSuccess, 0), more], 'upstream_closed'],
    [[message(msg.channelSuccess, 0)], 'protocol_violation'],
  ] as const) {
    meet = saying(
      id => [confirmed(id)],
      () => says,
    )
    const client = await RawClient.enter(w, w.grant({ exec: ['uptime'] }))
    await client.channel(0)
    client.send(channelRequest(0, 'exec', true, 'uptime'))
    if (why === 'protocol_violation') client.send(more)
    await client.end()
    assert.equal(w.last().ending?.why, why)
  }
})

/** Resident memory that `work` leaves, in MiB. */
async function grown(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss()
  await work()
  return (process.memoryUsage.rss() - before) / MiB
}

/** As fast as the socket takes it. */
async function pour(client: RawClient, payload: Buffer, times: number): Promise<void> {
  for (let n = 0; n < times && !client.ended && !client.socket.destroyed; n++) {
    client.send(payload)
    if (n % 500 === 0) await new Promise(resolve => setImmediate(resolve))
    while (client.socket.writableLength > MiB && !client.ended && !client.socket.destroyed) await wait(1)
  }
}

test('data of no bytes is held by nobody, in sftp or behind a full window', async () => {
  const more = await grown(async () => {
    const sftp = await RawClient.enter(real, real.grant({ sftp: 'read' }))
    const channel = await sftp.channel(0)
    await sftp.start(channel, 'subsystem', 'sftp')
    await pour(sftp, message(msg.channelData, channel, ''), 100_000)
    const sleeper = await RawClient.enter(real, real.grant({ exec: ['*'] }))
    const other = await sleeper.channel(0)
    await sleeper.start(other, 'exec', 'sleep 30')
    await pour(sleeper, message(msg.channelData, other, ''), 100_000)
    assert.equal(sftp.ended || sleeper.ended, false)
    sftp.socket.destroy()
    sleeper.socket.destroy()
  })
  assert.ok(more < 64, `${more.toFixed()} MiB`)
})

test('who asks on and takes no answers is shown out', async () => {
  const client = await RawClient.enter(real, real.grant({ exec: ['*'] }))
  client.socket.pause()
  await pour(client, message(msg.globalRequest, 'x'.repeat(200), true), 300_000)
  await until(() => real.last().ending !== undefined, 'the end')
  assert.match(real.last().ending?.text ?? '', /takes no answers/)
  client.socket.destroy()
})

test('who pours before login is shown out, and who pours after it leaves time for others', async () => {
  const stranger = await RawClient.connect(real)
  await pour(stranger, message(2, ''), 10_000)
  await stranger.end()
  const flood = await RawClient.enter(real, real.grant({ exec: ['*'] }))
  const other = await RawClient.enter(real, real.grant({ exec: ['*'] }))
  let pouring = true
  const poured = pour(flood, message(2, ''), 200_000).then(() => {
    pouring = false
  })
  const channel = await other.channel(0)
  await other.start(channel, 'exec', 'echo through')
  await until(() => other.data.includes('through'), 'the other is served')
  assert.ok(pouring, 'in the middle of it')
  flood.socket.destroy()
  other.socket.destroy()
  await poured
})
