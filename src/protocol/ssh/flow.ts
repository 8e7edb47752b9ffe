/**
 * Between two sides, either of which may take no more for a while. Meanwhile what would be sent to it is neither read nor
 * made, and it is not waited for without end (attack 192).
 */
import { Pace } from './pace.ts'
import { Patience } from './patience.ts'
import type { NearSide, Payload } from './sides.ts'
import type { Wire } from './wire.ts'

export interface Flowing {
  /** The session ends, for this. */
  limit(why: string): void
  /** Does this as if the client had said it now. */
  goOn(act: () => void): void
}

export class Flow {
  readonly pace: Pace
  readonly #near: NearSide
  readonly #far: Wire
  readonly #patience: { readonly near: Patience; readonly far: Patience }

  constructor(near: NearSide, far: Wire, by: Flowing) {
    this.#near = near
    this.#far = far
    this.pace = new Pace({ blocked: () => near.blocked, goOn: act => by.goOn(act) })
    this.#patience = {
      near: new Patience('client', why => by.limit(why)),
      far: new Patience('host', why => by.limit(why)),
    }
  }

  toNear(payload: Payload): void {
    if (this.#near.blocked) this.#patience.near.gathers(payload)
  }
  toFar(payload: Payload): void {
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
    this.pace.end()
  }
}
