/** The CTEs that can be named at a place: those of a WITH, so far as they are known there, and those around it. */
export class Ctes {
  readonly #outer: Ctes | undefined
  /** Each name's place in the WITH. One list for all of its places: copies of it would be quadratic. */
  readonly #places: ReadonlyMap<string, number>
  readonly #known: number

  constructor(outer: Ctes | undefined, places: ReadonlyMap<string, number>, known: number) {
    this.#outer = outer
    this.#places = places
    this.#known = known
  }

  has(name: string): boolean {
    const place = this.#places.get(name)
    return (place !== undefined && place < this.#known) || this.#outer?.has(name) === true
  }
}
