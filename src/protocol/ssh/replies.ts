/**
 * A channel's answers in the order of its requests (RFC 4254 section 4): those we give at once wait behind those that
 * the host still owes.
 */
import { Malformed } from '../../statement/sftp/fields.ts'

/** A host that answers nothing lets no more requests wait than this. */
const mostOwed = 256

type Owed = { done: boolean | undefined; readonly tell: (done: boolean) => boolean }

export class Replies {
  readonly #owed: Owed[] = []
  readonly #reply: (done: boolean) => void

  constructor(reply: (done: boolean) => void) {
    this.#reply = reply
  }

  now(done: boolean): void {
    this.#owe({ done, tell: () => true })
    this.#settle()
  }

  /** The host's answer is awaited; `tell` says whether it is passed on. */
  later(tell: (done: boolean) => boolean = () => true): void {
    this.#owe({ done: undefined, tell })
  }

  #owe(owed: Owed): void {
    if (this.#owed.length >= mostOwed) throw new Malformed('too many requests without an answer')
    this.#owed.push(owed)
  }

  /** The host answered the oldest request that it had been asked. */
  answered(done: boolean): void {
    const next = this.#owed.find(one => one.done === undefined)
    if (next === undefined) throw new Malformed('an answer to nothing')
    next.done = done
    this.#settle()
  }

  #settle(): void {
    for (let next = this.#owed[0]; next?.done !== undefined; next = this.#owed[0]) {
      this.#owed.shift()
      if (next.tell(next.done)) this.#reply(next.done)
    }
  }
}
