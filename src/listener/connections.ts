/** How many connections are open, in all and from one source: the cap on both, and the way to end them all. */
import type { Socket } from 'node:net'
import { countedAs } from './source.ts'

export interface ConnectionLimits {
  readonly total: number
  readonly perSource: number
}

export class Connections {
  readonly #limits: ConnectionLimits
  readonly #open = new Set<Socket>()
  readonly #bySource = new Map<string, number>()
  #unsaid = 0
  #saidAt = Number.NEGATIVE_INFINITY

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#open.size
  }

  /** Counts a socket until it closes; false where it is one too many. */
  admit(socket: Socket, source: string): boolean {
    const key = countedAs(source)
    const before = this.#bySource.get(key) ?? 0
    if (this.#open.size >= this.#limits.total || before >= this.#limits.perSource) return false
    this.#open.add(socket)
    this.#bySource.set(key, before + 1)
    socket.once('close', () => {
      this.#open.delete(socket)
      const left = (this.#bySource.get(key) ?? 1) - 1
      if (left > 0) this.#bySource.set(key, left)
      else this.#bySource.delete(key)
    })
    return true
  }

  /** How many were turned away since it was last said: said once a second, or they would fill the log by the thousand (attack 199). */
  turnedAway(now: number): number | undefined {
    this.#unsaid++
    if (now < this.#saidAt + 1000) return undefined
    const refused = this.#unsaid
    this.#unsaid = 0
    this.#saidAt = now
    return refused
  }

  destroyAll(): void {
    for (const socket of this.#open) socket.destroy()
  }
}
