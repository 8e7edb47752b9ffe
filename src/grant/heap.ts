/** A binary heap of keys by number, smallest first; a key stands in it once and can be moved or taken out. Pure. */

interface Entry {
  readonly key: string
  at: number
  index: number
}

export class Heap {
  readonly #entries: Entry[] = []
  readonly #byKey = new Map<string, Entry>()

  get size(): number {
    return this.#entries.length
  }

  /** The smallest number, if any. */
  next(): number | undefined {
    return this.#entries[0]?.at
  }

  set(key: string, at: number): void {
    const known = this.#byKey.get(key)
    if (known !== undefined) {
      known.at = at
      this.#settle(known)
      return
    }
    const entry = { key, at, index: this.#entries.length }
    this.#entries.push(entry)
    this.#byKey.set(key, entry)
    this.#settle(entry)
  }

  delete(key: string): void {
    const entry = this.#byKey.get(key)
    if (entry === undefined) return
    this.#byKey.delete(key)
    const last = this.#entries.pop()
    if (last === undefined || last === entry) return
    this.#place(last, entry.index)
    this.#settle(last)
  }

  /** Takes out every key at or before `now`, in order. */
  due(now: number): string[] {
    const keys: string[] = []
    for (let first = this.#entries[0]; first !== undefined && first.at <= now; first = this.#entries[0]) {
      keys.push(first.key)
      this.delete(first.key)
    }
    return keys
  }

  #place(entry: Entry, index: number): void {
    this.#entries[index] = entry
    entry.index = index
  }

  #settle(entry: Entry): void {
    this.#rise(entry)
    this.#sink(entry)
  }

  #rise(entry: Entry): void {
    while (entry.index > 0) {
      const above = (entry.index - 1) >> 1
      const parent = this.#entries[above]
      if (parent === undefined || parent.at <= entry.at) return
      this.#place(parent, entry.index)
      this.#place(entry, above)
    }
  }

  #sink(entry: Entry): void {
    for (;;) {
      const left = this.#entries[2 * entry.index + 1]
      const right = this.#entries[2 * entry.index + 2]
      const child = right !== undefined && left !== undefined && right.at < left.at ? right : left
      if (child === undefined || child.at >= entry.at) return
      const below = child.index
      this.#place(child, entry.index)
      this.#place(entry, below)
    }
  }
}
