/**
 * An authenticated connection to a host. The relay takes it over; until then nothing is read from it.
 *
 * At a cut what runs there must be gone within the second (invariant 6). A closed connection alone does not end a
 * command that has no terminal, so each one gets the signal HUP, and KILL if it is still there; where the host's sshd
 * honours no signals (OpenSSH refuses them to root), {@link sweep} does the same from a shell on the host.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { message, Reader } from '../../statement/sftp/fields.ts'
import type { Upstream } from '../protocol.ts'
import { disconnectReason, msg } from './messages.ts'
import { Sweep } from './sweep.ts'
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

export class SshUpstream implements Upstream {
  readonly wire: Wire
  readonly running = new Set<Running>()
  #side: FarSide | undefined
  #sweep: Sweep | undefined
  /** The host runs one command whatever is asked: what {@link Sweep} sends would start it once more. */
  forced = false
  #isSwept: () => void = () => undefined
  readonly #swept: Promise<void>
  #cancelled: Promise<void> | undefined
  #leftBehind = false
  #ended: { readonly error: Error | undefined } | undefined

  constructor(wire: Wire) {
    this.wire = wire
    this.#swept = new Promise(resolve => {
      this.#isSwept = resolve
    })
  }

  /** From now on the host's messages go there. */
  attach(side: FarSide): void {
    this.#side = side
    if (this.#ended !== undefined) side.onEnd(this.#ended.error)
  }

  onMessage(type: number, payload: Buffer): void {
    if (this.#sweep?.takes(type, payload) === true) return
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

  /** A command was left by its client and the host honoured no signal: the end of the session ends it. */
  leftBehind(): void {
    this.#leftBehind = true
  }

  cancel(): Promise<void> {
    this.#cancelled ??= this.#cancel().catch(() => undefined)
    return this.#cancelled
  }

  async #cancel(): Promise<void> {
    if (this.wire.ended || (this.running.size === 0 && !this.#leftBehind)) return
    this.wire.resume()
    if (this.#leftBehind) this.#startSweep()
    const over = Promise.all([...this.running].map(one => one.over))
    this.#signal('HUP')
    await Promise.race([over, wait(hangUpMillis)])
    this.#signal('KILL')
    await Promise.race([this.#leftBehind ? this.#swept : over, this.#swept, wait(killMillis)])
  }

  /** To whatever still runs; where the host does not honour it, the sweep goes instead. */
  #signal(name: 'HUP' | 'KILL'): void {
    if (this.#sweep !== undefined) return
    for (const one of this.running) {
      void one.signal(name).then(honoured => {
        if (!honoured) this.#startSweep()
      })
    }
  }

  #startSweep(): void {
    if (this.#sweep !== undefined || this.wire.ended || this.forced) return
    this.#sweep = new Sweep(this.wire)
    void this.#sweep.done.then(this.#isSwept)
  }

  destroy(): void {
    this.wire.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cancel()
    this.wire.disconnect(disconnectReason.byApplication, 'the session is over')
  }
}
