/**
 * A recording that a worker writes, as the first process has it: something to hide, a checkpoint a second for the audit, an
 * end. Where the worker died it is closed here, by the same recovery as after a crash of the whole gateway.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Tip } from '../ledger/chain.ts'
import type { Followed, Heads } from '../ledger/heads.ts'
import type { SealKey } from '../ledger/seal.ts'
import type { Recorder } from '../recording/record.ts'
import { closedTip, recoverRecording } from '../recording/recover.ts'
import type { Log } from '../telemetry/log.ts'
import type { Clock, Ending } from '../words.ts'
import type { Channel } from './channel.ts'
import type { Checkpoints } from './checkpoints.ts'
import type { FromWorker, ToWorker } from './messages.ts'

export interface RemoteRecordingAt {
  readonly session: string
  readonly channel: Channel<ToWorker, FromWorker>
  readonly checkpoints: Checkpoints
  readonly data: string
  readonly key: SealKey
  readonly heads: Heads
  readonly clock: Clock
  readonly log: Log
}

const elsewhere = (): never => {
  throw new TypeError('what happens in a session of a worker is recorded there')
}

export class RemoteRecording implements Recorder, Followed {
  readonly session: string
  /** The worker says so once after each checkpoint. */
  grown = false
  readonly statement = elsewhere
  readonly result = elsewhere
  readonly file = elsewhere
  readonly echoed = elsewhere
  readonly stream = elsewhere
  readonly flush = elsewhere
  readonly #at: RemoteRecordingAt
  #ending: Ending | undefined

  constructor(at: RemoteRecordingAt) {
    this.session = at.session
    this.#at = at
  }

  hide(secret: string): void {
    this.#at.channel.tell('hide', { session: this.session, secret })
  }

  async checkpoint(): Promise<Tip | undefined> {
    this.grown = false
    const { channel, checkpoints } = this.#at
    if (channel.closed) return this.#recover()
    const { tip, again } = await checkpoints.of(this)
    if (again) this.grown = true
    return tip
  }

  async close(ending: Ending): Promise<void> {
    this.#ending ??= ending
    const { channel, session } = this.#at
    try {
      await channel.call('close', { session, ending })
    } catch (error) {
      if (!channel.closed) throw error
      await this.#recover()
    }
  }

  /** The worker is dead. What was closed already, but not yet sealed for want of a disk, is asked for again. */
  orphaned(): void {
    this.grown = this.#ending !== undefined
  }

  async #recover(): Promise<undefined> {
    if (this.#ending === undefined) return undefined
    const { data, session, key, heads, clock, log } = this.#at
    const path = join(data, 'recordings', session, 'session.jsonl')
    const { why, text } = this.#ending
    try {
      if (!existsSync(path)) return undefined
      // Sealed perhaps, a moment before the worker could say so.
      const closed =
        closedTip(path) ?? (await recoverRecording({ data, session, key, now: clock.now(), why, text }))
      if (closed !== undefined) heads.closed(session, closed.tip, closed.seal)
    } catch (error) {
      // The audit asks again every second.
      this.grown = true
      log.warn({ err: error, session }, "a dead worker's recording still cannot be closed")
    }
    return undefined
  }
}
