/** Who waits for something that is one at a time: each in turn is given one, so that who floods waits for themselves. Pure. */
export class Turns<T> {
  /** In the order of their turns. */
  readonly #waiting = new Map<string, T[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  push(who: string, one: T): void {
    this.#size++
    const theirs = this.#waiting.get(who)
    if (theirs === undefined) this.#waiting.set(who, [one])
    else theirs.push(one)
  }

  /** The next one of whose turn it is: they come last again, if they have more. */
  shift(): T | undefined {
    for (const [who, theirs] of this.#waiting) {
      const one = theirs.shift()
      this.#size--
      this.#waiting.delete(who)
      if (theirs.length > 0) this.#waiting.set(who, theirs)
      return one
    }
    return undefined
  }

  /** All that wait, who will not be given anything. */
  drain(): readonly T[] {
    const all = [...this.#waiting.values()].flat()
    this.#waiting.clear()
    this.#size = 0
    return all
  }
}
