/**
 * What has arrived and was not read yet, for the two handshakes: pulled by exact counts, bounded, with one deadline.
 * A running session does not use it: there the relay is pushed.
 */
import type { Duplex } from 'node:stream'
import { lengthAt, Violation } from './wire.ts'

/** The other side is gone, or too slow. */
export class Gone extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Gone'
  }
}

export interface Frame {
  readonly type: number
  readonly payload: Buffer
}

export class Inbox {
  readonly #most: number
  #held: Buffer = Buffer.alloc(0)
  #over: Error | null = null
  #wake: (() => void) | null = null

  /** `most` bytes may wait here; one more ends the conversation. */
  constructor(most: number) {
    this.#most = most
  }

  /** Copies: the reader's buffer may be used again at once. */
  readonly feed = (chunk: Uint8Array): void => {
    if (this.#held.length + chunk.length > this.#most) {
      this.close(new Violation('too much was sent at once'))
      return
    }
    this.#held = Buffer.concat([this.#held, chunk])
    this.#wake?.()
  }

  /** Whoever reads, now or later, gets this error. The first one counts. */
  close(why: Error): void {
    this.#over ??= why
    this.#wake?.()
  }

  get waiting(): number {
    return this.#held.length
  }

  /** Without taking it. */
  async peek(): Promise<number> {
    await this.#until(1)
    return this.#held[0] as number
  }

  async take(count: number): Promise<Buffer> {
    await this.#until(count)
    const taken = this.#held.subarray(0, count)
    this.#held = this.#held.subarray(count)
    return taken
  }

  async frame(bounds: Parameters<typeof lengthAt>[2]): Promise<Frame> {
    await this.#until(5)
    const length = lengthAt(this.#held, 0, bounds)
    const bytes = await this.take(length + 1)
    return { type: bytes[0] as number, payload: bytes.subarray(5) }
  }

  /** All that is left. */
  rest(): Buffer {
    const rest = this.#held
    this.#held = Buffer.alloc(0)
    return rest
  }

  async #until(count: number): Promise<void> {
    while (this.#held.length < count) {
      if (this.#over !== null) throw this.#over
      await new Promise<void>(wake => {
        this.#wake = wake
      })
      this.#wake = null
    }
  }
}

/** Reads `socket` into `inbox`; the answer stops that and leaves the socket paused for the next reader. */
export function fill(inbox: Inbox, socket: Duplex): () => void {
  const over = (): void => inbox.close(new Gone('the connection was closed'))
  socket.on('data', inbox.feed)
  socket.on('end', over)
  socket.on('close', over)
  return () => {
    socket.pause()
    socket.off('data', inbox.feed)
    socket.off('end', over)
    socket.off('close', over)
  }
}
