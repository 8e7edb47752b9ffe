/**
 * `statements_per_second` of a session: a bucket that holds one second's worth and may be overdrawn by one message, after
 * which nothing is read until it is paid back. So a client is slowed, never failed. Pure.
 */
export class Pace {
  readonly #perMs: number
  readonly #most: number
  #left: number
  #at: number

  constructor(perSecond: number, now: number) {
    this.#perMs = perSecond / 1000
    this.#most = perSecond
    this.#left = perSecond
    this.#at = now
  }

  /** So many statements run. Answers for how many milliseconds no other may. */
  take(now: number, count = 1): number {
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) * this.#perMs) - count
    this.#at = now
    return this.#left >= 0 ? 0 : Math.ceil(-this.#left / this.#perMs)
  }
}
