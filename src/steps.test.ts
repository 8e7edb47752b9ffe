import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { House } from './house.ts'
import { RateLimiter } from './listener/limits.ts'
import { checkRate } from './steps.ts'
import type { Identity } from './words.ts'

test('what is asked for a grant counts once a KiB as the audit has it, and never more than a second has (attack 199)', () => {
  const identity = { issuer: 'okta', subject: 'bot', client: '0oa' } as Identity
  /** How many of these come through of what may come at once. */
  const of = (body: unknown) => {
    const limiter = new RateLimiter({ burst: 50, perSecond: 50 })
    const house = {
      config: () => ({ limits: { requestsPerSecond: 50 } }),
      requests: () => limiter,
      clock: { mono: () => 0 },
    } as unknown as House
    let through = 0
    while (!('denial' in checkRate(body === undefined ? { identity } : { identity, body }, house))) through++
    return through
  }
  assert.equal(of(undefined), 50)
  assert.equal(of({ connection: 'api', reason: 'x'.repeat(500) }), 50)
  assert.equal(of({ connection: 'api', scope: { paths: ['x'.repeat(4000)] } }), 12)
  // A control character is one here and six there.
  assert.equal(of({ connection: 'api', reason: '\u009b'.repeat(1000) }), 8)
  assert.equal(of({ connection: 'api', scope: { paths: ['x'.repeat(60_000)] } }), 1)
})
