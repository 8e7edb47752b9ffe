/**
 * How long: the least of what the rule gives, what was asked, and what the token has left; and which of the three ends it
 * (invariant 9, attack 51). No tolerance is added: a token that has just ended buys nothing.
 */
import type { Rule } from '../config/config.ts'
import { type Refused, refuse } from '../denial.ts'
import type { EndsBy, Identity, Millis } from '../words.ts'

export interface Term {
  readonly ttl: Millis
  readonly expiresAt: Millis
  readonly endsBy: EndsBy
}

export function termOf(
  rule: Pick<Rule, 'id' | 'ttl' | 'outliveToken'>,
  asked: Millis | undefined,
  identity: Pick<Identity, 'expiresAt'>,
  now: Millis,
): Term | Refused {
  const bounds: [EndsBy, Millis][] = [['rule', rule.ttl]]
  if (asked !== undefined) bounds.unshift(['request', asked])
  if (!rule.outliveToken) bounds.push(['token', identity.expiresAt - now])
  const [endsBy, ttl] = bounds.reduce((least, one) => (one[1] < least[1] ? one : least))
  if (ttl > 0) return { ttl, expiresAt: now + ttl, endsBy }
  return refuse(
    'token_expired',
    `the token ended at ${new Date(identity.expiresAt).toISOString()} and rule ${rule.id} has no outlive_token`,
    {
      say: `the access token expired at ${new Date(identity.expiresAt).toISOString()}: get a new one and ask again`,
    },
  )
}
