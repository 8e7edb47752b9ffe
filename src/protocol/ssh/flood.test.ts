/** Clients that put thousands of requests into one packet, and take none of the answers (attack 192). */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { message } from '../../statement/sftp/fields.ts'
import { framed, fxp } from '../../statement/sftp/packet.ts'
import { channelData } from './messages.ts'
import { RawClient } from './raw.fixture.ts'
import { until, type World, world } from './world.fixture.ts'

let w: World
before(async () => {
  w = await world()
})
after(() => w.close())

async function sftp(window = 0xffff_ffff) {
  const client = await RawClient.enter(w, w.grant({ sftp: 'read' }))
  const channel = await client.channel(0, window)
  await client.start(channel, 'subsystem', 'sftp')
  client.send(channelData(channel, framed(message(fxp.init, 3)), false))
  await until(() => client.data.length > 0, 'a version')
  return { client, channel }
}

/** With as many open handles as there may be: what would open more is answered here, and is no refusal. */
async function full({ client, channel }: Awaited<ReturnType<typeof sftp>>) {
  for (let n = 0; n < 128; n++) client.send(channelData(channel, framed(message(fxp.opendir, n, '/')), false))
  const handle = framed(message(fxp.handle, 0, Buffer.alloc(4)))
  const had = client.data.length
  await until(() => client.data.length >= had + 128 * handle.length, 'handles')
  return { client, channel }
}

const times = (count: number, packet: Buffer) => Buffer.concat(Array.from({ length: count }, () => packet))

/** As often as the session lives, without a look at its windows. */
async function pour(
  { client, channel }: Awaited<ReturnType<typeof sftp>>,
  data: Buffer,
  most: number,
): Promise<void> {
  for (let n = 0; n < most && w.last().ending === undefined; n++) {
    client.send(channelData(channel, data, false))
    await new Promise(resolve => setImmediate(resolve))
    await until(() => client.socket.writableLength < 2 << 20 || client.socket.destroyed, 'it is taken')
  }
}

test('requests that mean nothing are refused, and a thousand of them are enough', async () => {
  for (const nothing of [
    message(99, 7),
    message(fxp.close, 7, 'none'),
    message(fxp.stat, 7, Buffer.of(0xff)),
  ]) {
    const one = await sftp()
    one.client.socket.pause()
    await pour(one, times(1500, framed(nothing)), 20)
    await until(() => w.last().ending !== undefined, 'the end')
    assert.equal(w.last().ending?.why, 'limit_exceeded')
    assert.equal(w.last().recorder.of('refused').length, 1000)
    one.client.socket.destroy()
  }
})

test('whoever takes no answers is given no window for what is answered here', async () => {
  const one = await full(await sftp())
  one.client.socket.pause()
  await pour(one, times(2000, framed(message(fxp.opendir, 7, '/'))), 1000)
  await until(() => w.last().ending !== undefined, 'the end')
  assert.equal(w.last().ending?.why, 'protocol_violation')
  one.client.socket.destroy()
})

test('what waits for its turn is answered to the last, in order', async () => {
  const { client, channel } = await full(await sftp())
  const from = client.data.length
  const packets = Array.from({ length: 2200 }, (_, n) => framed(message(fxp.opendir, n, '/')))
  client.send(channelData(channel, Buffer.concat(packets), false))
  await until(
    () => client.data.subarray(-2200).includes(framed(message(fxp.status, 2199)).subarray(4)),
    'all',
  )
  const answers = client.data.subarray(from)
  let count = 0
  for (let at = 0; at < answers.length; at += 4 + answers.readUInt32BE(at))
    assert.equal(answers.readUInt32BE(at + 5), count++)
  assert.equal(count, 2200)
  client.socket.destroy()
})

test('what breaks the protocol in a later turn ends the session as what breaks it at once', async () => {
  const { client, channel } = await full(await sftp())
  const packets = times(1500, framed(message(fxp.opendir, 7, '/')))
  client.send(channelData(channel, Buffer.concat([packets, Buffer.alloc(4, 0xff)]), false))
  await client.end()
  assert.equal(w.last().ending?.why, 'protocol_violation')
})
