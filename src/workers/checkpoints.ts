/**
 * Asks a worker how far its recordings stand. The audit waits for the answers before it seals, for everybody: a worker that
 * stands still holds it up once and for half a second, and is then not waited for until it has answered.
 */
import type { Tip } from '../ledger/chain.ts'
import type { Channel } from './channel.ts'
import type { FromWorker, ToWorker } from './messages.ts'

const PATIENCE = 500

export class Checkpoints {
  readonly #channel: () => Channel<ToWorker, FromWorker>
  /** Answers that are overdue. */
  #overdue = 0

  constructor(channel: () => Channel<ToWorker, FromWorker>) {
    this.#channel = channel
  }

  /** `late`: ask again. Never rejects. */
  async of(session: string): Promise<Tip | undefined | 'late'> {
    if (this.#overdue > 0) return 'late'
    const asked = this.#channel()
      .call('checkpoint', { session })
      .catch(() => undefined)
    const { promise: late, resolve } = Promise.withResolvers<'late'>()
    const timer = setTimeout(resolve, PATIENCE, 'late')
    const answer = await Promise.race([asked, late])
    clearTimeout(timer)
    if (answer === 'late') {
      this.#overdue++
      void asked.then(() => this.#overdue--)
    }
    return answer
  }
}
