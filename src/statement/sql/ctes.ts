/** The CTEs that can be named at a place: those of a WITH, so far as they are known there, and those around it. */
import { type Output, unmasked } from './outputs.ts'

export class Ctes {
  readonly #outer: Ctes | undefined
  /** Each name's place in the WITH. One list for all of its places: copies of it would be quadratic. */
  readonly #places: ReadonlyMap<string, number>
  readonly #known: number
  /** What each gives, filled as they are walked. */
  readonly #outputs: readonly Output[]

  constructor(
    outer: Ctes | undefined,
    places: ReadonlyMap<string, number>,
    known: number,
    outputs: readonly Output[],
  ) {
    this.#outer = outer
    this.#places = places
    this.#known = known
    this.#outputs = outputs
  }

  /** What the CTE of this name gives; undefined where there is none. One that is named before it was walked gives nothing masked. */
  get(name: string): Output | undefined {
    const place = this.#places.get(name)
    if (place !== undefined && place < this.#known) return this.#outputs[place] ?? unmasked
    return this.#outer?.get(name)
  }
}
