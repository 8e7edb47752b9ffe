/**
 * How much of what a client says is done in one turn of the event loop. Its wire counts packets, but one packet holds
 * thousands of sftp's requests or of scp's lines; so those are counted as well, over all channels of a session. The rest
 * waits, in order of arrival and bounded by the windows that were given (attack 192).
 *
 * All of it waits while the client takes no answers: some are made here, and no host's window bounds those. The wire is
 * read on meanwhile, for the key exchanges and window adjustments without which the client might never take any again.
 */
import { currentTurn } from './turn.ts'

/** Some ten milliseconds of the cheapest. */
const mostInTurn = 1024

export interface Pacing {
  /** The client takes no answers. */
  blocked(): boolean
  /** Does this as if the client had said it now. */
  goOn(act: () => void): void
}

export class Pace {
  readonly #by: Pacing
  readonly #waiting: (() => void)[] = []
  #turn = 0
  #taken = 0
  #due = false
  #over = false

  constructor(by: Pacing) {
    this.#by = by
  }

  /** Whether one more may be done now; it is to be {@link taken} then. */
  get open(): boolean {
    const turn = currentTurn()
    if (turn !== this.#turn) this.#taken = 0
    this.#turn = turn
    return !this.#over && this.#taken < mostInTurn && !this.#by.blocked()
  }

  /** `weight`: as many of the cheapest cost as much. */
  taken(weight = 1): void {
    this.#taken += weight
  }

  /** In another turn, behind those that wait already: no channel keeps another from its own. */
  later(act: () => void): void {
    if (!this.#over) this.#waiting.push(act)
    this.wake()
  }

  /** The client takes its answers again, if it did not. */
  wake(): void {
    if (this.#due || this.#waiting.length === 0 || this.#by.blocked()) return
    this.#due = true
    setImmediate(() => {
      this.#due = false
      this.#by.goOn(() => {
        while (this.#waiting.length > 0 && this.open) this.#waiting.shift()?.()
      })
      this.wake()
    })
  }

  /** The session is over: what waits is nobody's. */
  end(): void {
    this.#over = true
    this.#waiting.length = 0
  }
}
