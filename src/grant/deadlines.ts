/**
 * Deadlines that hold on both clocks (attack 45). One heap on the monotonic clock, one timer for the whole gateway.
 *
 * A wall clock that steps back changes nothing: the monotonic deadline stands. One that steps forward is noticed within
 * a {@link TICK}: tokens die by the wall clock, so what is past on it is due. Ten thousand deadlines at one instant are
 * one call with ten thousand keys (attack 201).
 */
import type { Clock, Millis } from '../words.ts'
import { Heap } from './heap.ts'

/** The longest sleep. Far below the 2^31-1 at which setTimeout would fire at once. */
const TICK = 1_000
/** A drift of the wall clock below this is slewing, not a step; what it hides is late by no more than this. */
const STEP = 50

export class Deadlines {
  readonly #clock: Clock
  readonly #onDue: (keys: readonly string[]) => void
  readonly #heap = new Heap()
  readonly #wall = new Map<string, Millis>()
  #timer: NodeJS.Timeout | undefined
  #wakesAt = Number.POSITIVE_INFINITY
  /** Wall minus monotonic clock when the wall clock was last looked at. */
  #offset: number
  #closed = false

  constructor(clock: Clock, onDue: (keys: readonly string[]) => void) {
    this.#clock = clock
    this.#onDue = onDue
    this.#offset = clock.now() - clock.mono()
  }

  get size(): number {
    return this.#wall.size
  }

  /** Due when the monotonic clock reaches `mono` or the wall clock `wall`, whichever is first. */
  set(key: string, at: { readonly wall: Millis; readonly mono: number }): void {
    this.#heap.set(key, at.mono)
    this.#wall.set(key, at.wall)
    this.#arm()
  }

  delete(key: string): void {
    this.#heap.delete(key)
    this.#wall.delete(key)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  /** Takes out and returns what is due now. The timer calls it; so may whoever cannot wait for the timer. */
  due(): string[] {
    const keys = this.#heap.due(this.#clock.mono())
    for (const key of keys) this.#wall.delete(key)
    const now = this.#clock.now()
    const offset = now - this.#clock.mono()
    if (offset - this.#offset < STEP && offset >= this.#offset) return keys
    if (offset > this.#offset) {
      for (const [key, wall] of this.#wall) {
        if (wall > now) continue
        keys.push(key)
        this.delete(key)
      }
    }
    this.#offset = offset
    return keys
  }

  #arm(): void {
    const next = this.#heap.next()
    if (this.#closed || next === undefined) return
    const mono = this.#clock.mono()
    const wakesAt = Math.min(next, mono + TICK)
    if (wakesAt >= this.#wakesAt) return
    clearTimeout(this.#timer)
    this.#wakesAt = wakesAt
    // setTimeout cuts fractions and may fire just before: rounded up, and whoever is early simply arms again.
    this.#timer = setTimeout(() => this.#wake(), Math.max(0, Math.ceil(wakesAt - mono)))
    // Deadlines alone do not keep the process alive; its listeners do.
    this.#timer.unref()
  }

  #wake(): void {
    this.#wakesAt = Number.POSITIVE_INFINITY
    const keys = this.due()
    this.#arm()
    if (keys.length > 0) this.#onDue(keys)
  }
}
