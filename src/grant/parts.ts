/** What the parts of this folder share, and the one place where a grant changes its state. */
import type { AuditEvent, EventType } from '../audit/event.ts'
import type { Code } from '../denial.ts'
import type { Step } from '../store/job.ts'
import { step } from '../store/queries.ts'
import type { Log } from '../telemetry/log.ts'
import type { Clock, Grant, Millis } from '../words.ts'
import type { Deadlines } from './deadlines.ts'
import type { RandomBytes } from './id.ts'
import type { Held, LiveGrants } from './live.ts'
import type { LockBook } from './locks.ts'
import { canMove, type FinalState } from './states.ts'
import type { WriteAhead } from './write-ahead.ts'

export interface Parts {
  readonly ahead: WriteAhead
  readonly live: LiveGrants
  readonly locks: LockBook
  readonly deadlines: Deadlines
  readonly clock: Clock
  readonly random: RandomBytes
  readonly log: Log
  /** Live and pending grants one owner may have (`limits.grants`). Asked each time: a reload may change it. */
  readonly grantsPerOwner: () => number
  /** Told of every change of state, in the same turn. */
  readonly changed: ((grant: Grant) => void)[]
}

/** Why a grant stops being usable: for the holder, for audit. */
export interface Why {
  /** A sentence that goes on from "grant g_...": "it was given back at ...". */
  readonly text: string
  readonly reason?: Code
  readonly detail?: string
  readonly facts?: AuditEvent['facts']
}

/**
 * Ends grants for all to see, in this turn: no door opens them any more, their sessions are cut, and only then is it
 * written. Returns those that were not over already.
 */
export function finish(
  parts: Parts,
  state: FinalState,
  list: readonly { readonly held: Held; readonly why: Why }[],
) {
  const { live, deadlines, clock } = parts
  const over: { readonly held: Held; readonly why: Why }[] = []
  for (const one of list) {
    const { held, why } = one
    if (!canMove(held.grant.state, state)) continue
    held.grant = { ...held.grant, state, ending: why.text }
    held.endedAt = clock.now()
    live.retire(held)
    deadlines.delete(held.grant.id)
    over.push(one)
  }
  for (const { held } of over) tell(held.grant, parts)
  return over
}

/** A listener that throws must not keep the next grant's sessions open, nor the ending from being written. */
export function tell(grant: Grant, { changed, log }: Parts): void {
  for (const listener of [...changed]) {
    try {
      listener(grant)
    } catch (error) {
      log.error({ err: error, grant: grant.id }, 'a change of a grant was not taken well')
    }
  }
}

/** Grants whose ends share a job: a job's place in the queue is one, and no transaction grows without bound. */
const CHUNK = 200

/** Writes what {@link finish} did. Rejects if it is not in audit and store: then nothing may be acknowledged. */
export async function settle(parts: Parts, over: ReturnType<typeof finish>): Promise<void> {
  const jobs: Promise<unknown>[] = []
  for (let from = 0; from < over.length; from += CHUNK) {
    const some = over.slice(from, from + CHUNK)
    const events = some.map(({ held, why }) => ended(held.grant, why))
    const steps = some.map(({ held }) =>
      endRow(parts, held.grant.id, held.grant.state, held.grant.ending, held.endedAt),
    )
    jobs.push(parts.ahead.commit(events, () => steps, { evenUnaudited: true }))
  }
  const failed = (await Promise.allSettled(jobs)).find(one => one.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

export function endRow(
  { ahead }: Parts,
  id: string,
  state: Grant['state'],
  ending: string | undefined,
  endedAt: Millis | undefined,
): Step {
  return step(
    ahead.store.sql
      .updateTable('grants')
      .set({ state, ending: ending ?? null, ended_at: endedAt ?? null })
      .where('id', '=', id)
      .where('state', 'in', ['pending', 'active']),
  )
}

const types: Readonly<Record<Grant['state'], EventType>> = {
  pending: 'grant.pending',
  active: 'grant.activated',
  denied: 'grant.denied',
  expired: 'grant.expired',
  revoked: 'grant.revoked',
  ended: 'grant.ended',
}

function ended(grant: Grant, { reason, detail, facts, text }: Why): AuditEvent {
  return {
    ...aboutGrant(grant),
    type: types[grant.state],
    detail: detail ?? text,
    ...(reason === undefined ? {} : { reason }),
    ...(facts === undefined ? {} : { facts }),
  }
}

/** The members every line about a grant has. */
export function aboutGrant({ id, connection, rule, identity }: Grant) {
  return { grant: id, connection, rule, identity }
}
