/**
 * Cuts a stream of chunks at frame borders. Only headers are read; of each frame as many bytes as its judge needs are
 * brought together, the rest passes by uncopied. Nothing is buffered that a header has not been judged for (attack 97).
 */
import { lengthAt } from './wire.ts'

type Bounds = Parameters<typeof lengthAt>[2]

/**
 * Looks at frames for a {@link Frames}. `bytes` from `at` hold at least what `needs` asked for; `total` is the frame's whole
 * length and may reach beyond. Answers whether to go on to the next frame; `again` stops before this one, to be asked once more.
 */
export interface FrameJudge {
  needs(type: number, total: number): number
  judge(type: number, bytes: Buffer, at: number, total: number): boolean | 'again'
}

const NOTHING = Buffer.alloc(0)

export class Frames {
  readonly #bounds: Bounds
  readonly #judge: FrameJudge
  #store: Buffer = NOTHING
  #held = 0
  /** Bytes that must be there before the frame at the border can be looked at. */
  #wanted = 5
  /** Bytes of the last frame that are still to come and belong to whatever was decided on it. */
  passing = 0

  constructor(bounds: Bounds, judge: FrameJudge) {
    this.#bounds = bounds
    this.#judge = judge
  }

  /** How much of a chunk belongs to the last frame; that is then behind us. */
  pass(chunk: Buffer): number {
    const count = Math.min(this.passing, chunk.length)
    this.passing -= count
    return count
  }

  /** The chunk with what was held back before it, or null while that is still too little. */
  join(chunk: Buffer): Buffer | null {
    if (this.#held === 0) return chunk
    this.#keep(chunk)
    if (this.#held < this.#wanted) return null
    const joined = this.#store.subarray(0, this.#held)
    this.#store = NOTHING
    this.#held = 0
    return joined
  }

  /** Walks from the start; answers where it stopped: at the end, at the border of a frame to hold back, or where the judge said so. */
  walk(bytes: Buffer): number {
    const end = bytes.length
    let at = 0
    while (end - at >= 5) {
      const type = bytes[at] as number
      const total = lengthAt(bytes, at, this.#bounds) + 1
      const needed = this.#judge.needs(type, total)
      if (end - at < needed) {
        this.#wanted = needed
        return at
      }
      const on = this.#judge.judge(type, bytes, at, total)
      if (on === 'again') return at
      at += total
      if (at > end) {
        this.passing = at - end
        at = end
      }
      if (!on) return at
    }
    this.#wanted = 5
    return at
  }

  /** Keeps (a copy of) what follows the last border. */
  hold(tail: Buffer): void {
    if (tail.length > 0) this.#keep(tail)
  }

  /** Grows by doubling: a frame that drips in byte by byte costs its own length, not its square. */
  #keep(bytes: Buffer): void {
    const needed = this.#held + bytes.length
    if (needed > this.#store.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(this.#wanted, needed * 2)))
      this.#store.copy(grown, 0, 0, this.#held)
      this.#store = grown
    }
    bytes.copy(this.#store, this.#held)
    this.#held = needed
  }
}
