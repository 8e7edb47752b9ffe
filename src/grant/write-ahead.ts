/**
 * Audit first, then the store: a decision's lines are on disk before the store commits it, and the caller is answered
 * after both. So the audit is the store's write-ahead log, and the cursor says from where it must be read again.
 */
import type { Audit, AuditEvent, Cursor } from '../audit/event.ts'
import type { Step } from '../store/job.ts'
import { step } from '../store/queries.ts'
import type { Store } from '../store/store.ts'

const CURSOR = 'audit_cursor'

export class WriteAhead {
  readonly store: Store
  readonly #audit: Audit
  readonly #running = new Set<Promise<unknown>>()
  #latest: Cursor | undefined
  /** The audit holds a decision that the store does not: the cursor stays before it. */
  #behind = false

  constructor(store: Store, audit: Audit) {
    this.store = store
    this.#audit = audit
  }

  /**
   * `steps` is asked for after the lines are on disk, so that what changed meanwhile is seen; no steps: `conflict`.
   * With `evenUnaudited` the store is written though the audit failed: an ending must hold whatever else breaks, but
   * the promise rejects all the same, because nothing may be acknowledged.
   */
  commit(
    events: readonly AuditEvent[],
    steps: () => readonly Step[],
    { evenUnaudited = false } = {},
  ): Promise<'done' | 'conflict'> {
    const work = this.#run(events, steps, evenUnaudited)
    this.#running.add(work)
    const forget = () => this.#running.delete(work)
    work.then(forget, forget)
    return work
  }

  async #run(events: readonly AuditEvent[], steps: () => readonly Step[], evenUnaudited: boolean) {
    const audited = await Promise.allSettled(events.map(event => this.#audit.decided(event)))
    const lost = audited.find(one => one.status === 'rejected')
    if (lost !== undefined && !evenUnaudited) throw lost.reason
    const last = audited.at(-1)
    if (last?.status === 'fulfilled' && last.value.seq > (this.#latest?.seq ?? 0)) this.#latest = last.value
    let outcome: 'done' | 'conflict' = 'conflict'
    try {
      const todo = steps()
      if (todo.length > 0) outcome = await this.store.write(...todo)
    } catch (error) {
      this.#behind = true
      throw error
    }
    if (lost !== undefined) throw lost.reason
    return outcome
  }

  async cursor(): Promise<Cursor | undefined> {
    const [row] = await this.store.read(
      this.store.sql.selectFrom('meta').select('value').where('name', '=', CURSOR),
    )
    return row === undefined ? undefined : (JSON.parse(row.value) as Cursor)
  }

  /** Moves the cursor to `cursor`, or else over everything whose lines and commits are both done. */
  async advance(cursor?: Cursor): Promise<void> {
    const upTo = cursor ?? this.#latest
    await Promise.allSettled([...this.#running])
    if (upTo === undefined || this.#behind) return
    const value = JSON.stringify(upTo)
    await this.store.write(
      step(
        this.store.sql
          .insertInto('meta')
          .values({ name: CURSOR, value })
          .onConflict(on => on.column('name').doUpdateSet({ value })),
      ),
    )
  }
}
