/**
 * One file descriptor, kept for what the audit has to open. Clients at the doors can take all others (attacks 189, 191), and a
 * head that cannot be replaced for want of one would end the audit, and with it every session and every decision.
 */
import { closeSync, openSync } from 'node:fs'

export class Spare {
  #kept = keep()

  /** Opened in the place of what was kept: nothing of this thread comes between. Throws the system's error. */
  open(path: string, flags: number, mode: number): number {
    this.giveUp()
    try {
      return openSync(path, flags, mode)
    } catch (error) {
      this.#kept = keep()
      throw error
    }
  }

  /** Its place is kept again. */
  close(fd: number): void {
    closeSync(fd)
    this.#kept ??= keep()
  }

  giveUp(): void {
    if (this.#kept !== undefined) closeSync(this.#kept)
    this.#kept = undefined
  }
}

/** Undefined where there is none to be had. */
function keep(): number | undefined {
  try {
    return openSync('/dev/null', 'r')
  } catch {
    return undefined
  }
}
