import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RateLimiter } from './limits.ts'

test('a full bucket gives its burst at once and then what time gives back', () => {
  const limiter = new RateLimiter({ burst: 2, perSecond: 1 })
  assert.deepEqual(
    [0, 0, 0].map(now => limiter.take('a', now)),
    [true, true, false],
  )
  assert.equal(limiter.wait('a', 0), 1000)
  assert.equal(limiter.take('a', 999), false)
  assert.equal(limiter.take('a', 1000), true)
  assert.equal(limiter.take('b', 1000), true, 'another key has its own')
})

test('asking what is left takes nothing', () => {
  const limiter = new RateLimiter({ burst: 1, perSecond: 1 })
  for (let i = 0; i < 5; i += 1) assert.equal(limiter.has('a', 0), true)
  assert.equal(limiter.size, 0)
  assert.equal(limiter.take('a', 0), true)
  assert.equal(limiter.has('a', 0), false)
  assert.equal(limiter.wait('a', 0, 2), Number.POSITIVE_INFINITY)
})

test('a clock that steps back gives nothing', () => {
  const limiter = new RateLimiter({ burst: 1, perSecond: 1 })
  assert.equal(limiter.take('a', 10_000), true)
  assert.equal(limiter.take('a', 0), false)
  assert.equal(limiter.take('a', 10_500), false)
  assert.equal(limiter.take('a', 11_000), true)
})

test('a million keys take no more memory than the cap', () => {
  const limiter = new RateLimiter({ burst: 1, perSecond: 0.001 }, 100)
  limiter.take('victim', 0)
  for (let i = 0; i < 99; i += 1) limiter.take(`k${i}`, 1)
  assert.equal(limiter.take('victim', 1), false, 'still known')
  for (let i = 0; i < 10_000; i += 1) limiter.take(`x${i}`, 2)
  assert.equal(limiter.size, 100)
})

test('no history of tries gets more than the burst and the time allow', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 200 }),
      fc.integer({ min: 1, max: 20 }),
      (gaps, burst) => {
        const limiter = new RateLimiter({ burst, perSecond: 5 })
        let [now, taken] = [0, 0]
        for (const gap of gaps) {
          now += gap
          if (limiter.take('a', now)) taken += 1
        }
        assert.ok(taken <= burst + (now / 1000) * 5 + 1e-6)
      },
    ),
  )
})
