/**
 * The kill switch. A lock bars in the same turn it is set in, cuts before it is written, and outlives restarts; what it
 * matched is revoked for good, and lifting it revives nothing (attack 224).
 */
import { type Refused, refuse } from '../denial.ts'
import { step } from '../store/queries.ts'
import type { Store } from '../store/store.ts'
import type { LockRow } from '../store/tables.ts'
import type { Clock, Identity, Millis } from '../words.ts'
import { newLockId, type RandomBytes } from './id.ts'
import { isEmptyLock, type Lock, type LockFields, lockFields, matchingLock } from './lock.ts'
import type { WriteAhead } from './write-ahead.ts'

/** Far more than an incident needs; each is looked at for each request. */
const MOST = 1_000
const MOST_TEXT = 1_000

export interface SetLock extends LockFields {
  readonly reason: string
  /** Milliseconds; without it the lock holds until it is lifted. */
  readonly ttl?: number
}

/** Who did it: goes into audit. */
export type By = Identity

export interface Locks {
  set(fields: SetLock, by: By): Promise<Lock | Refused>
  lift(id: string, by: By): Promise<Lock | Refused>
  /** In force now, oldest first. */
  list(): readonly Lock[]
  /** The lock that bars this identity from this connection, or from everything where no connection is named. */
  matching(identity: Identity, connection?: string): Lock | undefined
  /** What a lock revokes as it is set: called at once; the lock is answered when its promise resolves. */
  onSet(listener: (lock: Lock) => Promise<void>): void
}

interface InForce {
  readonly lock: Lock
  readonly monoEnd: number
}

export class LockBook implements Locks {
  readonly #ahead: WriteAhead
  readonly #clock: Clock
  readonly #random: RandomBytes
  readonly #locks = new Map<string, InForce>()
  readonly #listeners: ((lock: Lock) => Promise<void>)[] = []

  constructor(ahead: WriteAhead, clock: Clock, random: RandomBytes) {
    this.#ahead = ahead
    this.#clock = clock
    this.#random = random
  }

  async load(): Promise<void> {
    for (const row of await this.#ahead.store.read(this.#sql.selectFrom('locks').selectAll().orderBy('id')))
      this.#add(fromRow(row))
  }

  async set({ reason, ttl, ...given }: SetLock, by: By): Promise<Lock | Refused> {
    const fields = pick(given)
    if (isEmptyLock(fields)) return refuse('request_invalid', 'a lock without any field', { say: nameOne })
    if ([reason, ...Object.values(fields)].some(text => text.length > MOST_TEXT))
      return refuse('request_invalid', `a lock's text is longer than ${MOST_TEXT}`)
    if (this.list().length >= MOST) return refuse('limit_exceeded', `${MOST} locks are set`)
    const now = this.#clock.now()
    const lock: Lock = {
      ...fields,
      id: newLockId(now, this.#random),
      reason,
      setAt: now,
      ...(ttl === undefined ? {} : { expiresAt: now + ttl }),
    }
    this.#add(lock)
    const facts = lockFacts(lock)
    // The lock's line is begun before those of what it revokes; both before anything waits.
    const written = this.#ahead.commit(
      [{ type: 'lock.set', identity: by, detail: reason, facts }],
      () => [insert(this.#sql, lock)],
      { evenUnaudited: true },
    )
    const all = await Promise.allSettled([written, ...this.#listeners.map(listener => listener(lock))])
    const failed = all.find(one => one.status === 'rejected')
    // Not acknowledged, but it holds: a kill switch that half worked is better than one that took itself back.
    if (failed !== undefined) throw failed.reason
    return lock
  }

  async lift(id: string, by: By): Promise<Lock | Refused> {
    const lock = this.list().find(one => one.id === id)
    if (lock === undefined) return refuse('grant_unknown', `no lock ${id}`, { say: 'no such lock' })
    const facts = lockFacts(lock)
    await this.#ahead.commit([{ type: 'lock.lifted', identity: by, facts }], () => [remove(this.#sql, id)])
    this.#locks.delete(id)
    return lock
  }

  list(): readonly Lock[] {
    const inForce: Lock[] = []
    for (const [id, one] of this.#locks) {
      // Lapsed only when both clocks say so: a stepped wall clock lifts no lock early.
      const { expiresAt } = one.lock
      if (expiresAt !== undefined && expiresAt <= this.#clock.now() && one.monoEnd <= this.#clock.mono())
        this.#locks.delete(id)
      else inForce.push(one.lock)
    }
    return inForce
  }

  matching(identity: Identity, connection?: string): Lock | undefined {
    return this.#locks.size === 0 ? undefined : matchingLock(this.list(), identity, connection)
  }

  onSet(listener: (lock: Lock) => Promise<void>): void {
    this.#listeners.push(listener)
  }

  /** What the audit says was set and the store has lost. */
  async restore(lock: Lock): Promise<boolean> {
    if (this.#locks.has(lock.id) || (lock.expiresAt ?? Number.POSITIVE_INFINITY) <= this.#clock.now())
      return false
    this.#add(lock)
    await this.#ahead.store.write(insert(this.#sql, lock))
    return true
  }

  async restoreLifted(id: string): Promise<void> {
    if (this.#locks.delete(id)) await this.#ahead.store.write(remove(this.#sql, id))
  }

  get #sql(): Store['sql'] {
    return this.#ahead.store.sql
  }

  #add(lock: Lock): void {
    const left: Millis = (lock.expiresAt ?? Number.POSITIVE_INFINITY) - this.#clock.now()
    this.#locks.set(lock.id, { lock, monoEnd: this.#clock.mono() + left })
  }
}

const nameOne = `a lock needs at least one of ${lockFields.join(', ')}`

function pick(given: LockFields): LockFields {
  return Object.fromEntries(lockFields.flatMap(f => (given[f] === undefined ? [] : [[f, given[f]]])))
}

/** A lock as audit shows it, whole: the store can be rebuilt from it. */
export function lockFacts(lock: Lock): Record<string, unknown> {
  return { lock: { ...lock } }
}

function insert(sql: Store['sql'], { id, reason, setAt, expiresAt, ...fields }: Lock) {
  const row = { id, fields: JSON.stringify(fields), reason, set_at: setAt, expires_at: expiresAt ?? null }
  return step(
    sql
      .insertInto('locks')
      .values(row)
      .onConflict(on => on.column('id').doNothing()),
  )
}

const remove = (sql: Store['sql'], id: string) => step(sql.deleteFrom('locks').where('id', '=', id))

function fromRow({ id, fields, reason, set_at, expires_at }: LockRow): Lock {
  return {
    ...(JSON.parse(fields) as LockFields),
    id,
    reason,
    setAt: set_at,
    ...(expires_at === null ? {} : { expiresAt: expires_at }),
  }
}
