/**
 * `idle_timeout` and `transaction_timeout` of a session: looked at when one may have passed, not at every message. Held by the
 * gateway, because servers know them from 14 and 17 on only.
 */
import { endedIdle } from '../../ending.ts'
import type { Ending } from '../../words.ts'
import type { PostgresScope } from './scope.ts'

type Limits = Pick<PostgresScope, 'idle_timeout' | 'transaction_timeout'>

export class Watch {
  readonly #limits: Limits
  readonly #end: (ending: Ending) => void
  /** When what is under way, or the transaction that is open, began. */
  #busySince: number | null = null
  /** When the last answer was given and nothing else was owed. */
  #idleSince: number | null
  #timer: NodeJS.Timeout | undefined
  #due = Number.POSITIVE_INFINITY

  constructor(limits: Limits, end: (ending: Ending) => void) {
    this.#limits = limits
    this.#end = end
    this.#idleSince = performance.now()
    this.#arm(this.#idleSince)
  }

  /** Something went upstream that will be answered. */
  sent(): void {
    this.#idleSince = null
    if (this.#busySince !== null) return
    this.#busySince = performance.now()
    this.#arm(this.#busySince)
  }

  /** Nothing is owed any more, whether or not a Sync was sent: from now on the client lets others wait. */
  answered(): void {
    if (this.#idleSince !== null) return
    this.#idleSince = performance.now()
    this.#arm(this.#idleSince)
  }

  /** Rows of a COPY went upstream: the server waits for more of them, or for their end. */
  copied(): void {
    this.#idleSince = performance.now()
  }

  /** The server is ready; nothing else is owed. */
  rests(inTransaction: boolean): void {
    this.#idleSince = performance.now()
    if (!inTransaction) this.#busySince = null
    this.#arm(this.#idleSince)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  /** Deadlines only move away, or go: a timer that fires too early looks again. */
  #arm(now: number): void {
    const { idle, whole } = this.#deadlines()
    const due = Math.min(idle, whole)
    if (due >= this.#due) return
    clearTimeout(this.#timer)
    this.#due = due
    this.#timer = setTimeout(() => this.#look(), Math.max(1, due - now)).unref()
  }

  #deadlines(): { idle: number; whole: number } {
    const { idle_timeout, transaction_timeout } = this.#limits
    const after = (since: number | null, limit: number | null): number =>
      since === null || limit === null ? Number.POSITIVE_INFINITY : since + limit
    return {
      idle: after(this.#idleSince, idle_timeout),
      whole: after(this.#busySince, transaction_timeout),
    }
  }

  #look(): void {
    const now = performance.now()
    const { idle, whole } = this.#deadlines()
    const { idle_timeout, transaction_timeout } = this.#limits
    this.#due = Number.POSITIVE_INFINITY
    if (whole <= now) {
      const text = `a transaction was open for longer than ${transaction_timeout} ms (transaction_timeout)`
      this.#end({ how: 'cut', why: 'limit_exceeded', text })
    } else if (idle_timeout !== null && idle <= now) {
      this.#end(endedIdle(idle_timeout))
    } else this.#arm(now)
  }
}
