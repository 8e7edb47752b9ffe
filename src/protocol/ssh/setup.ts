/**
 * What a client may ask of a channel before it starts something there: a terminal, its size, variables. Each request is
 * judged; what is allowed is passed on rebuilt from what was read, never as it came. It counts once the host has said so:
 * with a terminal that was never given a command's input would not be recorded, and a variable on record that was never set.
 */
import type { Touch, Verdict } from '../../recording/record.ts'
import type { Field, Reader } from '../../statement/sftp/fields.ts'
import { allowsEnv, judgePty } from './guard.ts'
import type { RelaySide } from './sides.ts'
import { readSize, readTerminal, type Terminal } from './terminal.ts'

const maxEnv = 64

/** A request for the host, and what to do when it has agreed or not; nothing where it is refused. */
export type Asked =
  | { readonly request: readonly [name: string, ...fields: readonly Field[]]; answered(done: boolean): void }
  | undefined

export class Setup {
  readonly #relay: RelaySide
  readonly #env: Touch[] = []
  #envAsked = 0
  #unanswered = 0
  #settled: () => void = () => undefined
  #terminal: Terminal | undefined
  #given = false

  constructor(relay: RelaySide) {
    this.#relay = relay
  }

  /** The terminal that was given. */
  get pty(): Terminal | undefined {
    return this.#given ? this.#terminal : undefined
  }
  /** Given, or asked for and not yet refused. */
  get terminal(): Terminal | undefined {
    return this.#terminal
  }

  openPty(fields: Reader): Asked {
    const asked = readTerminal(fields)
    const verdict = judgePty(this.#relay.scope, asked.term)
    if (!verdict.allow) {
      this.#relay.refused(verdict)
      return undefined
    }
    this.#terminal = asked
    return this.#asked(['pty-req', asked.term, asked.cols, asked.rows, 0, 0, asked.modes], done => {
      this.#given = done
      if (!done) this.#terminal = undefined
    })
  }

  setEnv(fields: Reader): Asked {
    const name = fields.text()
    const value = fields.text()
    if (++this.#envAsked > maxEnv || !allowsEnv(this.#relay.scope, name, value)) return undefined
    return this.#asked(['env', name, value], done => {
      if (done) this.#env.push({ act: 'env', on: `${name}=${value}` })
    })
  }

  #asked(request: readonly [string, ...Field[]], then: (done: boolean) => void): Asked {
    this.#unanswered++
    const answered = (done: boolean) => {
      this.#unanswered--
      then(done)
      if (this.#unanswered === 0) this.#settled()
    }
    return { request, answered }
  }

  /**
   * Calls `go` when the host has answered all that it was asked, maybe at once. Never while the host is read: what the
   * client has said meanwhile is done then, and what is wrong with it would be the host's breach.
   */
  whenSettled(go: () => void): void {
    if (this.#unanswered === 0) go()
    else this.#settled = () => this.#relay.pace.later(go)
  }

  /** The channel is over: nothing goes on any more. */
  end(): void {
    this.#settled = () => undefined
  }

  /** With the variables that were set, for the record of what runs with them. */
  withEnv(verdict: Verdict): Verdict {
    const { statement } = verdict
    return { ...verdict, statement: { ...statement, touches: [...statement.touches, ...this.#env] } }
  }

  /** The new size; nothing where it is the old one, so that a storm of them writes nothing (attack 130). */
  resize(fields: Reader): Terminal | undefined {
    const size = readSize(fields)
    const now = this.#terminal
    if (now === undefined || (now.cols === size.cols && now.rows === size.rows)) return undefined
    this.#terminal = { ...now, ...size }
    return this.#terminal
  }
}
