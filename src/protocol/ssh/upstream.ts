/**
 * An authenticated connection to a host. The relay takes it over; until then nothing is read from it.
 *
 * At a cut what runs there must be gone within the second (invariant 6). A closed connection alone does not end a
 * command that has no terminal, so each one gets the signal HUP, and KILL if it is still there. Where the host's sshd
 * honours no signals (OpenSSH before 9.9 refuses them to root), and where the gateway itself is gone, the
 * {@link Guardian} on the host does the same.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { message, Reader } from '../../statement/sftp/fields.ts'
import type { Ending } from '../../words.ts'
import type { Upstream } from '../protocol.ts'
import { Guardian, type Word } from './guardian.ts'
import { disconnectReason, msg } from './messages.ts'
import type { Wire } from './wire.ts'

/** Something that runs on the host, as its channel shows it. */
export interface Running {
  /** Sends a signal; whether the host honoured it. */
  signal(name: 'HUP' | 'KILL'): Promise<boolean>
  /** The host has closed its channel. */
  readonly over: Promise<void>
}

export interface FarSide {
  onMessage(type: number, payload: Buffer): void
  onTurn(): void
  onDrain(): void
  onEnd(error?: Error): void
}

/** A command gets this long to obey HUP before KILL; with what follows, less than the broker's patience of 500 ms. */
const hangUpMillis = 150
const killMillis = 300
/** One that cannot stay is not asked for for ever. */
const mostGuardians = 3

export class SshUpstream implements Upstream {
  readonly wire: Wire
  readonly running = new Set<Running>()
  #side: FarSide | undefined
  #guardian: Guardian | undefined
  #guardians = 0
  /** Channels of the client's that wait for the guardian's place. */
  #waiting: (() => void)[] = []
  /** The guardian waits on the host without a channel. */
  #stays = false
  #word: Word = 'cut'
  readonly #guarded: boolean
  #cancelled: Promise<void> | undefined
  #leftBehind = false
  #ended: { readonly error: Error | undefined } | undefined

  constructor(wire: Wire, guarded = true) {
    this.wire = wire
    this.#guarded = guarded
  }

  /** From now on the host's messages go there. */
  attach(side: FarSide): void {
    this.#side = side
    if (this.#ended !== undefined) side.onEnd(this.#ended.error)
  }

  onMessage(type: number, payload: Buffer): void {
    if (this.#guardian?.takes(type, payload) === true) return
    if (this.#side !== undefined) this.#side.onMessage(type, payload)
    else if (type === msg.globalRequest) this.#answerGlobal(payload)
  }
  onTurn(): void {
    this.#side?.onTurn()
  }
  onDrain(): void {
    this.#side?.onDrain()
  }
  onEnd(error?: Error): void {
    this.#ended = { error }
    this.#side?.onEnd(error)
  }

  #answerGlobal(payload: Buffer): void {
    const fields = new Reader(payload, 1)
    fields.text()
    if (fields.bool()) this.wire.send(message(msg.requestFailure))
  }

  /** What opens the guardian's channel, if it has none: behind a channel of the client's, which goes first where room is short. */
  guardian(): Buffer | undefined {
    if (!this.#guarded || this.#stays) return undefined
    if (this.#guardian?.lost === false || this.#guardians >= mostGuardians) return undefined
    this.#guardian = new Guardian(this.wire, this.#guardians++)
    return this.#guardian.opening()
  }

  /** A command is about to be sent: sshd starts the guardian first. */
  guard(): void {
    this.#guardian?.start()
  }

  /**
   * The host has refused a channel of the client's: it may be the guardian that has the last of its MaxSessions. Where
   * that is so it goes on without a channel, and `again` is called.
   */
  makeRoom(again: () => void): boolean {
    const guardian = this.#guardian
    if (guardian === undefined || (guardian.lost && !this.#stays)) return false
    if (guardian.lost) again()
    else {
      this.#waiting.push(again)
      if (!this.#stays) guardian.yield(() => this.#roomMade())
      this.#stays = true
    }
    return true
  }

  #roomMade(): void {
    for (const again of this.#waiting.splice(0)) again()
  }

  /** A command was left by its client and the host honoured no signal: the end of the session ends it. */
  leftBehind(): void {
    this.#leftBehind = true
  }

  /** The first who asks says how. After a cut nothing of the connection stays; else what its client left on purpose does. */
  cancel(how: Ending['how'] = 'close'): Promise<void> {
    this.#cancelled ??= this.#cancel(how).catch(() => undefined)
    return this.#cancelled
  }

  async #cancel(how: Ending['how']): Promise<void> {
    if (this.wire.ended) return
    const busy = this.running.size > 0 || this.#leftBehind
    if (!busy && this.#guardian?.runs !== true) return
    this.wire.resume()
    const over = Promise.all([...this.running].map(one => one.over))
    this.#word = how === 'cut' ? 'cut' : busy ? 'end' : 'go'
    if (this.#guardian?.runs === true) this.#guardian.tell(this.#word)
    if (this.#leftBehind || (this.#stays && how === 'cut')) this.#guardNow()
    this.#signal('HUP')
    // A word that is not waited for could be lost with the socket, and the guardian would take that for a cut.
    const told = () => (this.#guardian?.runs === true ? this.#guardian.done : undefined)
    await Promise.race([Promise.all([over, told()]), wait(hangUpMillis)])
    this.#signal('KILL')
    await Promise.race([Promise.all([over, told()]), wait(killMillis)])
  }

  /** To whatever still runs; where the host does not honour it, it is the guardian's. */
  #signal(name: 'HUP' | 'KILL'): void {
    for (const one of this.running) {
      void one.signal(name).then(honoured => {
        if (!honoured) this.#guardNow()
      })
    }
  }

  /** There was no room for a guardian before, or somebody has ended it. */
  #guardNow(): void {
    // One that waits for sshd's end would be late; where there is room for a channel again another one is not.
    this.#stays = false
    const opening = this.guardian()
    if (opening === undefined) return
    this.wire.send(opening)
    this.#guardian?.start()
    this.#guardian?.tell(this.#word)
  }

  destroy(): void {
    this.wire.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cancel()
    this.wire.disconnect(disconnectReason.byApplication, 'the session is over')
  }
}
