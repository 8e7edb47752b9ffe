/**
 * What the two directions of one session share: the wire, the names the server holds, what it owes, and the state of its
 * transaction as it last told. Plain data with a few words; the turns do the work.
 */
import type { Duplex } from 'node:stream'
import { endings, recordingLost } from '../../ending.ts'
import { type Recorder, RecordingLost, type Seq } from '../../recording/record.ts'
import type { Ending, Grant, Narrowed } from '../../words.ts'
import type { Copied } from './copied.ts'
import type { PostgresGuard } from './guard.ts'
import { type Named, Names } from './names.ts'
import { OwedQueue, type Portal, type Prepared } from './owed.ts'
import { Pace } from './pace.ts'
import type { PostgresScope } from './scope.ts'
import type { PostgresUpstream } from './upstream.ts'
import { Watch } from './watch.ts'
import { IDLE, Violation } from './wire.ts'

/** A client that takes nothing for so long while there is something to take is gone (attack 192). */
const STUCK = 120_000

export class Line implements Named {
  readonly client: Duplex
  readonly upstream: PostgresUpstream
  readonly recorder: Recorder
  readonly guard: PostgresGuard
  readonly scope: Narrowed<PostgresScope>
  readonly grant: Grant
  readonly session: string
  /** Ends the session, whatever side is to blame. */
  readonly end: (ending: Ending) => void
  readonly owed = new OwedQueue()
  readonly statements = new Names<Prepared>()
  readonly portals = new Names<Portal>()
  renamed = 0
  readonly indirectPortals = new Set<string>()
  changer = false
  indirect = false
  /** A statement whose parameter names a setting was parsed under a name: an EXECUTE in SQL could give it any. */
  asker = false
  batch = 0
  /** The newest record: what is sent upstream belongs to it or to an older one. */
  seq: Seq
  /** When the client's turn began. One look at the clock for all that it sends. */
  time = 0
  transaction = IDLE
  /** Messages of the extended protocol went upstream since the last Sync. */
  unsynced = false
  /** An error was told: what the client sends is skipped up to its Sync, as a server does. */
  skipping = false
  copy: 'none' | 'in' | 'failed' = 'none'
  /** Of the COPY FROM STDIN that runs, until its result. */
  copied: Copied | null = null
  over = false
  fault: { readonly error: unknown } | undefined
  /** Where the scope limits them. */
  readonly pace: Pace | null
  readonly watch: Watch | null
  #stuck: NodeJS.Timeout | undefined

  constructor(parts: {
    client: Duplex
    upstream: PostgresUpstream
    recorder: Recorder
    guard: PostgresGuard
    scope: Narrowed<PostgresScope>
    grant: Grant
    session: string
    opened: Seq
    end: (ending: Ending) => void
  }) {
    this.client = parts.client
    this.upstream = parts.upstream
    this.recorder = parts.recorder
    this.guard = parts.guard
    this.scope = parts.scope
    this.grant = parts.grant
    this.session = parts.session
    this.seq = parts.opened
    this.end = parts.end
    const { statements_per_second, idle_timeout, transaction_timeout } = parts.scope
    this.pace = statements_per_second === null ? null : new Pace(statements_per_second, performance.now())
    this.watch =
      idle_timeout === null && transaction_timeout === null ? null : new Watch(parts.scope, parts.end)
  }

  get masking(): boolean {
    return this.upstream.masks.size > 0
  }

  /** A turn cannot go on. A fault of ours is kept for whoever serves us: only there it is written down. */
  fails(error: unknown): void {
    const ending = endedBy(error)
    if (ending === endings.failed) this.fault ??= { error }
    this.end(ending)
  }

  /** All is answered, and this is the transaction's state. */
  rests(state: number): void {
    this.watch?.rests(state !== IDLE)
    // Portals do not outlive their transaction.
    if (state !== IDLE) return
    if (this.portals.size > 0) this.portals.clear()
    if (this.indirectPortals.size > 0) this.indirectPortals.clear()
  }

  /** The client does not take what was written. */
  stalled(): void {
    this.#stuck ??= setTimeout(() => this.end(limited('the client does not read what it asked for')), STUCK)
  }

  /** It has, or is not waited for any more. */
  flows(): void {
    clearTimeout(this.#stuck)
    this.#stuck = undefined
  }

  /** Nothing is under way, so an error of ours changes nothing upstream. */
  get quiet(): boolean {
    return this.owed.length === 0 && !this.unsynced
  }
}

/** One side broke the rules of the wire. */
export const violated = (text: string): Ending => ({ how: 'cut', why: 'protocol_violation', text })
export const limited = (text: string): Ending => ({ how: 'cut', why: 'limit_exceeded', text })

/** Why a turn cannot go on. What neither side did is a fault of ours. */
export function endedBy(error: unknown): Ending {
  if (error instanceof Violation) return violated(error.message)
  return error instanceof RecordingLost ? recordingLost(error) : endings.failed
}
