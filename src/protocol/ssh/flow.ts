/**
 * Between two sides, either of which may take no more for a while. Meanwhile what would be sent to it is neither read nor
 * made, and it is not waited for without end (attack 192); nor are both, where the scope says so.
 */
import type { Ending } from '../../words.ts'
import { Idle } from './idle.ts'
import { Pace } from './pace.ts'
import { Patience } from './patience.ts'
import type { NearSide, Payload } from './sides.ts'
import type { Wire } from './wire.ts'

export interface Flowing {
  end(ending: Ending): void
  /** Does this as if the client had said it now. */
  goOn(act: () => void): void
}

export class Flow {
  readonly pace: Pace
  readonly #near: NearSide
  readonly #far: Wire
  readonly #idle: Idle
  readonly #patience: { readonly near: Patience; readonly far: Patience }

  constructor(near: NearSide, far: Wire, idleTimeout: number | null, by: Flowing) {
    this.#near = near
    this.#far = far
    this.pace = new Pace({ blocked: () => near.blocked, goOn: act => by.goOn(act) })
    const lose = (text: string) => by.end({ how: 'cut', why: 'limit_exceeded', text })
    this.#patience = { near: new Patience('client', lose), far: new Patience('host', lose) }
    this.#idle = new Idle(idleTimeout, ending => by.end(ending))
  }

  toNear(payload: Payload): void {
    this.#idle.passes(payload)
    if (this.#near.blocked) this.#patience.near.gathers(payload)
  }
  toFar(payload: Payload): void {
    this.#idle.passes(payload)
    if (this.#far.blocked) this.#patience.far.gathers(payload)
  }

  onTurn(): void {
    if (this.#near.blocked) {
      this.#far.pause()
      this.#patience.near.blocked()
    }
    if (this.#far.blocked) {
      this.#near.pause()
      this.#patience.far.blocked()
    }
  }

  onDrain(): void {
    if (!this.#near.blocked) {
      this.#patience.near.end()
      this.#far.resume()
      this.pace.wake()
    }
    if (!this.#far.blocked) {
      this.#patience.far.end()
      this.#near.resume()
    }
  }

  end(): void {
    this.#patience.near.end()
    this.#patience.far.end()
    this.#idle.stop()
    this.pace.end()
  }
}
