/**
 * What frames a payload, kept in its place while a filter holds the payload back: each goes out after all the payload that
 * came before it. Pure.
 */
export class Interleaved {
  readonly #most: number
  readonly #waiting: { readonly at: number; readonly bytes: Buffer }[] = []
  #bytes = 0
  #taken = 0
  #given = 0

  /** Of framing, in bytes, while something is held: frames without payload between two pieces could go on and on. */
  constructor(most: number) {
    this.#most = most
  }

  /** Nothing is held. */
  get isLevel(): boolean {
    return this.#taken === this.#given
  }

  /** So much payload has been given to the filter. */
  took(length: number): void {
    this.#taken += length
  }

  /** Undefined where it is more than waits here. */
  framing(bytes: Buffer): readonly Buffer[] | undefined {
    if (this.isLevel) return [bytes]
    this.#bytes += bytes.length
    if (this.#bytes > this.#most) return undefined
    this.#waiting.push({ at: this.#taken, bytes })
    return []
  }

  /** What the filter has let go, with the framing that stood in it. */
  payload(bytes: Buffer): readonly Buffer[] {
    const out: Buffer[] = []
    let from = 0
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      const end = from + next.at - this.#given
      if (end > bytes.length) break
      out.push(bytes.subarray(from, end), next.bytes)
      this.#given = next.at
      from = end
      this.#bytes -= next.bytes.length
      this.#waiting.shift()
    }
    out.push(bytes.subarray(from))
    this.#given += bytes.length - from
    return out
  }
}
