/**
 * One direction of a channel: what may still be sent to the receiver, what the sender may still send to us, and what
 * waits in between. No I/O: sending and granting are the caller's.
 *
 * A sender gets as much credit as its receiver has window, so that data passes without waiting here; at least
 * {@link least}, so that neither can stall the other by a window of nothing, and at most {@link most}. What waits is
 * therefore bounded, whatever windows are claimed (attack 121, mscdex/ssh2 #1505), and small pieces that wait are put
 * together: a byte alone would hold a hundred times its size.
 */
import { Malformed } from '../../statement/sftp/fields.ts'

const least = 65_536
const most = 2 * 1024 * 1024
const maxWindow = 0xffff_ffff
/**
 * Kept of a receiver's window for the words that end its channel: a client that is slower than its host has none to
 * spare just when it is cut. Not of a window so small that it would be missed.
 */
const forLastWords = 1024
/** Pieces that wait are joined up to this. */
const joined = 1024
/**
 * With more pieces than this, what comes is joined to the last of its own stream, past what came between: bytes that come on
 * stdout and stderr by turns would each be a piece of their own, a hundred times their size, and the window that was given
 * for them cannot be taken back (attack 192). It is also as many as an array shifts without moving them all.
 */
const mostPieces = 4096

export interface PipeEnds {
  send(data: Buffer, extended: boolean): void
  grant(bytes: number): void
}

interface Piece {
  data: Buffer
  readonly extended: boolean
}

type Waiting = Piece | { readonly act: () => void }

export class Pipe {
  readonly #ends: PipeEnds
  readonly #queue: Waiting[] = []
  /** Of what waits, the last piece of each stream. */
  readonly #last: { plain: Piece | undefined; extended: Piece | undefined } = {
    plain: undefined,
    extended: undefined,
  }
  #window: number
  #packet: number
  #credit = 0
  #queued = 0
  #held = 0
  #kept: number

  constructor(window: number, packet: number, ends: PipeEnds) {
    this.#window = window
    this.#packet = packet
    this.#ends = ends
    this.#kept = window >= least ? forLastWords : 0
  }

  /** The credit that the sender's channel opens with. */
  opening(): number {
    this.#credit = this.#wanted()
    return this.#credit
  }

  /** The receiver said how much it takes; what its sender may send is then {@link opening}. */
  opened(window: number, packet: number): void {
    this.#window = window
    this.#packet = packet
  }

  /** The sender sent this much: more than it was given is an attack. */
  spend(bytes: number): void {
    if (bytes > this.#credit) throw new Malformed('data beyond the window')
    this.#credit -= bytes
  }

  /** The receiver takes this much more. */
  widen(bytes: number): void {
    if (this.#window + bytes > maxWindow) throw new Malformed('a window beyond 2^32-1')
    this.#window += bytes
    this.settle()
  }

  get waiting(): number {
    return this.#queued
  }

  push(data: Buffer, extended: boolean): void {
    // It costs no window, so nothing would bound how many wait.
    if (data.length === 0) return
    this.#queued += data.length
    const stream = extended ? 'extended' : 'plain'
    const last = this.#last[stream]
    const isNext = last === this.#queue.at(-1) || this.#queue.length >= mostPieces
    if (last !== undefined && isNext && last.data.length + data.length <= joined) {
      last.data = Buffer.concat([last.data, data])
    } else {
      const piece = { data, extended }
      this.#last[stream] = piece
      this.#queue.push(piece)
    }
  }

  /** When all before it has been sent. */
  after(act: () => void): void {
    this.#queue.push({ act })
  }

  /** So many more bytes that were taken from the sender wait elsewhere for their way through here; or fewer. */
  hold(bytes: number): void {
    this.#held += bytes
  }

  drop(): void {
    this.#queue.length = 0
    this.#last.plain = undefined
    this.#last.extended = undefined
    this.#queued = 0
  }

  /** What waits is of no use any more; this is the last that is sent. */
  lastWords(data: Buffer, extended: boolean): void {
    this.drop()
    this.#kept = 0
    this.push(data, extended)
    this.settle()
    this.drop()
  }

  /** Sends what the receiver takes, then lets the sender go on. */
  settle(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if ('act' in next) {
        this.#queue.shift()
        next.act()
        continue
      }
      const size = Math.min(next.data.length, this.#window - this.#kept, this.#packet)
      if (size <= 0) break
      this.#ends.send(next.data.subarray(0, size), next.extended)
      this.#window -= size
      this.#queued -= size
      next.data = next.data.subarray(size)
      if (next.data.length === 0) this.#sent(next)
    }
    const wanted = this.#wanted()
    if (this.#credit < wanted / 2) {
      this.#ends.grant(wanted - this.#credit)
      this.#credit = wanted
    }
  }

  #sent(piece: Piece): void {
    this.#queue.shift()
    const stream = piece.extended ? 'extended' : 'plain'
    if (this.#last[stream] === piece) this.#last[stream] = undefined
  }

  #wanted(): number {
    return Math.max(0, Math.min(Math.max(this.#window, least), most) - this.#queued - this.#held)
  }
}
