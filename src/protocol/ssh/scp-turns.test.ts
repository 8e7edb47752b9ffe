/** scp's lines without a host: how many of them are done in a turn, and what those cost that wait. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Recorder, Seq } from '../../recording/record.ts'
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import { framed, fxp, fxStatus, statusPacket } from '../../statement/sftp/packet.ts'
import { Ends } from './ends.ts'
import { msg, type Payload } from './messages.ts'
import { Pace } from './pace.ts'
import { Scp } from './scp.ts'
import type { SftpRelay } from './sftp.ts'
import type { SftpClient } from './sftp-sides.ts'
import type { RelaySide } from './sides.ts'

const turn = () => new Promise(resolve => setImmediate(resolve))

type Answers = (type: number, id: number) => Buffer | undefined
const nothingThere: Answers = (_, id) => statusPacket(id, fxStatus.failure, '')

/** Answers the greeting, and all else as it is told to. */
function host(client: SftpClient, answers: Answers): SftpRelay {
  const fromNear = (packet: Buffer) => {
    const [type = 0, id] = [packet[4], new Reader(packet, 5).u32()]
    const answer = type === fxp.init ? framed(message(fxp.version, 3)) : answers(type, id)
    if (answer !== undefined) client.push(answer)
  }
  return { fromNear, fromFar: () => undefined, end: () => undefined } as unknown as SftpRelay
}

/** A client that takes no answers while `blocked`; `oks` are the zero bytes that it was sent. */
function scp(way: 'to_host' | 'from_host', answers = way === 'to_host' ? nothingThere : () => undefined) {
  const at = { oks: 0, closed: false, blocked: false }
  const pace = new Pace({ blocked: () => at.blocked, goOn: act => act() })
  const toNear = (payload: Payload) => {
    if (!(payload instanceof Uint8Array)) at.oks += payload[1].filter(byte => byte === 0).length
    else if (payload[0] === msg.channelClose) at.closed = true
  }
  const ends = new Ends({ pace, toNear, toFar: () => undefined } as unknown as RelaySide, {
    ...{ id: 0, near: 0, window: 1 << 30, packet: 32_768 },
  })
  ends.confirm(0, 1 << 20, 32_768)
  const recorder = { result: () => undefined } as unknown as Recorder
  const command = { way, recursive: true, times: true, directory: false, paths: ['/x'] }
  const script = new Scp(command, ends, { recorder, of: 1 as Seq }, client => host(client, answers))
  script.begin()
  script.moved()
  return { at, pace, say: (data: Buffer) => script.fromNear(data) }
}

test('of the lines in one message no more are done in a turn than there are steps for, the rest in turns of their own', async () => {
  const { at, say } = scp('to_host')
  await turn()
  const before = at.oks
  say(Buffer.from('T1 0 1 0\n'.repeat(3000)))
  assert.ok(at.oks > before && at.oks - before <= 1024, `${at.oks}`)
  for (let last = at.oks; at.oks < before + 3000; last = at.oks) {
    await turn()
    assert.ok(at.oks > last && at.oks - last <= 2 * 1024)
  }
})

test('while the client takes no answers none of its lines is done', async () => {
  const { at, pace, say } = scp('to_host')
  await turn()
  const before = at.oks
  at.blocked = true
  for (let n = 0; n < 10; n++) say(Buffer.from('T1 0 1 0\n'.repeat(50)))
  for (let n = 0; n < 5; n++) await turn()
  assert.equal(at.oks, before)
  at.blocked = false
  pace.wake()
  for (let n = 0; n < 5; n++) await turn()
  assert.equal(at.oks, before + 500)
})

test('a client that only warns is shown out after a thousand', async () => {
  const { at, say } = scp('to_host')
  await turn()
  say(Buffer.from('\u0001\n'.repeat(1000)))
  for (let n = 0; n < 10; n++) await turn()
  assert.equal(at.closed, false)
  say(Buffer.from('\u0001\n'))
  for (let n = 0; n < 10; n++) await turn()
  assert.equal(at.closed, true)
})

test('what waits is not copied for each piece that comes, and of answers little waits', async t => {
  const { at, pace, say } = scp('to_host')
  await turn()
  const before = at.oks
  at.blocked = true
  const buffers = t.mock.method(Buffer, 'allocUnsafe').mock
  const copies = t.mock.method(Buffer, 'concat').mock
  const line = Buffer.from('T1 0 1 0\n')
  for (let n = 0; n < 36_000; n++) say(line.subarray(n % 9, (n % 9) + 1))
  assert.equal(copies.callCount(), 0)
  assert.ok(buffers.callCount() < 20, `${buffers.callCount()}`)
  at.blocked = false
  pace.wake()
  while (at.oks < before + 4000) await turn()
  const taker = scp('from_host')
  // The first is the beginning's yes.
  taker.say(Buffer.alloc(1))
  taker.say(Buffer.alloc(8192))
  assert.throws(() => taker.say(Buffer.alloc(1)), Malformed)
})

test('a host that names files without end, in one folder or in one within the other, ends the copy', async () => {
  const name = (id: number, names: readonly string[]) =>
    framed(message(fxp.name, id, names.length, ...names.flatMap(one => [one, '', 0])))
  const long = 'n'.repeat(200_000)
  for (const inEach of [Number.POSITIVE_INFINITY, 20]) {
    let asked = 0
    let left = 0
    const { at, say } = scp('from_host', (type, id) => {
      if (type === fxp.stat) return framed(message(fxp.attrs, id, 4, 0o040755))
      if (type === fxp.readdir) asked++
      if (type === fxp.opendir) left = inEach
      if (type === fxp.readdir && left-- > 0) return name(id, ['folder', long])
      return type === fxp.opendir ? framed(message(fxp.handle, id, 'h')) : statusPacket(id, fxStatus.ok, '')
    })
    for (let n = 0; n < 400 && !at.closed && asked < 400; n++) {
      say(Buffer.alloc(1))
      await turn()
    }
    assert.ok(at.closed && asked < 100, `${asked}`)
  }
})
