/**
 * Things that come and go many times a second. Not a Set: V8 gives one that is much deleted from a new table every few
 * dozen changes, and the old table points at the new one. Once one of them has grown old, all that follow it, with all
 * that was in them, look alive until the whole heap is collected (docs/performance.md, HTTP).
 */
export class Bag<T> {
  readonly #things: T[] = []

  get size(): number {
    return this.#things.length
  }

  has(thing: T): boolean {
    return this.#things.includes(thing)
  }

  find(is: (thing: T) => boolean): T | undefined {
    return this.#things.find(is)
  }

  add(thing: T): void {
    this.#things.push(thing)
  }

  /** The last one takes its place: they have no order. */
  delete(thing: T): void {
    const at = this.#things.indexOf(thing)
    if (at < 0) return
    const last = this.#things.pop() as T
    if (at < this.#things.length) this.#things[at] = last
  }

  /** Those that are in it now, whatever comes and goes meanwhile. */
  all(): readonly T[] {
    return [...this.#things]
  }
}
