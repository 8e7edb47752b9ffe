/**
 * Asks a worker how far its recordings stand. The audit waits for the answers before it seals, for everybody: a worker that
 * stands still holds it up once and for half a second, and is then not waited for until it has answered.
 */
import type { Tip } from '../ledger/chain.ts'
import type { Followed } from '../ledger/heads.ts'
import type { Channel } from './channel.ts'
import type { FromWorker, ToWorker } from './messages.ts'

const PATIENCE = 500

/** How far, where it is known, and whether to ask again with the next seal. */
export interface Answer {
  readonly tip?: Tip | undefined
  readonly again: boolean
}

export class Checkpoints {
  readonly #channel: () => Channel<ToWorker, FromWorker>
  /** Answers that are overdue. */
  #overdue = 0
  /** Those that came too late for a seal are for the next: on a disk that is always slow there would be none. */
  readonly #late = new WeakMap<object, Tip>()

  constructor(channel: () => Channel<ToWorker, FromWorker>) {
    this.#channel = channel
  }

  /** Never rejects. */
  async of(recording: Pick<Followed, 'session'>): Promise<Answer> {
    const tip = this.#late.get(recording)
    this.#late.delete(recording)
    if (tip !== undefined || this.#overdue > 0) return { tip, again: true }
    const asked = this.#channel()
      .call('checkpoint', { session: recording.session })
      .catch(() => undefined)
    const { promise: late, resolve } = Promise.withResolvers<'late'>()
    const timer = setTimeout(resolve, PATIENCE, 'late')
    const answer = await Promise.race([asked, late])
    clearTimeout(timer)
    if (answer !== 'late') return { tip: answer, again: false }
    this.#overdue++
    void asked.then(came => {
      this.#overdue--
      if (came !== undefined) this.#late.set(recording, came)
    })
    return { again: true }
  }
}
