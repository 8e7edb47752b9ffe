/** What gives a grant something it did not have: a new password, or its approval. Written first, true after. */
import { type Refused, refuse } from '../denial.ts'
import { step } from '../store/queries.ts'
import type { Grant, Millis, Narrowed } from '../words.ts'
import { refusalText } from './ending.ts'
import { expire, isOver, watch } from './expiry.ts'
import { newPassword } from './id.ts'
import { mayHavePassword } from './issue.ts'
import { aboutGrant, type Parts, tell } from './parts.ts'
import { toRow } from './row.ts'
import { refusalOf } from './states.ts'
import { makeVerifier, verifierToText } from './verifier.ts'

export async function renew(id: string, parts: Parts): Promise<{ grant: Grant; password: string } | Refused> {
  const held = parts.live.get(id)
  if (held === undefined) return refuse('grant_revoked', `${id} is over`)
  if (held.grant.state === 'active' && isOver(held, parts)) void expire([id], parts)
  const code = refusalOf[held.grant.state]
  if (code !== undefined)
    return refuse(code, `${id} is ${held.grant.state}`, { say: refusalText(held.grant) })
  if (!mayHavePassword(held.grant.identity, held.publicKey))
    return refuse('request_invalid', `${id} is bound to a key`, {
      say: 'this grant opens for a key alone and has no password',
    })
  if (held.busy) return refuse('rate_limited', `${id} is being renewed`, { say: 'a renewal is under way' })
  held.busy = true
  const old = held.verifier
  try {
    const password = newPassword(parts.random)
    const verifier = await makeVerifier(password, held.kind, parts.random)
    // The old password is dead from here, before it is written that it is.
    parts.live.replaceVerifier(held, verifier)
    const { sql } = parts.ahead.store
    const update = sql
      .updateTable('grants')
      .set({ verifier: verifierToText(verifier) })
      .where('id', '=', id)
      .where('state', '=', 'active')
    const outcome = await parts.ahead.commit([{ ...aboutGrant(held.grant), type: 'grant.renewed' }], () =>
      held.grant.state === 'active' ? [step(update, 1)] : [],
    )
    if (outcome === 'conflict')
      return refuse(refusalOf[held.grant.state] ?? 'grant_revoked', `${id} ended during its renewal`)
    return { grant: held.grant, password }
  } catch (error) {
    // Not acknowledged: what the holder has still opens it, here and after a restart alike.
    if (held.grant.state === 'active') parts.live.replaceVerifier(held, old)
    throw error
  } finally {
    held.busy = false
  }
}

/** The outcome of the whole decision when it ran again on approval. */
export interface Activation {
  readonly scope: Narrowed<unknown>
  readonly narrowed: readonly string[]
  readonly expiresAt: Millis
  readonly endsBy: Grant['endsBy']
  readonly useBy?: Millis
  /** For audit: who approved. */
  readonly facts?: Readonly<Record<string, unknown>>
}

export async function activate(id: string, as: Activation, parts: Parts): Promise<Grant | Refused> {
  const { live, clock, ahead } = parts
  const held = live.get(id)
  if (held === undefined) return refuse('grant_unknown', `no live grant ${id.slice(0, 64)}`)
  if (held.grant.state === 'pending' && isOver(held, parts)) void expire([id], parts)
  if (held.grant.state !== 'pending' || held.busy) return notPending(held.grant)
  const now = clock.now()
  if (as.expiresAt <= now) return refuse('approval_expired', `${id} would end before it began`)
  const { facts, ...decided } = as
  const active: Grant = { ...held.grant, ...decided, state: 'active', activatedAt: now }
  const row = toRow({ ...held, grant: active })
  const { sql } = ahead.store
  const update = sql
    .updateTable('grants')
    .set({ state: row.state, expires_at: row.expires_at, document: row.document })
    .where('id', '=', id)
    .where('state', '=', 'pending')
  held.busy = true
  try {
    const { scope, narrowed, expiresAt, endsBy } = active
    const line = { scope, narrowed, expires_at: new Date(expiresAt).toISOString(), ends_by: endsBy, ...facts }
    const outcome = await ahead.commit(
      [{ ...aboutGrant(active), type: 'grant.activated', facts: line }],
      () => (held.grant.state === 'pending' ? [step(update, 1)] : []),
    )
    // Attack 214: until audit and store have it, nothing is active. What ended it meanwhile wins.
    if (outcome === 'conflict' || held.grant.state !== 'pending') return notPending(held.grant)
  } finally {
    held.busy = false
  }
  held.grant = active
  held.monoEnd = clock.mono() + (active.expiresAt - clock.now())
  watch(held, parts)
  tell(active, parts)
  return active
}

function notPending(grant: Grant): Refused {
  const code = refusalOf[grant.state] ?? 'request_invalid'
  return refuse(
    code === 'approval_required' ? 'request_invalid' : code,
    `${grant.id} is ${grant.state}, not pending`,
    {
      say: `grant ${grant.id} is not pending any more`,
    },
  )
}
