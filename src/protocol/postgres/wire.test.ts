import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Frames } from './frames.ts'
import * as wire from './wire.ts'

/** Feeds chunks to a {@link Frames} as a turn does, and gives what it saw. */
function seen(
  chunks: readonly Buffer[],
  bounds: Parameters<typeof wire.lengthAt>[2],
  needs = (total: number) => total,
) {
  const frames: { type: number; total: number; head: Buffer }[] = []
  let passed = 0
  let most = 0
  const reader = new Frames(bounds, {
    needs: (_type, total) => needs(total),
    judge(type, bytes, at, total) {
      const there = needs(total)
      assert.ok(bytes.length - at >= there)
      frames.push({ type, total, head: Buffer.from(bytes.subarray(at, at + there)) })
      return true
    },
  })
  for (const chunk of chunks) {
    const past = reader.pass(chunk)
    passed += past
    const bytes = past > 0 ? chunk.subarray(past) : reader.join(chunk)
    if (bytes === null) continue
    most = Math.max(most, bytes.length)
    const at = reader.walk(bytes)
    passed += at
    reader.hold(bytes.subarray(at))
  }
  return { frames, passed, most }
}

/** The same bytes, cut at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length))
}

const clientFrames = fc.array(
  fc.oneof(
    fc.string({ maxLength: 300 }).map(text => wire.query(text.replaceAll('\0', ''))),
    fc.uint8Array({ maxLength: 2000 }).map(bytes => wire.frame(wire.COPY_DATA, bytes)),
    fc.constantFrom(wire.frame(wire.SYNC), wire.frame(wire.FLUSH), wire.frame(wire.COPY_DONE)),
  ),
  { minLength: 1, maxLength: 12 },
)

describe('frames', () => {
  test('the same messages are seen wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        clientFrames,
        fc.array(fc.nat()),
        fc.constantFrom(5, 64, 1 << 20),
        (messages, places, most) => {
          const bytes = Buffer.concat(messages)
          const needs = (total: number): number => Math.min(total, most)
          const whole = seen([bytes], wire.clientBounds, needs)
          const pieces = seen(cut(bytes, places), wire.clientBounds, needs)
          assert.deepEqual(pieces.frames, whole.frames)
          assert.equal(pieces.passed, bytes.length)
          assert.equal(whole.frames.length, messages.length)
        },
      ),
    )
  })

  test('byte by byte is the same too', () => {
    const bytes = Buffer.concat([
      wire.query('select 1'),
      wire.frame(wire.COPY_DATA, 'abc'),
      wire.frame(wire.SYNC),
    ])
    const each = [...bytes].map(byte => Buffer.from([byte]))
    assert.deepEqual(seen(each, wire.clientBounds).frames, seen([bytes], wire.clientBounds).frames)
  })

  test('any bytes at all are frames or a violation, and never hold more than was fed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4000 }), fc.array(fc.nat()), (given, places) => {
        for (const bounds of [wire.clientBounds, wire.serverBounds, wire.handshakeBounds, wire.loginBounds]) {
          try {
            const { most } = seen(cut(Buffer.from(given), places), bounds)
            assert.ok(most <= given.length)
          } catch (error) {
            assert.ok(error instanceof wire.Violation, String(error))
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('every length that is not allowed is refused on the five bytes of its header', () => {
    for (const bounds of [wire.clientBounds, wire.serverBounds, wire.handshakeBounds, wire.loginBounds])
      for (let type = 0; type < 256; type++) {
        const bound = bounds[type]
        const header = (length: number) => Buffer.concat([Buffer.from([type]), wire.int32(length)])
        const wrong = [0, 1, 2, 3, 0x7fffffff, 0x80000000, 0xffffffff]
        if (bound !== undefined) {
          assert.equal(wire.lengthAt(header(bound.most), 0, bounds), bound.most)
          assert.equal(wire.lengthAt(header(bound.least), 0, bounds), bound.least)
          wrong.push(bound.most + 1, bound.least - 1)
        }
        for (const length of wrong)
          assert.throws(() => wire.lengthAt(header(length), 0, bounds), wire.Violation, `${type} ${length}`)
      }
  })

  test('a huge message that passes is never held', () => {
    const size = 40 * 1024 * 1024
    const header = Buffer.concat([Buffer.from([wire.DATA_ROW]), wire.int32(size)])
    const chunks = [header, ...Array.from({ length: size / 65536 }, () => Buffer.alloc(65536))]
    const { frames, most } = seen(chunks, wire.serverBounds, () => 5)
    assert.equal(frames.length, 1)
    assert.ok(most <= 65536)
  })
})

describe('payloads', () => {
  const parsers = [wire.errorFields, wire.rowDescription, wire.dataRow] as const

  test('any payload is read or refused, and nothing is read past its end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 400 }), given => {
        for (const read of parsers) {
          try {
            read(Buffer.from(given))
          } catch (error) {
            assert.ok(error instanceof wire.Violation, String(error))
          }
        }
      }),
      { numRuns: 5000 },
    )
  })

  test('a row survives being read and written', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.uint8Array({ maxLength: 50 })), { maxLength: 30 }), values => {
        const row = values.map(value => (value === null ? null : Buffer.from(value)))
        assert.deepEqual(wire.dataRow(wire.encodeRow(row).subarray(5)), row)
      }),
    )
  })

  test('a row that lies about any length is refused', () => {
    const good = wire.encodeRow([Buffer.from('abc'), null]).subarray(5)
    for (let i = 0; i < good.length; i++) {
      for (const value of [0, 1, 7, 127, 255]) {
        if (good[i] === value) continue
        const bad = Buffer.from(good)
        bad[i] = value
        const changedText = i >= 6 && i < 9
        if (changedText) continue
        assert.throws(() => wire.dataRow(bad), `byte ${i} as ${value}`)
      }
    }
    for (let length = 2; length < good.length; length++)
      assert.throws(() => wire.dataRow(good.subarray(0, length)))
  })

  test('an error may lack any of its fields', () => {
    assert.deepEqual({ ...wire.errorFields(Buffer.from('\0')) }, {})
    assert.deepEqual({ ...wire.errorFields(Buffer.from('Mgo\0\0')) }, { M: 'go' })
    assert.throws(() => wire.errorFields(Buffer.from('Mgo')), wire.Violation)
  })
})
