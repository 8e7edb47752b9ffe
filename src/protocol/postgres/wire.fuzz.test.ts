/**
 * Random frames, whole, torn and lying about their lengths, in random pieces: read or refused, never a crash, and nothing is
 * held that was not fed. `POSTERN_FUZZ_FRAMES=10000000` runs ten million.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Frames } from './frames.ts'
import * as wire from './wire.ts'

const frames = Number(process.env.POSTERN_FUZZ_FRAMES ?? 100_000)
const readers = [wire.errorFields, wire.rowDescription, wire.dataRow] as const

test(`${frames} random frames are read or refused, and memory stays flat`, () => {
  let state = 42
  const roll = (most: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (state >>> 8) % most
  }
  const junk = Buffer.from(Array.from({ length: 4096 }, () => roll(256)))
  const tables = [wire.clientBounds, wire.serverBounds, wire.handshakeBounds, wire.loginBounds]
  let [done, seen, refused, grown] = [0, 0, 0, 0]
  let before = 0
  while (done < frames) {
    const bounds = tables[roll(tables.length)] ?? wire.clientBounds
    const types = [...bounds.keys()].filter(type => bounds[type] !== undefined)
    const reader = new Frames(bounds, {
      needs: (type, total) => (type === wire.DATA_ROW || roll(4) > 0 ? total : Math.min(total, 5 + roll(64))),
      judge(type, bytes, at, total) {
        seen++
        const end = Math.min(at + total, bytes.length)
        const read = readers[(type + seen) % readers.length]
        if (end - at - 5 >= 2) {
          try {
            read?.(bytes.subarray(at + 5, end))
          } catch (error) {
            assert.ok(error instanceof wire.Violation, String(error))
          }
        }
        return roll(50) > 0
      },
    })
    // One stream, until it breaks the rules.
    try {
      for (let i = 0; i < 200; i++, done++) {
        const type = roll(30) === 0 ? roll(256) : (types[roll(types.length)] ?? 0)
        const payload = junk
          .subarray(roll(2048), 2048 + roll(2048))
          .subarray(0, roll(8) === 0 ? 1500 : roll(24))
        const frame = wire.frame(type, payload)
        if (roll(100) === 0) frame.writeUInt32BE(roll(2) === 0 ? roll(64) : (roll(0x1000000) << 8) >>> 0, 1)
        for (let from = 0; from < frame.length; ) {
          const chunk = frame.subarray(from, from + 1 + roll(frame.length))
          from += chunk.length
          const past = reader.pass(chunk)
          const bytes = past > 0 ? chunk.subarray(past) : reader.join(chunk)
          if (bytes === null) continue
          grown = Math.max(grown, bytes.length)
          reader.hold(bytes.subarray(reader.walk(bytes)))
        }
      }
    } catch (error) {
      assert.ok(error instanceof wire.Violation, String(error))
      refused++
      done++
    }
    if (before === 0 && done > frames / 10) before = process.memoryUsage().rss
  }
  assert.ok(seen > frames / 10 && refused > 0, `${seen} seen, ${refused} streams refused`)
  // A frame that lies waits for what it claims, up to what was sent after it: a stream is 200 frames of 1.5 KiB.
  assert.ok(grown < 200 * 2048, String(grown))
  assert.ok(process.memoryUsage().rss - before < 256 * 1024 * 1024)
})
