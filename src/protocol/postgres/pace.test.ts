import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Pace } from './pace.ts'

test('a burst of one second, then one after another', () => {
  const pace = new Pace(10, 0)
  assert.deepEqual(
    Array.from({ length: 12 }, () => pace.take(0)),
    [...Array(10).fill(0), 100, 200],
  )
  assert.equal(pace.take(250), 50)
  assert.equal(pace.take(10_000), 0)
})

test('whoever waits as told never runs more than the rate over any stretch, but for the burst', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.array(fc.integer({ min: 0, max: 5000 })),
      (rate, pauses) => {
        const pace = new Pace(rate, 0)
        let now = 0
        let ran = 0
        for (const pause of pauses) {
          now += pause
          ran++
          now += pace.take(now)
          assert.ok(ran <= rate + (now / 1000) * rate + 1)
        }
      },
    ),
  )
})
