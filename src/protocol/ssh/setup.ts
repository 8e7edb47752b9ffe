/**
 * What a client may ask of a channel before it starts something there: a terminal, its size, variables. Each request is
 * judged; what is allowed is passed on rebuilt from what was read, never as it came.
 */
import type { Touch } from '../../recording/record.ts'
import type { Field, Reader } from '../../statement/sftp/fields.ts'
import { allowsEnv, judgePty } from './guard.ts'
import type { RelaySide } from './sides.ts'
import { readSize, readTerminal, type Terminal } from './terminal.ts'

const maxEnv = 64

/** A request for the host; nothing where it is refused. */
export type Asked = readonly [name: string, ...fields: readonly Field[]] | undefined

export class Setup {
  readonly #relay: RelaySide
  readonly #env: Touch[] = []
  #envAsked = 0
  #pty: Terminal | undefined

  constructor(relay: RelaySide) {
    this.#relay = relay
  }

  get pty(): Terminal | undefined {
    return this.#pty
  }
  /** The variables that were set, for the record of what runs with them. */
  get env(): readonly Touch[] {
    return this.#env
  }

  openPty(fields: Reader): Asked {
    const asked = readTerminal(fields)
    const verdict = judgePty(this.#relay.scope, asked.term)
    if (!verdict.allow) {
      this.#relay.refused(verdict)
      return undefined
    }
    this.#pty = asked
    return ['pty-req', asked.term, asked.cols, asked.rows, 0, 0, asked.modes]
  }

  setEnv(fields: Reader): Asked {
    const name = fields.text()
    const value = fields.text()
    if (++this.#envAsked > maxEnv || !allowsEnv(this.#relay.scope, name, value)) return undefined
    this.#env.push({ act: 'env', on: `${name}=${value}` })
    return ['env', name, value]
  }

  /** The new size; nothing where it is the old one, so that a storm of them writes nothing (attack 130). */
  resize(fields: Reader): Terminal | undefined {
    const size = readSize(fields)
    if (this.#pty === undefined || (this.#pty.cols === size.cols && this.#pty.rows === size.rows))
      return undefined
    this.#pty = { ...this.#pty, ...size }
    return this.#pty
  }
}
