/**
 * A client's sftp requests, one by one out of its data, no faster than {@link file://./pace.ts} lets them and no more than
 * may be under way. What waits counts against the client's window, and its EOF waits behind it.
 */
import { Frames } from '../../statement/sftp/packet.ts'
import { Backlog } from './backlog.ts'
import type { Ends } from './ends.ts'

/**
 * A request brings a packet of its own for the host, often two, and a path or data are gone over. Counted as one each, a turn
 * of those with long paths took half a second, from which everybody's cut was late (attack 192).
 */
const weightOf = (body: Buffer) => 4 + (body.length >> 9)

export interface Takes {
  request(body: Buffer): void
  /** As many are under way as may be: the next waits for an answer. */
  full(): boolean
  /** As many have been taken as may be for now. */
  settle(): void
}

export class Intake {
  readonly #ends: Ends
  readonly #by: Takes
  readonly #frames = new Frames()
  /** Behind what the frames have. */
  readonly #backlog = new Backlog()
  #held = 0
  #waits = false
  #due = false
  #then: (() => void) | undefined

  constructor(ends: Ends, by: Takes) {
    this.#ends = ends
    this.#by = by
  }

  push(data: Buffer): void {
    if (this.#waits) {
      this.#backlog.push(data)
      this.#hold()
    } else {
      this.#frames.push(data)
      this.#take()
    }
  }

  /** Calls `then` when all that came has been taken. */
  after(then: () => void): void {
    if (this.#waits) this.#then = then
    else then()
  }

  /** There was an answer. */
  answered(): void {
    if (this.#waits) this.#later()
  }

  #later(): void {
    if (this.#due || this.#by.full()) return
    this.#due = true
    this.#ends.pace.later(() => {
      this.#due = false
      this.#take()
    })
  }

  #take(): void {
    this.#waits = !this.#all()
    this.#hold()
    if (this.#waits) {
      this.#later()
    } else {
      this.#then?.()
      this.#then = undefined
    }
    this.#by.settle()
  }

  /** Whether that was all, or has become nobody's. */
  #all(): boolean {
    while (!this.#ends.farCloseSent) {
      if (!this.#ends.pace.open || this.#by.full()) return this.#frames.left + this.#backlog.length === 0
      const body = this.#frames.next()
      if (body !== undefined) {
        this.#ends.pace.taken(weightOf(body))
        this.#by.request(body)
      } else if (this.#backlog.length > 0) this.#frames.push(this.#backlog.take())
      else return true
    }
    this.#frames.push(Buffer.alloc(0))
    this.#backlog.drop()
    return true
  }

  #hold(): void {
    const held = this.#waits ? this.#frames.left + this.#backlog.length : 0
    this.#ends.up.hold(held - this.#held)
    this.#held = held
  }
}
