/**
 * What was typed in a terminal and may be recorded: lines that the terminal has shown (`record: values`). SSH does not say
 * whether the host echoes, so its output is held against what was typed: a line counts as shown once its characters and its
 * end came back in their order, with nothing in between. One that did not is never recorded: a password, a line that a
 * program redrew while it was typed, keys of a full-screen editor. Best effort, and it errs towards silence: no character
 * is recorded as typed that the recorded output does not hold as well.
 *
 * No I/O; state for one terminal, bounded by {@link longest}.
 */
import { type ShownState, shownBytes, shownStart } from './shown.ts'

/** Bytes of a line, and of what is typed ahead of its echo: Linux's own limit for a line that is being edited. */
const longest = 4096
const [endOfText, endOfInput, newline, enter, suspend, space] = [3, 4, 10, 13, 26, 32]

/** What is likely a command in such a line: the characters that were shown, of a line that Enter has ended. */
export function commandIn(line: Buffer): Buffer | undefined {
  const { shown } = shownBytes(shownStart, line)
  const last = shown.pop()
  return last !== undefined && isEnter(last) && shown.some(byte => byte !== space)
    ? Buffer.from(shown)
    : undefined
}

export class Typed {
  /** Given each line that the terminal has shown, as it was typed, its end included. */
  readonly #record: (line: Buffer) => void
  /** Typed and not yet seen again. */
  #waiting: number[] = []
  /** Of the line at the head: typed and seen. */
  #seen: number[] = []
  /** What is typed is not recorded until the next line begins. */
  #hidden = false
  #input: ShownState = shownStart
  #output: ShownState = shownStart

  constructor(record: (line: Buffer) => void) {
    this.#record = record
  }

  /** Before the bytes go to the host, so that no echo can come first. */
  input(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (this.#hidden) this.#hidden = !endsLine(byte)
      else if (this.#waiting.length + this.#seen.length >= longest) this.#hide(endsLine(byte))
      else this.#waiting.push(byte)
    }
    this.#settle()
  }

  output(bytes: Uint8Array): void {
    // The usual case, and the costly one: nothing has been typed, and a screen goes by.
    if (this.#waiting.length + this.#seen.length === 0) {
      this.#output = shownStart
      return
    }
    const { state, shown } = shownBytes(this.#output, bytes)
    this.#output = state
    for (const byte of shown) {
      const next = this.#waiting[0]
      // In the middle of a line, and nobody typed it: what follows would be recorded as one with what came before.
      if (next === undefined) {
        if (this.#seen.length > 0) this.#hide(false)
        return
      }
      // An Enter is shown as CR LF.
      if (isEnter(byte) && !isEnter(next) && this.#seen.length === 0) continue
      if (byte !== next && !(isEnter(next) && isEnter(byte))) {
        // Whatever else is shown now, it is not the echo: neither of this line nor of what was typed behind it.
        const last = this.#waiting.at(-1) ?? next
        this.#hide(endsLine(last))
        return
      }
      this.#take()
      this.#settle()
    }
  }

  /** What is typed and never shown stands at the head until something is: cursor keys, Tab, the end of a line by ^C. */
  #settle(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { state, shown } = shownBytes(this.#input, [next])
      if (shown.length > 0) return
      this.#input = state
      this.#take()
    }
  }

  #take(): void {
    const byte = this.#waiting.shift()
    if (byte === undefined) return
    this.#seen.push(byte)
    if (!endsLine(byte)) return
    this.#record(Buffer.from(this.#seen))
    this.#seen = []
  }

  #hide(atEnd: boolean): void {
    this.#waiting = []
    this.#seen = []
    this.#input = shownStart
    this.#hidden = !atEnd
  }
}

function isEnter(byte: number): boolean {
  return byte === enter || byte === newline
}

function endsLine(byte: number): boolean {
  return isEnter(byte) || byte === endOfText || byte === endOfInput || byte === suspend
}
