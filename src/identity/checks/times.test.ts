import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Refused } from '../../denial.ts'
import { readTimes } from './times.ts'

const now = Date.parse('2026-03-01T12:00:00Z')

test('for any dates and tolerance: accepted only between iat, nbf and exp, and the end is exp with nothing added', () => {
  const near = fc.integer({ min: -20_000, max: 20_000 }).map(off => (now + off) / 1000)
  fc.assert(
    fc.property(
      near,
      near,
      fc.option(near, { nil: undefined }),
      fc.integer({ min: 0, max: 10_000 }),
      (exp, iat, nbf, tolerance) => {
        const end = readTimes({ exp, iat, nbf }, now, tolerance)
        const inside =
          now < Math.floor(exp * 1000) + tolerance &&
          iat * 1000 <= now + tolerance &&
          (nbf ?? 0) * 1000 <= now + tolerance
        assert.equal(!(end instanceof Refused), inside)
        if (!(end instanceof Refused)) assert.ok(end <= exp * 1000)
      },
    ),
    { numRuns: 500 },
  )
})

test('anything else is refused and never thrown on, also where it is told', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (exp, iat, nbf) => {
      const end = readTimes({ exp, iat, nbf }, now, 0)
      if (!(end instanceof Refused)) assert.ok(end > now && Number.isSafeInteger(end))
    }),
    { numRuns: 500 },
  )
  for (const exp of [8.64e12, 8.64e12 + 1, Number.MAX_VALUE, Infinity, NaN, -0, 1e-320])
    readTimes({ exp, iat: exp }, now, 0)
})
