/**
 * Bytes that wait: one buffer that grows, however small the pieces are in which they come. A list of the pieces would hold
 * a hundred times the size of single bytes, and to join all that waits for each piece costs the square of it (attack 192).
 */
const least = 4096
const none = Buffer.alloc(0)

export class Backlog {
  #bytes = none
  #from = 0
  #to = 0

  get length(): number {
    return this.#to - this.#from
  }

  get first(): number | undefined {
    return this.length === 0 ? undefined : this.#bytes[this.#from]
  }

  push(data: Uint8Array): void {
    const { length } = this
    if (this.#to + data.length > this.#bytes.length) {
      // Never in place: what was taken is views of it.
      const grown = Buffer.allocUnsafe(Math.max(least, 2 * (length + data.length)))
      grown.set(this.#bytes.subarray(this.#from, this.#to))
      this.#bytes = grown
      this.#from = 0
      this.#to = length
    }
    this.#bytes.set(data, this.#to)
    this.#to += data.length
  }

  /** How many bytes there are up to and with this one, looked for in the first `most`; nothing where it is not there. */
  upTo(byte: number, most: number): number | undefined {
    const at = this.#bytes.subarray(this.#from, Math.min(this.#to, this.#from + most)).indexOf(byte)
    return at < 0 ? undefined : at + 1
  }

  /** As many as there are, and at most so many. They stay as they are. */
  take(most = this.length): Buffer {
    const taken = this.#bytes.subarray(this.#from, Math.min(this.#to, this.#from + most))
    this.#from += taken.length
    if (this.length === 0) this.drop()
    return taken
  }

  drop(): void {
    this.#bytes = none
    this.#from = 0
    this.#to = 0
  }
}
