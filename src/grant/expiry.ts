/** When a grant's time is up, and what happens then: pending ones unapproved, unused ones, and all at their expiry. */
import type { Millis } from '../words.ts'
import { at, expiredText } from './ending.ts'
import type { Held } from './live.ts'
import { finish, type Parts, settle, type Why } from './parts.ts'

/** The wall time at which this grant ends unless something happens before. */
function endsAt({ grant }: Held): Millis {
  if (grant.state === 'pending') return grant.decideBy ?? grant.expiresAt
  return grant.used === 0
    ? Math.min(grant.expiresAt, grant.useBy ?? Number.POSITIVE_INFINITY)
    : grant.expiresAt
}

/** Its deadline on the monotonic clock: as far before the expiry's as it is on the wall clock. */
const monoEndsAt = (held: Held): number => held.monoEnd - (held.grant.expiresAt - endsAt(held))

export function isOver(held: Held, { clock }: Pick<Parts, 'clock'>): boolean {
  return clock.now() >= endsAt(held) || clock.mono() >= monoEndsAt(held)
}

export function watch(held: Held, { deadlines }: Parts): void {
  deadlines.set(held.grant.id, { wall: endsAt(held), mono: monoEndsAt(held) })
}

/** Sessions are cut in this turn; audit and store follow. A failed write is logged: audit and clock say the same later. */
export function expire(ids: readonly string[], parts: Parts): Promise<void> {
  const held = ids.flatMap(id => parts.live.get(id) ?? [])
  const over = finish(
    parts,
    'expired',
    held.map(one => ({ held: one, why: whyOver(one) })),
  )
  return settle(parts, over).catch(error => {
    parts.log.error({ err: error, grants: over.length }, 'expired grants could not be written')
  })
}

function whyOver(held: Held): Why {
  const { grant } = held
  if (grant.state === 'pending')
    return { text: `nobody approved it by ${at(endsAt(held))}`, reason: 'approval_expired' }
  if (grant.used === 0 && grant.useBy !== undefined && grant.useBy < grant.expiresAt)
    return { text: `it was not used by ${at(grant.useBy)}`, reason: 'grant_expired' }
  return { text: expiredText(grant), reason: 'grant_expired' }
}
