/**
 * Who may use names of files at the same time, over all sftp channels of a session. Between the host's answer to "what
 * is this path really?" and the use of that answer nothing may be renamed: a rename could put a link that leads out of
 * the scope where a folder was. So renames go alone; everything else together. In order of arrival.
 */
interface Waiting {
  readonly alone: boolean
  readonly go: (leave: () => void) => void
}

export class Turnstile {
  readonly #waiting: Waiting[] = []
  #inside = 0
  #alone = false

  /** Calls `go` when it is its turn, maybe at once; that calls `leave` when it is done. */
  enter(alone: boolean, go: (leave: () => void) => void): void {
    this.#waiting.push({ alone, go })
    this.#next()
  }

  #next(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#alone || (next.alone && this.#inside > 0)) return
      this.#waiting.shift()
      this.#inside++
      this.#alone = next.alone
      let left = false
      next.go(() => {
        if (left) return
        left = true
        this.#inside--
        this.#alone = false
        this.#next()
      })
    }
  }
}
