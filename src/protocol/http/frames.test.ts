import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { closeFrame, FrameError, Frames } from './frames.ts'
import { cleaned } from './messages.ts'
import { Secrets } from './scrub.ts'

const server = (payload: Buffer, first = 0x81): Buffer => {
  const n = payload.length
  const head = n < 126 ? [first, n] : [first, 126, n >> 8, n & 255]
  return Buffer.concat([Buffer.from(head), payload])
}
const client = (payload: Buffer, mask = [1, 2, 3, 4]): Buffer => {
  const n = payload.length
  const head = n < 126 ? [0x82, 0x80 | n] : [0x82, 0xfe, n >> 8, n & 255]
  const masked = payload.map((byte, i) => byte ^ (mask[i & 3] ?? 0))
  return Buffer.concat([Buffer.from([...head, ...mask]), masked])
}

test('frames pass byte by byte as they were, and their payloads are seen unmasked', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 7 }),
      (payloads, step) => {
        for (const [from, make] of [
          ['server', server],
          ['client', client],
        ] as const) {
          const seen: Buffer[] = []
          let messages = 0
          const frames = new Frames(from, (payload, last) => {
            seen.push(Buffer.from(payload))
            if (last) messages += 1
            return payload
          })
          const wire = Buffer.concat(payloads.map(payload => make(Buffer.from(payload))))
          const out: Buffer[] = []
          for (let at = 0; at < wire.length; at += step) out.push(frames.push(wire.subarray(at, at + step)))
          assert.deepEqual(Buffer.concat(out), wire)
          assert.deepEqual(Buffer.concat(seen), Buffer.concat(payloads))
          assert.equal(messages, payloads.length)
          assert.ok(frames.atBoundary)
        }
      },
    ),
  )
})

test('in the middle of a frame nothing may be put in', () => {
  const frames = new Frames('server', payload => payload)
  frames.push(server(Buffer.from('abc')).subarray(0, 3))
  assert.ok(!frames.atBoundary)
})

test("what replaces a server's payload goes out in its place", () => {
  const frames = new Frames('server', payload => Buffer.alloc(payload.length, '*'))
  assert.equal(
    frames
      .push(server(Buffer.from('abc')))
      .subarray(2)
      .toString(),
    '***',
  )
})

