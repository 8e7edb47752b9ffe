/**
 * An authenticated connection to a host. The relay takes it over; until then nothing is read from it.
 *
 * At a cut what runs there must be gone within the second (invariant 6). A closed connection alone does not end a
 * command that has no terminal, so each one gets the signal HUP, and KILL if it is still there. Where the host's sshd
 * honours no signals (OpenSSH refuses them to a forced command, and before 9.9 to root), and where the gateway itself is
 * gone, the {@link Guardian} on the host does the same.
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
/** What sshd runs is counted again after so long, so often: what has just ended is not yet known on both sides. */
const recountMillis = 50
const mostCounts = 40
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
  /** What sshd was asked to start and has not said the end of, in that order. */
  readonly #begun = new Set<Running>()
  /** Those of them that are to be ended and are not, their channels closed. */
  readonly #left = new Set<Running>()
  #ends = Promise.resolve()
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

  /** It is about to be sent to the host. */
  started(one: Running): void {
    this.running.add(one)
    this.#begun.add(one)
  }
  /** Its process is over, or never was; its channel may stay open. */
  ended(one: Running): void {
    this.#begun.delete(one)
  }
  /** Its channel is closed. */
  stopped(one: Running): void {
    this.running.delete(one)
  }

  /**
   * A command was left by its client, and the host honoured no signal: the guardian ends it. It is told which by its place
   * among those that run, for sshd says no process's number. Where it cannot, the end of the session ends it.
   */
  leftBehind(one: Running): void {
    this.#left.add(one)
    this.#ends = this.#ends.then(() => this.#endLeft(one))
  }

  async #endLeft(one: Running): Promise<void> {
    for (let count = 0; count < mostCounts && this.#cancelled === undefined; count++) {
      const begun = [...this.#begun]
      const over = !this.#begun.has(one)
      if (over || (await this.#guardian?.end(begun.indexOf(one), begun.length)) === true) {
        this.#begun.delete(one)
        this.#left.delete(one)
        return
      }
      await wait(recountMillis, undefined, { ref: false })
    }
  }

  /** The first who asks says how. After a cut nothing of the connection stays; else what its client left on purpose does. */
  cancel(how: Ending['how'] = 'close'): Promise<void> {
    this.#cancelled ??= this.#cancel(how).catch(() => undefined)
    return this.#cancelled
  }

  async #cancel(how: Ending['how']): Promise<void> {
    if (this.wire.ended) return
    const busy = this.running.size > 0 || this.#left.size > 0
    if (!busy && this.#guardian?.runs !== true) return
    this.wire.resume()
    const over = Promise.all([...this.running].map(one => one.over))
    this.#word = how === 'cut' ? 'cut' : busy ? 'end' : 'go'
    if (this.#guardian?.runs === true) this.#guardian.tell(this.#word)
    if (this.#left.size > 0 || (this.#stays && how === 'cut')) this.#guardNow()
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
