/**
 * The audit: a chain of decisions in `data/audit/<writer>-<n>.jsonl`, sealed every second while anything happens. A
 * decision is answered once its line is on the disk; while nothing can be written, nothing is decided (attack 176).
 */

import type { Tip } from '../ledger/chain.ts'
import type { Followed, Heads } from '../ledger/heads.ts'
import type { Disk } from '../ledger/journal.ts'
import type { Seal, SealKey } from '../ledger/seal.ts'
import { iso, members } from '../ledger/text.ts'
import type { Line } from '../ledger/walk.ts'
import { RecordingLost } from '../recording/record.ts'
import type { Log } from '../telemetry/log.ts'
import type { Clock } from '../words.ts'
import type { Audit, AuditEvent, Cursor } from './event.ts'
import { AuditFile } from './file.ts'
import { eventMembers } from './line.ts'
import { type Page, type Query, readPage, replay } from './read.ts'

export interface AuditOptions {
  /** The data folder. */
  readonly data: string
  /** One chain a writer: `gw` for the one process that decides (attack 187). */
  readonly writer?: string
  readonly clock: Clock
  readonly key: SealKey
  /** SHA-256 of the rules in force, hex. */
  readonly policyDigest: () => string
  readonly log: Log
  /** The audit cannot be written any more: refuse everything, end every session. */
  readonly onLost?: (cause: unknown) => void
  /** It can again. */
  readonly onBack?: () => void
  readonly disk?: Disk
  /** Bytes after which a new file is begun. */
  readonly rotateAt?: number
  /** Milliseconds between seals. */
  readonly every?: number
}

/** Facts that wait for the disk to come back; more are counted. */
const mostWaiting = 1000
/** Recordings synced at once: the thread pool has four threads, and decisions wait for theirs. */
const checkpointsAtOnce = 3
const headsALine = 500

interface Waiter {
  readonly cursor: Cursor
  resolve(cursor: Cursor): void
  reject(error: Error): void
}

export async function openAudit(options: AuditOptions): Promise<AuditLog> {
  return new AuditLog(options, await AuditFile.open(options))
}

export class AuditLog implements Audit, Heads {
  readonly #options: AuditOptions
  readonly #file: AuditFile
  readonly #followed = new Map<string, Followed>()
  readonly #timer: NodeJS.Timeout
  #waiting: Waiter[] = []
  #syncing = false
  #lost: RecordingLost | undefined
  /** Facts that could not be written. */
  #kept: { type: string; rest: string; time: string }[] = []
  #dropped = 0
  #turn: Promise<void> = Promise.resolve()
  #busy = false
  #closed = false

