/**
 * `exp`, `iat` and `nbf` (RFC 7519 section 4.1; attacks 13, 14). `exp` and `iat` must be there. NumericDates may have a
 * fraction; strings, negatives and what no calendar reaches are no dates. The tolerance is for clocks that differ: it lets a
 * token be read a little late, and never lengthens a grant (invariant 9).
 */
import { type Refused, refuse } from '../../denial.ts'
import type { Millis } from '../../words.ts'
import { type JsonObject, member } from '../json.ts'
import { shown } from '../shown.ts'

/** Seconds of the last moment a JavaScript Date can name: anything later would throw where it is shown. */
const latest = 8.64e12

/** Milliseconds at which the token ends, without tolerance. */
export function readTimes(claims: JsonObject, now: Millis, tolerance: Millis): Millis | Refused {
  for (const name of ['exp', 'iat', 'nbf']) {
    const value = member(claims, name)
    if (value === undefined && name === 'nbf') continue
    if (!isDate(value)) return refuse('token_malformed', `${name} is ${shown(value)}`)
  }
  const expiresAt = Math.floor(Number(member(claims, 'exp')) * 1000)
  const expired = checkExpiry(expiresAt, now, tolerance)
  if (expired !== undefined) return expired
  for (const name of ['nbf', 'iat']) {
    const from = Number(member(claims, name) ?? 0) * 1000
    if (from > now + tolerance) {
      return refuse(
        'token_not_yet_valid',
        `${name} is ${iso(from)}, now ${iso(now)}, tolerance ${tolerance} ms`,
      )
    }
  }
  return expiresAt
}

/** Also asked on every use of a remembered token (attack 219). */
export function checkExpiry(expiresAt: Millis, now: Millis, tolerance: Millis): Refused | undefined {
  if (now < expiresAt + tolerance) return undefined
  return refuse('token_expired', `exp was ${iso(expiresAt)}, now ${iso(now)}, tolerance ${tolerance} ms`, {
    say: `the access token expired at ${iso(expiresAt)}: get a new one and ask again`,
  })
}

function isDate(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= latest
}

const iso = (at: Millis): string => new Date(at).toISOString()
