/**
 * The grants of this gateway: issued, shown at doors, counted, renewed, given back, revoked, expired, found again.
 *
 * Memory decides and the store remembers: what stops a grant holds in the turn it is called in, is then written to the
 * audit and then to the store. What widens (issue, renew, activate) is written first and holds after.
 */
import { randomBytes } from 'node:crypto'
import type { Audit, Cursor } from '../audit/event.ts'
import { type Refused, refuse } from '../denial.ts'
import { ownerKey } from '../owner.ts'
import type { Proof, Shown } from '../protocol/protocol.ts'
import type { Store } from '../store/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Clock, Grant, Owner } from '../words.ts'
import { type Activation, activate, renew } from './change.ts'
import { at } from './ending.ts'
import type { RandomBytes } from './id.ts'
import { type Decided, type Issued, issue, type Repeats } from './idempotency.ts'
import { findStored, type ListQuery, listStored } from './list.ts'
import { load } from './load.ts'
import { matches } from './lock.ts'
import type { Locks } from './locks.ts'
import { finish, type Parts, settle, type Why } from './parts.ts'
import { prune } from './prune.ts'
import type { Replayed } from './recover.ts'
import { proofFor, redeem, redeemPassword, type Use, usable, use } from './redeem.ts'
import { isFinal } from './states.ts'

export interface Grants {
  readonly locks: Locks
  /** Answered after its audit line and its commit. The password is in this answer and nowhere else. */
  issue(decided: Decided): Promise<Issued | Refused>
  /** What a door needs to check who `user` says it is. Strangers get an equal decoy. Never throws. */
  proofFor(user: string): Omit<Proof, 'tokenLogin'>
  /** The grant that this credential opens at a door of `protocol`. Counts no use. */
  redeem(shown: Shown, protocol: string): Grant | Refused
  /** The same for doors that are shown the password alone. */
  redeemPassword(password: string, protocol: string): Grant | Refused
  /** Takes a place in the grant's `sessions`, exactly once a session. */
  use(id: string): Promise<Use | Refused>
  /** Whether the grant may be used this very moment; synchronous. */
  usable(id: string): Grant | Refused
  /** A new password; the old one is dead at once. */
  renew(id: string, owner: Owner): Promise<{ readonly grant: Grant; readonly password: string } | Refused>
  /** Given back by its owner. */
  end(id: string, owner: Owner): Promise<Grant | Refused>
  /** Pending and active ones of `ids`; resolves with those it revoked, once that is in audit and store. */
  revoke(ids: readonly string[], why: Why): Promise<readonly Grant[]>
  deny(id: string, why: Why): Promise<Grant | Refused>
  /** What was pending is approved, as the decision came out when it ran again. */
  activate(id: string, as: Activation): Promise<Grant | Refused>
  /** Its own grant, whatever its state. Another's is `grant_unknown`; the detail tells audit that it was. */
  find(id: string, owner: Owner): Promise<Grant | Refused>
  /** Any grant: for people and the pipeline. */
  get(id: string): Promise<Grant | undefined>
  /** For people: newest first. */
  list(query: ListQuery): Promise<readonly Grant[]>
  /** Pending and active ones, from memory. */
  live(): readonly Grant[]
  /** Resolves when the grant is no longer in `state`, or when the signal aborts. */
  leaves(id: string, state: Grant['state'], signal: AbortSignal): Promise<void>
  /** In the very turn a grant stops being usable, before anything is written: cut its sessions. */
  onEnded(listener: (grant: Grant) => void): void
  /** Every change of state, endings included. */
  onChanged(listener: (grant: Grant) => void): void
  /** Stops the clock and notes how far audit and store agree. Before the store's own close. */
  close(): Promise<void>
}

export interface GrantsOptions {
  readonly store: Store
  readonly audit: Audit
  /** The audit's lines after a cursor, or all: `since => audit.replay(since)`. */
  readonly replay: (since: Cursor | undefined) => AsyncIterable<Replayed>
  readonly clock: Clock
  readonly random?: RandomBytes
  readonly log: Log
  /** `limits.grants`, asked each time. */
  readonly grantsPerOwner: () => number
}

/** Between two looks at what is old, and two moves of the audit cursor. */
const HOUSEKEEPING = 60_000

/** Loads what the store has, applies what the audit has and the store lost, ends what is past. Then they may be used. */
export async function openGrants(options: GrantsOptions): Promise<Grants> {
  const { parts, decoySecret } = await load({ random: randomBytes, ...options })
  return new GrantBook(parts, decoySecret)
}

