/**
 * What is to be sent in one turn, sent in one go when the turn is over. Small pieces are put together, large ones pass
 * as they are: a packet of data costs no copy, and many small packets cost one write.
 */
import type { Socket } from 'node:net'

const slabBytes = 2048
/** What is larger is not copied. */
const smallBytes = 512

export class Outbox {
  readonly #socket: Socket
  #pieces: Uint8Array[] = []
  #slab: Buffer | undefined
  #used = 0
  #bytes = 0
  #due = false

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** What has not yet left for the peer. */
  get waiting(): number {
    return this.#bytes + this.#socket.writableLength
  }

  add(piece: Uint8Array): void {
    this.#bytes += piece.length
    if (piece.length > smallBytes) {
      this.#closeSlab()
      this.#pieces.push(piece)
    } else {
      if (this.#slab === undefined || this.#used + piece.length > this.#slab.length) {
        this.#closeSlab()
        this.#slab = Buffer.allocUnsafe(slabBytes)
      }
      this.#slab.set(piece, this.#used)
      this.#used += piece.length
    }
    if (this.#due) return
    this.#due = true
    process.nextTick(() => {
      this.#due = false
      this.flush()
    })
  }

  /** The rest of the slab serves the next pieces, so a busy turn takes few of them. */
  #closeSlab(): void {
    if (this.#slab === undefined || this.#used === 0) return
    this.#pieces.push(this.#slab.subarray(0, this.#used))
    this.#slab = this.#slab.subarray(this.#used)
    this.#used = 0
    if (this.#slab.length < 64) this.#slab = undefined
  }

  flush(): void {
    this.#closeSlab()
    this.#slab = undefined
    const pieces = this.#pieces
    if (pieces.length === 0) return
    this.#pieces = []
    this.#bytes = 0
    if (this.#socket.destroyed || this.#socket.writableEnded) return
    this.#socket.cork()
    for (const piece of pieces) this.#socket.write(piece)
    this.#socket.uncork()
  }
}
