/**
 * What the audit says was decided and the store has lost: a crash between line and commit, a full disk, an older
 * `state.db` put back (attack 210). Only endings, locks and uses are applied again: what narrows. Everything is
 * idempotent, so reading too much of the audit is harmless.
 */
import type { Cursor } from '../audit/event.ts'
import { step } from '../store/queries.ts'
import { at } from './ending.ts'
import type { Held } from './live.ts'
import type { Lock } from './lock.ts'
import { endRow, type Parts } from './parts.ts'
import { canMove, type FinalState } from './states.ts'

/** A line of the audit as `AuditLog.replay` yields it. */
export interface Replayed {
  readonly cursor: Cursor
  readonly event: { readonly type: string; readonly time: string; readonly [member: string]: unknown }
}

const finals: Readonly<Record<string, FinalState>> = {
  'grant.denied': 'denied',
  'grant.expired': 'expired',
  'grant.ended': 'ended',
  'grant.revoked': 'revoked',
}

/** Before anything else may use the grants. Returns what it mended. */
export async function recover(events: AsyncIterable<Replayed>, parts: Parts) {
  const mended = { grants: 0, locks: 0, uses: 0 }
  let last: Replayed | undefined
  for await (const replayed of events) {
    last = replayed
    const { type, time, ...event } = replayed.event
    const held = typeof event['grant'] === 'string' ? parts.live.get(event['grant']) : undefined
    const final = finals[type]
    const facts = (event['facts'] ?? {}) as { lock?: Lock; use?: unknown }
    if (final !== undefined && held !== undefined) {
      if (await endAgain(held, final, event['detail'], time, parts)) mended.grants += 1
    } else if (type === 'lock.set' && facts.lock !== undefined) {
      if (await parts.locks.restore(facts.lock)) mended.locks += 1
    } else if (type === 'lock.lifted' && facts.lock !== undefined) {
      await parts.locks.restoreLifted(facts.lock.id)
    } else if (type === 'session.opened' && held !== undefined && typeof facts.use === 'number') {
      if (await countAgain(held, facts.use, parts)) mended.uses += 1
    }
  }
  return { mended, last }
}

async function endAgain(held: Held, state: FinalState, detail: unknown, time: string, parts: Parts) {
  if (!canMove(held.grant.state, state)) return false
  const endedAt = Date.parse(time)
  const ending = typeof detail === 'string' ? detail : `it is ${state} since ${at(endedAt)}`
  held.grant = { ...held.grant, state, ending }
  held.endedAt = endedAt
  parts.live.retire(held)
  await parts.ahead.store.write(endRow(parts, held.grant.id, state, ending, endedAt))
  return true
}

async function countAgain(held: Held, used: number, parts: Parts) {
  if (used <= held.grant.used) return false
  held.grant = { ...held.grant, used }
  const { sql } = parts.ahead.store
  const query = sql.updateTable('grants').set({ used }).where('id', '=', held.grant.id)
  await parts.ahead.store.write(step(query))
  return true
}
