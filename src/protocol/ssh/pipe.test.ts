import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Malformed } from '../../statement/sftp/fields.ts'
import { Pipe } from './pipe.ts'

interface Seen {
  readonly pipe: Pipe
  sent: number
  granted: number
}

function pipe(window: number, packet = 32_768): Seen {
  const seen = {
    sent: 0,
    granted: 0,
    pipe: new Pipe(window, packet, {
      send: data => {
        assert.ok(data.length <= packet)
        seen.sent += data.length
      },
      grant: bytes => {
        assert.ok(bytes > 0)
        seen.granted += bytes
      },
    }),
  }
  return seen
}

test("nothing is sent beyond the receiver's window, nothing taken beyond the credit, and nothing is lost", () => {
  const steps = fc.array(
    fc.oneof(fc.record({ data: fc.nat(40_000) }), fc.record({ widen: fc.nat(100_000) })),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 32_768 }), steps, (window, packet, all) => {
      const seen = pipe(window, packet)
      let credit = seen.pipe.opening()
      let taken = 0
      let room = window
      for (const step of all) {
        if ('widen' in step) {
          room += step.widen
          seen.pipe.widen(step.widen)
        } else {
          const size = Math.min(step.data, credit - taken + seen.granted)
          taken += size
          seen.pipe.spend(size)
          seen.pipe.push(Buffer.alloc(size), false)
          seen.pipe.settle()
        }
        assert.ok(seen.sent <= room)
        assert.equal(seen.sent + seen.pipe.waiting, taken)
        assert.ok(seen.pipe.waiting <= 65_536)
        assert.ok(credit + seen.granted - taken <= 2 * 1024 * 1024)
      }
      credit += seen.granted
      const kept = window >= 65_536 ? 1024 : 0
      if (room - kept > taken) assert.equal(seen.pipe.waiting, 0)
      assert.ok(seen.sent <= Math.max(0, room - kept))
      seen.pipe.lastWords(Buffer.alloc(kept), false)
      assert.equal(seen.pipe.waiting, 0)
      if (kept > 0) assert.ok(room >= seen.sent)
    }),
  )
})

test('what waits is bounded by 64 KiB where the receiver takes nothing', () => {
  const seen = pipe(0)
  let credit = seen.pipe.opening()
  assert.equal(credit, 65_536)
  for (; credit > 0; credit -= 1024) {
    seen.pipe.spend(1024)
    seen.pipe.push(Buffer.alloc(1024), false)
    seen.pipe.settle()
  }
  assert.equal(seen.granted, 0)
  assert.throws(() => seen.pipe.spend(1), Malformed)
})

test('a receiver that is slower than its sender is still told how it ends', () => {
  const order: string[] = []
  const one = new Pipe(65_536, 32_768, {
    send: data => order.push(data.length > 100 ? `${data.length}` : data.toString()),
    grant: () => undefined,
  })
  one.opening()
  for (let left = 65_536; left > 0; left -= 1024) one.push(Buffer.alloc(1024), false)
  one.settle()
  order.length = 0
  one.lastWords(Buffer.from('expired'), true)
  assert.deepEqual(order, ['expired'])
  assert.equal(one.waiting, 0)
  one.widen(100_000)
  assert.deepEqual(order, ['expired'])
})

test('a window never passes 2^32-1', () => {
  const seen = pipe(0xffff_fff0)
  seen.pipe.widen(15)
  assert.throws(() => seen.pipe.widen(1), Malformed)
})

test('what comes after the data happens after the data', () => {
  const order: string[] = []
  const one = new Pipe(3, 32_768, { send: data => order.push(data.toString()), grant: () => undefined })
  one.opening()
  one.push(Buffer.from('abcdef'), false)
  one.after(() => order.push('end'))
  one.settle()
  assert.deepEqual(order, ['abc'])
  one.widen(3)
  assert.deepEqual(order, ['abc', 'def', 'end'])
})

test('single bytes of two streams by turns wait in a bounded number of pieces, each stream in its order', () => {
  const came = { plain: [] as Buffer[], extended: [] as Buffer[] }
  let pieces = 0
  const one = new Pipe(0, 32_768, {
    send: (data, extended) => {
      pieces++
      came[extended ? 'extended' : 'plain'].push(data)
    },
    grant: () => undefined,
  })
  const bytes = one.opening()
  for (let n = 0; n < bytes; n++) {
    one.spend(1)
    one.push(Buffer.of((n >> 1) & 0xff), n % 2 === 1)
    one.settle()
  }
  one.widen(10)
  // What is few enough goes by turns, as it came.
  assert.deepEqual([came.plain.length, came.extended.length], [5, 5])
  one.widen(bytes)
  assert.equal(one.waiting, 0)
  assert.ok(pieces < 5000, `${pieces}`)
  const expected = Buffer.from(Array.from({ length: bytes / 2 }, (_, n) => n & 0xff))
  assert.ok(Buffer.concat(came.plain).equals(expected) && Buffer.concat(came.extended).equals(expected))
})

test('pieces of two streams lose nothing and keep the order of each, wherever the window ends', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ data: fc.uint8Array({ maxLength: 700 }), extended: fc.boolean() }),
      fc.record({ widen: fc.nat(1500) }),
      fc.constant('act' as const),
    ),
  )
  fc.assert(
    fc.property(steps, all => {
      const [sent, pushed] = [
        { plain: Buffer.alloc(0), extended: Buffer.alloc(0) },
        { plain: Buffer.alloc(0), extended: Buffer.alloc(0) },
      ]
      let acts = 0
      const add = (to: typeof sent, data: Uint8Array, extended: boolean) => {
        const stream = extended ? 'extended' : 'plain'
        to[stream] = Buffer.concat([to[stream], data])
      }
      const one = new Pipe(0, 32_768, {
        send: (data, extended) => add(sent, data, extended),
        grant: () => undefined,
      })
      for (const step of all) {
        if (step === 'act') {
          const before = { ...pushed }
          one.after(() => {
            acts++
            assert.ok(sent.plain.equals(before.plain) && sent.extended.equals(before.extended))
          })
        } else if ('widen' in step) one.widen(step.widen)
        else {
          add(pushed, step.data, step.extended)
          one.push(Buffer.from(step.data), step.extended)
          one.settle()
        }
      }
      one.widen(1 << 20)
      assert.ok(sent.plain.equals(pushed.plain) && sent.extended.equals(pushed.extended))
      assert.equal(acts, all.filter(step => step === 'act').length)
    }),
  )
})
