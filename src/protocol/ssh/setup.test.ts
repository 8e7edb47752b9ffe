import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { message, Reader } from '../../statement/sftp/fields.ts'
import { hostileHost, type Meet } from './hostile.fixture.ts'
import { channelData, channelRequest, msg } from './messages.ts'
import { RawClient } from './raw.fixture.ts'
import { until, type World, world } from './world.fixture.ts'

const scope = { exec: ['sh', 'env'], pty: true, env: ['FOO'], sftp: 'read' }
const pty = (channel: number) => channelRequest(channel, 'pty-req', true, 'xterm', 80, 24, 0, 0, Buffer.of(0))
const typed = (channel: number) => [
  channelData(channel, Buffer.from('tty; : word\nexit\n'), false),
  message(msg.channelEof, channel),
]
const touches = (at: World, kind: string) =>
  (at.last().recorder.of('allowed') as { kind: string; touches: { on: string }[] }[])
    .filter(one => one.kind === kind)
    .flatMap(one => one.touches.map(touch => touch.on))
const forms = (at: World) => at.last().recorder.of('stream') as { kind: string; cols?: number }[]
const streams = (at: World) => at.last().recorder.of('end') as { typed: string; text: string }[]

let w: World
before(async () => {
  w = await world()
})
after(() => w.close())

test('what is typed where no terminal was given is recorded, however early or in vain it was asked for', async () => {
  const without = await world({ extra: 'PermitTTY no' })
  for (const patient of [true, false]) {
    const client = await RawClient.enter(without, without.grant(scope))
    const channel = await client.channel(0)
    client.send(pty(channel))
    if (patient) await client.see(msg.channelFailure)
    client.send(channelRequest(channel, 'exec', true, 'sh'), ...typed(channel))
    await client.see(msg.channelClose)
    assert.deepEqual([client.count(msg.channelFailure), client.count(msg.channelSuccess)], [1, 1])
    assert.match(client.data.toString(), /not a tty/)
    assert.deepEqual(forms(without), [{ kind: 'digest', what: 'exec' }])
    assert.equal(streams(without)[0]?.typed, 'tty; : word\nexit\n')
  }
  await without.close()
  // The numbers of channels are given in order, so that one can be asked of before it is open.
  const client = await RawClient.enter(w, w.grant(scope))
  client.send(message(msg.channelOpen, 'session', 0, 1 << 20, 32_768), pty(0))
  client.send(channelRequest(0, 'env', true, 'FOO', 'early'))
  await client.see(msg.channelOpenConfirmation)
  await client.see(msg.channelFailure, 2)
  client.send(channelRequest(0, 'exec', true, 'sh'), ...typed(0))
  await client.see(msg.channelClose)
  assert.equal(streams(w)[0]?.typed, 'tty; : word\nexit\n')
  assert.deepEqual(touches(w, 'exec'), ['sh'])
})

test('a terminal and variables asked for in one go with their command are given, set and on record, later sizes too', async () => {
  const client = await RawClient.enter(w, w.grant(scope))
  const channel = await client.channel(0)
  client.send(
    pty(channel),
    channelRequest(channel, 'env', false, 'FOO', 'one'),
    channelRequest(channel, 'window-change', false, 90, 30, 0, 0),
    channelRequest(channel, 'exec', true, 'sh'),
    channelData(channel, Buffer.from('echo $FOO; stty size\n'), false),
  )
  await until(() => client.data.includes('30 90'), 'its size at the start')
  client.send(
    channelRequest(channel, 'window-change', false, 100, 40, 0, 0),
    channelData(channel, Buffer.from('stty size; exit\n'), false),
  )
  await client.see(msg.channelClose)
  assert.match(client.data.toString(), /one\r\n30 90.*40 100/s)
  assert.equal(client.count(msg.channelSuccess), 2, 'of what no answer was wanted to there is none')
  assert.deepEqual(touches(w, 'exec'), ['sh', 'FOO=one'])
  assert.deepEqual([forms(w)[0]?.kind, forms(w)[0]?.cols], ['terminal', 90])
  assert.deepEqual(w.last().recorder.of('resize'), [{ cols: 100, rows: 40 }])
  assert.equal(streams(w)[0]?.typed, '')
  const files = await RawClient.enter(w, w.grant(scope))
  const other = await files.channel(0)
  files.send(channelRequest(other, 'env', false, 'FOO', 'two'))
  await files.start(other, 'subsystem', 'sftp')
  assert.deepEqual(touches(w, 'subsystem'), ['sftp', 'FOO=two'])
})

test("what a client sends wrong while the host is asked is its own breach, and not the host's", async () => {
  const client = await RawClient.enter(w, w.grant(scope))
  const channel = await client.channel(0)
  client.send(
    channelRequest(channel, 'env', true, 'FOO', 'one'),
    channelRequest(channel, 'subsystem', true, 'sftp'),
    channelData(channel, Buffer.alloc(4, 0xff), false),
  )
  await client.end()
  assert.equal(w.last().ending?.why, 'protocol_violation')
})

test('nothing is run or sent on until the host has said what it set, and what waits is bounded', async () => {
  const at = await world()
  const seen: string[] = []
  let answer: (type: number) => void = () => undefined
  const meet: Meet = (wire, type, payload) => {
    const fields = new Reader(payload, 1)
    if (type === msg.channelOpen) fields.text()
    const id = fields.u32()
    if (type === msg.channelOpen) {
      wire.send(message(msg.channelOpenConfirmation, id, 0, 1 << 30, 32_768))
      answer = reply => wire.send(message(reply, id))
    } else if (type === msg.channelRequest) seen.push(fields.text())
    else seen.push(`message ${type}`)
  }
  const close = await hostileHost(at, meet)
  const client = await RawClient.enter(at, at.grant(scope))
  const channel = await client.channel(0)
  client.send(channelRequest(channel, 'env', true, 'FOO', 'never'))
  client.send(channelRequest(channel, 'exec', true, 'sh'), channelData(channel, Buffer.from('x'), false))
  await until(() => seen.length > 0, 'the host is asked')
  client.send(message(msg.globalRequest, 'keepalive@openssh.com', true))
  await client.see(msg.requestFailure)
  assert.deepEqual(seen, ['env'])
  assert.equal(at.last().recorder.of('allowed').length, 0)
  answer(msg.channelFailure)
  await until(() => seen.length === 3, 'the command is run')
  assert.deepEqual(seen, ['env', 'exec', `message ${msg.channelData}`])
  assert.deepEqual(touches(at, 'exec'), ['sh'])
  answer(msg.channelSuccess)
  await client.see(msg.channelSuccess)
  assert.equal(client.count(msg.channelFailure), 1)

  const flood = await RawClient.enter(at, at.grant(scope))
  const into = await flood.channel(0)
  flood.send(pty(into), channelRequest(into, 'exec', true, 'sh'))
  for (let n = 0; n < 80; n++) flood.send(channelData(into, Buffer.alloc(32_000), false))
  await flood.end()
  assert.equal(at.last().ending?.why, 'protocol_violation')
  close()
  await at.close()
})
