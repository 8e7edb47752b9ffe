import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, createDeflate, deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { SpdyClient, SpdyError } from './spdy.ts'
import { dictionary } from './spdy-dictionary.ts'

const u32 = (n: number) => Buffer.from([n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255])
const text = (value: string) => Buffer.concat([u32(value.length), Buffer.from(value, 'latin1')])
const block = (...pairs: readonly (readonly [string, string])[]) =>
  Buffer.concat([u32(pairs.length), ...pairs.flatMap(([name, value]) => [text(name), text(value)])])
const control = (type: number, body: Buffer, version = 3) =>
  Buffer.concat([Buffer.from([0x80, version, 0, type]), u32(body.length), body])
const data = (bytes: string) => Buffer.concat([u32(1), u32(bytes.length), Buffer.from(bytes)])

/** SYN_STREAMs whose headers are one deflate stream, each ended as a client's flush ends it. */
function opening(...blocks: readonly Buffer[]): Buffer[] {
  const finishFlush = constants.Z_SYNC_FLUSH
  return blocks.map((bytes, i) => {
    const own = i === 0 ? deflateSync(bytes, { dictionary, finishFlush }) : stored(bytes)
    return control(1, Buffer.concat([u32(2 * i + 1), u32(0), Buffer.from([0, 0]), own]))
  })
}

/** The same as a client packs them: each block is written by what came before it. */
async function openingPacked(blocks: readonly Buffer[]): Promise<Buffer[]> {
  const deflate = createDeflate({ dictionary })
  const frames: Buffer[] = []
  let packed: Buffer[] = []
  deflate.on('data', piece => packed.push(piece))
  for (const [i, bytes] of blocks.entries()) {
    packed = []
    await new Promise<void>(done => deflate.write(bytes, () => deflate.flush(constants.Z_SYNC_FLUSH, done)))
    frames.push(control(1, Buffer.concat([u32(2 * i + 1), u32(0), Buffer.from([0, 0]), ...packed])))
  }
  return frames
}

/** A block of deflate that is not packed. */
function stored(bytes: Buffer): Buffer {
  const length = bytes.length
  return Buffer.concat([
    Buffer.from([0, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255]),
    bytes,
  ])
}

function read(bytes: Buffer, size = bytes.length): string[] {
  const ports: string[] = []
  const spdy = new SpdyClient(
    headers => void ports.push(`${headers.get('streamtype')} ${headers.get('port')}`),
  )
  for (let at = 0; at < bytes.length; at += size) spdy.push(bytes.subarray(at, at + size))
  return ports
}

const to = (port: string, kind = 'data') => block(['port', port], ['requestid', '0'], ['streamtype', kind])

test('each stream that is opened is told by its headers, however the bytes are cut', () => {
  const [first, second, third] = opening(to('80', 'error'), to('80'), to('8080')) as [Buffer, Buffer, Buffer]
  const all = Buffer.concat([
    first,
    second,
    data('GET / HTTP/1.1'),
    control(6, u32(1)),
    data(''),
    third,
    data('x'.repeat(70_000)),
  ])
  for (const size of [all.length, 1, 2, 3, 7, 64])
    assert.deepEqual(read(all, size), ['error 80', 'data 80', 'data 8080'], `${size}`)
})

test('what the other end could read otherwise is refused', () => {
  const one = (...blocks: readonly Buffer[]) => Buffer.concat(opening(...blocks))
  const refused: readonly (readonly [string, Buffer, RegExp])[] = [
    [
      'bytes that would be the next stream\u2019s headers',
      one(Buffer.concat([to('80'), to('22')])),
      /behind the headers/,
    ],
    ['a port twice', one(block(['port', '80'], ['port', '22'])), /not one by itself/],
    ['a name in capitals', one(block(['Port', '80'])), /not one by itself/],
    ['two values in one', one(block(['port', '80\x0022'])), /no text/],
    ['fewer pairs than announced', one(Buffer.concat([u32(2), text('port'), text('80')])), /end early/],
    ['HEADERS, which would add to a stream', control(8, Buffer.alloc(8)), /type 8/],
    ['SYN_REPLY', control(2, Buffer.alloc(8)), /type 2/],
    ['an unknown frame', control(77, Buffer.alloc(8)), /type 77/],
    ['another version', control(1, Buffer.alloc(12), 2), /version/],
    [
      'a control frame without end',
      Buffer.concat([Buffer.from([0x80, 3, 0, 1, 0]), Buffer.from([255, 255, 255])]),
      /too large/,
    ],
    ['what does not inflate', control(1, Buffer.alloc(40, 7)), /inflated/],
    ['no room for an id', control(1, Buffer.alloc(3)), /too short/],
    [
      'a bomb',
      control(1, Buffer.concat([Buffer.alloc(10), deflateSync(Buffer.alloc(8_000_000), { dictionary })])),
      /headers that are too large/,
    ],
    ['headers as large as a bomb begins', one(block(['port', '80'], ['x', 'a'.repeat(5000)])), /too large/],
    ['an empty SYN_STREAM', control(1, Buffer.alloc(0)), /too short/],
  ]
  for (const [what, bytes, why] of refused) {
    assert.throws(() => read(bytes), why, what)
    assert.throws(() => read(bytes, 1), why, what)
  }
})

test('a tunnel is at its end before its headers cost more than they may', async () => {
  const many = Array.from({ length: 2000 }, (_, at) =>
    block(['streamtype', 'data'], ['port', '80'], ['requestid', `${at}`]),
  )
  const large = Array.from({ length: 20 }, () =>
    block(['port', '80'], ['streamtype', 'data'], ['x', 'a'.repeat(3900)]),
  )
  for (const [least, blocks] of [
    [1000, many],
    [900, [...large.slice(0, 2), ...many]],
    [15, [...large, ...many]],
  ] as const) {
    const bytes = Buffer.concat(await openingPacked(blocks))
    let opened = 0
    const spdy = new SpdyClient(() => void opened++)
    assert.throws(() => spdy.push(bytes), /too many streams in one tunnel/)
    assert.ok(opened >= least, `${opened}`)
  }
})

test('whatever the bytes are, they are streams or an error of ours', () => {
  const good = Buffer.concat(opening(to('80', 'error'), to('80')))
  const flips = fc.array(fc.record({ at: fc.nat(good.length - 1), to: fc.nat(255) }), {
    minLength: 1,
    maxLength: 4,
  })
  fc.assert(
    fc.property(flips, fc.integer({ min: 1, max: 64 }), (changes, size) => {
      const bytes = Buffer.from(good)
      for (const { at, to: value } of changes) bytes[at] = value
      try {
        for (const told of read(bytes, size)) assert.match(told, /^[\x20-\x7e]* [\x20-\x7e]*$/)
      } catch (error) {
        assert.ok(error instanceof SpdyError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})