test('what RFC 6455 forbids, and what is too large, ends it (attack 142)', () => {
  const code = (from: 'client' | 'server', bytes: number[]): number => {
    try {
      new Frames(from, payload => payload).push(Buffer.from(bytes))
      return 0
    } catch (error) {
      return error instanceof FrameError ? error.code : -1
    }
  }
  assert.equal(code('client', [0x81, 0x01, 0x61]), 1002)
  assert.equal(code('server', [0x81, 0x81, 0, 0, 0, 0, 0x61]), 1002)
  assert.equal(code('client', [0xc1, 0x80, 0, 0, 0, 0]), 1002)
  assert.equal(code('client', [0x83, 0x80, 0, 0, 0, 0]), 1002)
  assert.equal(code('client', [0x09, 0x80, 0, 0, 0, 0]), 1002)
  assert.equal(code('client', [0x89, 0xfe, 0, 200, 0, 0, 0, 0]), 1002)
  assert.equal(code('client', [0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0]), 1009)
  assert.equal(code('server', [0x82, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 1009)
  assert.equal(code('client', [0x82, 0x80, 0, 0, 0, 0]), 0)
})

test('a close frame says why in at most 123 bytes of whole characters', () => {
  const frame = closeFrame(1001, 'é'.repeat(100), 'server')
  assert.deepEqual([frame[0], frame[1], frame.readUInt16BE(2)], [0x88, 2 + 122, 1001])
  assert.equal(frame.subarray(4).toString(), 'é'.repeat(61))
  assert.deepEqual([...closeFrame(1001, 'x', 'client')], [0x88, 0x83, 0, 0, 0, 0, 0x03, 0xe9, 0x78])
})

const secret = 'sk-live-4f9a8b7c'
/** The payloads of a server's frames, messages joined and control frames apart. */
function read(wire: Buffer): { text: string; control: string[]; frames: number[][] } {
  let text = ''
  const control: string[] = []
  const frames: number[][] = []
  for (let at = 0; at < wire.length; ) {
    const first = wire[at] ?? 0
    const short = wire[at + 1] ?? 0
    const head = short === 126 ? 4 : 2
    const length = short === 126 ? wire.readUInt16BE(at + 2) : short
    const payload = wire.toString('latin1', at + head, at + head + length)
    if ((first & 15) >= 8) control.push(payload)
    else text += payload
    frames.push([first, length])
    at += head + length
  }
  return { text, control, frames }
}

test("the lease's value is found over reads and fragments, with pings between them, and frames stay as they were", () => {
  const between = fc.constantFrom<Buffer[]>(
    [],
    [],
    [server(Buffer.from('ping'), 0x89)],
    [server(Buffer.alloc(0), 0)],
  )
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(secret, secret.slice(0, 9), secret.slice(9), 'x', 's', 'sk-live-'), {
        maxLength: 6,
      }),
      fc.array(fc.tuple(fc.integer({ min: 1, max: 12 }), between), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 40 }),
      (parts, cuts, step) => {
        const whole = parts.join('')
        const wire: Buffer[] = []
        let at = 0
        for (const [size, more] of cuts) {
          wire.push(server(Buffer.from(whole.slice(at, at + size)), at === 0 ? 0x01 : 0x00), ...more)
          at += size
        }
        wire.push(server(Buffer.from(whole.slice(at)), 0x80))
        let told = ''
        const frames = new Frames(
          'server',
          cleaned(new Secrets([secret]), (clean, _, opcode) => {
            if (opcode < 8) told += clean.toString('latin1')
          }),
        )
        const out: Buffer[] = []
        const all = Buffer.concat(wire)
        for (let from = 0; from < all.length; from += step)
          out.push(Buffer.from(frames.push(Buffer.from(all.subarray(from, from + step)))))
        const before = read(all)
        const after = read(Buffer.concat(out))
        assert.equal(after.text, whole.replaceAll(secret, '*'.repeat(secret.length)))
        assert.equal(told, after.text)
        assert.deepEqual(after.control, before.control)
        assert.deepEqual(after.frames, before.frames)
        assert.ok(frames.atBoundary)
      },
    ),
  )
})

test('a control frame has none either; nothing may be put in where a part is held, and not for ever', () => {
  const frames = () =>
    new Frames(
      'server',
      cleaned(new Secrets([secret]), () => undefined),
    )
  const close = server(Buffer.from(`\x03\xe8${secret}`, 'latin1'), 0x88)
  const one = frames()
  assert.equal(Buffer.concat([...close].map(byte => one.push(Buffer.from([byte])))).indexOf('sk-'), -1)
  const two = frames()
  const held = two.push(server(Buffer.from(secret.slice(0, 8)), 0x01))
  assert.deepEqual([...held], [0x01, 8])
  assert.ok(!two.atBoundary)
  const ping = server(Buffer.alloc(100), 0x89)
  assert.throws(
    () => {
      for (let n = 0; n < 1000; n++) two.push(ping)
    },
    (error: unknown) => error instanceof FrameError && error.code === 1009,
  )
})

test('a message that begins within another, or goes on where none began, is refused (RFC 6455 section 5.4)', () => {
  const text = Buffer.from('x')
  for (const wire of [
    [server(text, 0x01), server(text, 0x81)],
    [server(text, 0x80)],
    [server(text, 0x81), server(text, 0x00)],
  ]) {
    const frames = new Frames('server', payload => payload)
    assert.throws(() => frames.push(Buffer.concat(wire)), FrameError)
  }
  const whole = [
    server(text, 0x01),
    server(text, 0x89),
    server(text, 0x00),
    server(text, 0x80),
    server(text, 0x82),
  ]
  const frames = new Frames('server', payload => payload)
  assert.deepEqual(frames.push(Buffer.concat(whole)), Buffer.concat(whole))
})
