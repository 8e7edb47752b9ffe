/**
 * The client's reading side of a one-shot: messages in order for whoever asks, rows to whoever takes them. Rows are looked at
 * as they pass and never gathered here; one that is larger than a whole answer may be is not even read.
 */
import { Frames } from './frames.ts'
import type { Frame } from './inbox.ts'
import { DATA_ROW, handshakeBounds, ROW_DESCRIPTION, serverBounds } from './wire.ts'

const bounds = serverBounds.map((bound, type) => bound ?? handshakeBounds[type])

/** Told as they pass: their shape before the rows. */
export interface RowReader {
  describe(payload: Buffer): void
  /** Good until it returns; null where it was too large. */
  take(payload: Buffer | null): void
}

export class Reply {
  readonly #most: number
  readonly #frames: Frames
  readonly #messages: Frame[] = []
  #rows: RowReader | null = null
  #over: Error | null = null
  #wake: (() => void) | null = null

  constructor(mostBytesOfARow: number) {
    this.#most = mostBytesOfARow
    this.#frames = new Frames(bounds, {
      needs: (type, total) => (type === DATA_ROW && total > this.#most ? 5 : total),
      judge: (type, bytes, at, total) => {
        const payload = bytes.subarray(at + 5, at + total)
        if (type === DATA_ROW) this.#rows?.take(total > this.#most ? null : payload)
        else if (type === ROW_DESCRIPTION) this.#rows?.describe(payload)
        else {
          this.#messages.push({ type, payload: Buffer.from(payload) })
          this.#wake?.()
        }
        return true
      },
    })
  }

  rowsTo(rows: RowReader | null): void {
    this.#rows = rows
  }

  readonly feed = (chunk: Buffer): void => {
    const passed = this.#frames.pass(chunk)
    const bytes = passed > 0 ? chunk.subarray(passed) : this.#frames.join(chunk)
    if (bytes === null) return
    this.#frames.hold(bytes.subarray(this.#frames.walk(bytes)))
  }

  /** Whoever waits, now or later, gets this error. */
  close(why: Error): void {
    this.#over ??= why
    this.#wake?.()
  }

  async next(): Promise<Frame> {
    for (;;) {
      if (this.#over !== null) throw this.#over
      const message = this.#messages.shift()
      if (message !== undefined) return message
      await new Promise<void>(wake => {
        this.#wake = wake
      })
      this.#wake = null
    }
  }

  /** Messages up to and with one of these types. */
  async upTo(...types: readonly number[]): Promise<Frame> {
    for (;;) {
      const message = await this.next()
      if (types.includes(message.type)) return message
    }
  }
}