class GrantBook implements Grants {
  readonly locks: Locks
  readonly #parts: Parts
  readonly #decoySecret: Uint8Array
  readonly #repeats: Repeats = new Map()
  readonly #housekeeping: NodeJS.Timeout

  constructor(parts: Parts, decoySecret: Uint8Array) {
    this.#parts = parts
    this.#decoySecret = decoySecret
    this.locks = parts.locks
    this.#housekeeping = setInterval(() => void prune(parts), HOUSEKEEPING)
    this.#housekeeping.unref()
    parts.locks.onSet(async lock => {
      const hit = [...parts.live.live()].filter(({ grant }) =>
        matches(lock, grant.identity, grant.connection),
      )
      const why: Why = {
        text: `it was locked at ${at(lock.setAt)}`,
        reason: 'locked',
        detail: `lock ${lock.id}: ${lock.reason}`,
        facts: { lock: lock.id },
      }
      await settle(
        parts,
        finish(
          parts,
          'revoked',
          hit.map(held => ({ held, why })),
        ),
      )
    })
  }

  issue(decided: Decided) {
    return issue(decided, this.#repeats, this.#parts)
  }

  proofFor(user: string) {
    return proofFor(user, this.#decoySecret, this.#parts)
  }

  redeem(shown: Shown, protocol: string) {
    return redeem(shown, protocol, this.#parts)
  }

  redeemPassword(password: string, protocol: string) {
    return redeemPassword(password, protocol, this.#parts)
  }

  use(id: string) {
    return use(id, this.#parts)
  }

  usable(id: string) {
    return usable(id, this.#parts)
  }

  async renew(id: string, owner: Owner) {
    const own = await this.find(id, owner)
    return 'id' in own ? renew(id, this.#parts) : own
  }

  async end(id: string, owner: Owner) {
    const own = await this.find(id, owner)
    if (!('id' in own)) return own
    const now = this.#parts.clock.now()
    const [ended] = await this.#finish('ended', [id], { text: `it was given back at ${at(now)}` })
    return ended ?? own
  }

  revoke(ids: readonly string[], why: Why) {
    return this.#finish('revoked', ids, { reason: 'grant_revoked', ...why })
  }

  async deny(id: string, why: Why) {
    const [denied] = await this.#finish('denied', [id], { reason: 'approval_denied', ...why })
    return denied ?? refuse('request_invalid', `${id} is not pending`, { say: 'this grant is not pending' })
  }

  activate(id: string, as: Activation) {
    return activate(id, as, this.#parts)
  }

  async find(id: string, owner: Owner) {
    const grant = await this.get(id)
    if (grant === undefined) return refuse('grant_unknown', `no grant ${id.slice(0, 64)}`)
    // Attack 43: nobody else can even learn that it exists.
    if (ownerKey(grant.owner) !== ownerKey(owner)) return refuse('grant_unknown', `grant_not_yours: ${id}`)
    return grant
  }

  async get(id: string) {
    return this.#parts.live.get(id)?.grant ?? (await findStored(id, this.#parts))
  }

  list(query: ListQuery) {
    return listStored(query, this.#parts)
  }

  live() {
    return [...this.#parts.live.live()].map(held => held.grant)
  }

  async leaves(id: string, state: Grant['state'], signal: AbortSignal) {
    const held = this.#parts.live.get(id)
    if (held?.grant.state !== state || isFinal(state) || signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const listener = (grant: Grant) => {
      if (grant.id === id && grant.state !== state) resolve()
    }
    this.#parts.changed.push(listener)
    signal.addEventListener('abort', () => resolve(), { once: true })
    await promise
    this.#parts.changed.splice(this.#parts.changed.indexOf(listener), 1)
  }

  onEnded(listener: (grant: Grant) => void) {
    this.onChanged(grant => {
      if (isFinal(grant.state)) listener(grant)
    })
  }

  onChanged(listener: (grant: Grant) => void) {
    this.#parts.changed.push(listener)
  }

  async close() {
    clearInterval(this.#housekeeping)
    this.#parts.deadlines.close()
    await this.#parts.ahead.advance()
  }

  async #finish(state: 'ended' | 'revoked' | 'denied', ids: readonly string[], why: Why) {
    const held = ids.flatMap(id => this.#parts.live.get(id) ?? [])
    const over = finish(
      this.#parts,
      state,
      held.map(one => ({ held: one, why })),
    )
    await settle(this.#parts, over)
    return over.map(one => one.held.grant)
  }
}
