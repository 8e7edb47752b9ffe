import assert from 'node:assert/strict'
import { test } from 'node:test'
import { message } from '../../statement/sftp/fields.ts'
import { framed } from '../../statement/sftp/packet.ts'
import { Ends } from './ends.ts'
import { msg, type Payload } from './messages.ts'
import { Pace } from './pace.ts'
import { Intake } from './sftp-intake.ts'
import type { RelaySide } from './sides.ts'

const turn = () => new Promise(resolve => setImmediate(resolve))

/** One channel whose host takes all that it is given, and whose client takes no answers while `blocked`. */
function channel() {
  const state = { blocked: false, full: false }
  const pace = new Pace({ blocked: () => state.blocked, goOn: act => act() })
  const said: number[] = []
  const say = (payload: Payload) =>
    void said.push(payload instanceof Uint8Array ? (payload[0] ?? 0) : (payload[0][0] ?? 0))
  const relay = { pace, toNear: say, toFar: say } as unknown as RelaySide
  const ends = new Ends(relay, { id: 0, near: 0, window: 1 << 20, packet: 32_768 })
  ends.confirm(0, 1 << 20, 32_768)
  said.length = 0
  const taken: number[] = []
  const intake = new Intake(ends, {
    request: body => void taken.push(body.readUInt32BE(1)),
    full: () => state.full,
    settle: () => ends.up.settle(),
  })
  /** As a channel does with what its client says. */
  const push = (data: Buffer) => {
    ends.up.spend(data.length)
    intake.push(data)
  }
  return { state, pace, ends, intake, taken, push, said }
}

const many = (from: number, count: number, more = Buffer.alloc(0)) =>
  Buffer.concat(Array.from({ length: count }, (_, n) => framed(message(99, from + n, { raw: more }))))
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)

test('of the requests in one message 256 are taken in a turn, of long ones fewer; the rest in order', async () => {
  const one = channel()
  one.push(many(0, 3500))
  assert.equal(one.taken.length, 256)
  one.push(many(3500, 10))
  assert.equal(one.taken.length, 256)
  for (let before = 256; one.taken.length < 3510; before = one.taken.length) {
    await turn()
    assert.ok(one.taken.length - before <= 2 * 256 && one.taken.length > before, 'no turn is without work')
  }
  assert.deepEqual(one.taken, upTo(3510))
  const long = channel()
  long.push(many(0, 200, Buffer.alloc(4096)))
  assert.ok(long.taken.length < 90, `${long.taken.length}`)
  while (long.taken.length < 200) await turn()
  assert.deepEqual(long.taken, upTo(200))
})

test('while the client takes no answers no request is taken and no window given; then all, and EOF behind them', async () => {
  const one = channel()
  one.state.blocked = true
  const bytes = many(0, 60_000)
  for (let at = 0; at < bytes.length; at += 32_000) one.push(bytes.subarray(at, at + 32_000))
  one.intake.after(() => one.ends.sendEof())
  for (let n = 0; n < 5; n++) await turn()
  assert.equal(one.taken.length, 0)
  assert.equal(one.said.length, 0, 'neither a window nor EOF')
  one.state.blocked = false
  one.pace.wake()
  while (one.taken.length < 60_000) await turn()
  assert.deepEqual(one.taken, upTo(60_000))
  assert.deepEqual(
    [one.said.at(-1), one.said.filter(type => type === msg.channelEof).length],
    [msg.channelEof, 1],
  )
  const windows = one.said.filter(type => type === msg.channelWindowAdjust)
  assert.ok(windows.length > 0)
})

test('behind a close, or when the session is over, nothing that waits is taken', async () => {
  for (const end of ['close', 'session']) {
    const one = channel()
    one.push(many(0, 3000))
    if (end === 'close') one.ends.closeFar()
    else one.pace.end()
    one.push(many(3000, 10))
    for (let n = 0; n < 10; n++) await turn()
    assert.equal(one.taken.length, 256, end)
  }
})

test('while as many are under way as may be none is taken, and an answer takes the next', async () => {
  const one = channel()
  one.state.full = true
  one.push(many(0, 3))
  one.push(many(3, 2000))
  one.intake.after(() => one.ends.sendEof())
  for (let n = 0; n < 5; n++) await turn()
  assert.deepEqual([one.taken, one.said], [[], []])
  one.state.full = false
  one.intake.answered()
  one.intake.answered()
  while (one.taken.length < 2003) await turn()
  assert.deepEqual(one.taken, upTo(2003))
  assert.equal(one.said.at(-1), msg.channelEof)
})