  constructor(options: AuditOptions, file: AuditFile) {
    this.#options = options
    this.#file = file
    this.#timer = setInterval(() => {
      if (!this.#busy) void this.seal()
    }, options.every ?? 1000)
    this.#timer.unref()
  }

  /** False while nothing can be written: refuse everything. */
  get healthy(): boolean {
    return this.#lost === undefined && !this.#closed
  }

  get interruptedAt(): number | undefined {
    return this.#file.interruptedAt
  }

  /** The last line written. */
  get cursor(): Cursor {
    return { file: this.#file.name, seq: this.#file.tip.seq }
  }

  decided(event: AuditEvent): Promise<Cursor> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    if (this.#closed) return Promise.reject(new RecordingLost(new Error('the audit is closed')))
    this.#file.append(event.type, eventMembers(event, this.#options.policyDigest()))
    const cursor = this.cursor
    return new Promise((resolve, reject) => {
      this.#waiting.push({ cursor, resolve, reject })
      this.#syncSoon()
    })
  }

  noted(event: AuditEvent): void {
    this.#note(event.type, eventMembers(event, this.#options.policyDigest()))
  }

  opened(recording: Followed, tip: Tip): void {
    this.#followed.set(recording.session, recording)
    this.#note('heads', members({ heads: [{ session: recording.session, seq: tip.seq, hash: tip.hash }] }))
  }

  closed(session: string, tip: Tip, seal: Seal): void {
    this.#followed.delete(session)
    this.#note('recording.sealed', members({ session, recording: { seq: tip.seq, hash: tip.hash, ...seal } }))
  }

  /** Notes how far recordings have grown, seals and replaces the head. One at a time; never rejects. */
  seal(): Promise<void> {
    this.#busy = true
    this.#turn = this.#turn.then(() => this.#sealNow()).catch(error => this.#lose(error))
    const turn = this.#turn
    return turn.finally(() => {
      if (turn === this.#turn) this.#busy = false
    })
  }

  /** A page of events for `GET /v1/audit`, newest first unless `after` is given. */
  async read(query: Query): Promise<Page> {
    return readPage(this.#options.data, query)
  }

  /** Every event of this writer after a cursor, oldest first: what a store that lost its last commits applies again. */
  replay(since?: Cursor): AsyncGenerator<{ cursor: Cursor; event: Line }, void> {
    return replay(this.#options.data, this.#options.writer ?? 'gw', since)
  }

  /** Seals and closes. */
  async close(): Promise<void> {
    if (this.#closed) return
    clearInterval(this.#timer)
    await this.seal()
    this.#closed = true
    await this.#turn
    while (this.#syncing) await new Promise(resolve => setImmediate(resolve))
    this.#file.close()
  }

  #note(type: string, rest: string): void {
    if (this.healthy) {
      try {
        this.#file.append(type, rest)
        this.#file.flush()
        return
      } catch (error) {
        this.#lose(error)
      }
    }
    const time = iso(this.#options.clock.now())
    if (this.#kept.length < mostWaiting) this.#kept.push({ type, rest, time })
    else this.#dropped++
  }

  #syncSoon(): void {
    if (this.#syncing) return
    this.#syncing = true
    // Everything decided in this turn of the loop shares one write and one fdatasync.
    setImmediate(() => void this.#syncWaiting())
  }

  async #syncWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        if (this.#lost !== undefined) throw this.#lost
        this.#file.flush()
        await this.#file.sync()
        for (const waiter of batch) waiter.resolve(waiter.cursor)
      } catch (error) {
        this.#lose(error)
        const lost = this.#lost ?? new RecordingLost(error)
        for (const waiter of batch) waiter.reject(lost)
      }
    }
    this.#syncing = false
  }

  async #sealNow(): Promise<void> {
    if (this.#closed) return
    if (this.#lost !== undefined) return this.#mend()
    const heads = await this.#checkpoints()
    if (this.#lost !== undefined) return
    for (let at = 0; at < heads.length; at += headsALine) {
      this.#file.append('heads', members({ heads: heads.slice(at, at + headsALine) }))
    }
    if (this.#file.unsealed) await this.#file.seal()
  }

  async #checkpoints(): Promise<{ session: string; seq: number; hash: string }[]> {
    const grown = [...this.#followed.values()].filter(recording => recording.grown)
    const heads: { session: string; seq: number; hash: string }[] = []
    const work = async () => {
      for (let next = grown.pop(); next !== undefined; next = grown.pop()) {
        const tip = await next.checkpoint()
        // Closed in the meantime: its seal is in the audit already and goes further.
        if (tip !== undefined && this.#followed.has(next.session))
          heads.push({ session: next.session, seq: tip.seq, hash: tip.hash })
      }
    }
    await Promise.all(Array.from({ length: checkpointsAtOnce }, work))
    return heads
  }

  #lose(cause: unknown): void {
    if (this.#lost !== undefined) return
    this.#lost = cause instanceof RecordingLost ? cause : new RecordingLost(cause)
    this.#options.log.error(
      { err: cause, file: this.#file.name },
      'the audit cannot be written: everything is refused',
    )
    // Their lines may never be written; a later recovery must not answer them with yes.
    for (const waiter of this.#waiting) waiter.reject(this.#lost)
    this.#waiting = []
    this.#options.onLost?.(cause)
  }

  async #mend(): Promise<void> {
    try {
      await this.#file.mend(this.#dropped > 0 ? { dropped: this.#dropped } : {})
      // With the time at which each happened: a disk may be full for hours.
      for (const { type, rest, time } of this.#kept) this.#file.append(type, rest, time)
      this.#file.flush()
      // Only now: where this fails again a fact may come to stand there twice, but none is lost.
      this.#kept = []
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the audit still cannot be written')
      return
    }
    this.#dropped = 0
    this.#lost = undefined
    await this.#file.seal()
    this.#options.log.info({ file: this.#file.name }, 'the audit is written again')
    this.#options.onBack?.()
  }
}
