/**
 * `cut_on`: text that ends a session when a program shows it or when it is typed. A net and no wall: what is encoded,
 * split by cursor keys or drawn letter by letter is not seen. No I/O; state for one stream, bounded by {@link longestLine}.
 *
 * A pattern is what stands in a line, `*` in it anything. Lines are looked at as a terminal shows them, without escape
 * sequences. Time is linear in what passes, for patterns are searched piece by piece and nothing is tried twice.
 */

const longestLine = 4096
/** CSI and, up to its end, OSC and its kin (ECMA-48). */
const escapes = /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)|[ -/]*[0-Z\\^-~])/g

interface Wanted {
  readonly pattern: string
  /** Its pieces between asterisks, as UTF-8 in latin1. */
  readonly pieces: readonly string[]
}

export class Watch {
  readonly #wanted: readonly Wanted[]
  #line = ''

  constructor(patterns: readonly string[]) {
    this.#wanted = patterns.map(pattern => ({
      pattern,
      pieces: Buffer.from(pattern).toString('latin1').split('*'),
    }))
  }

  /** The first pattern that a line of it matches, also where the line began in bytes that came before. */
  sees(bytes: Buffer): string | undefined {
    if (this.#wanted.length === 0) return undefined
    const lines = (this.#line + bytes.toString('latin1')).split(/[\r\n]/)
    // Raw, for a sequence may go on in what comes next.
    this.#line = lines.at(-1)?.slice(-longestLine) ?? ''
    for (const line of lines) {
      const shown = line.replaceAll(escapes, '')
      const found = this.#wanted.find(({ pieces }) => holds(shown, pieces))
      if (found !== undefined) return found.pattern
    }
    return undefined
  }
}

function holds(line: string, pieces: readonly string[]): boolean {
  let from = 0
  for (const piece of pieces) {
    const at = line.indexOf(piece, from)
    if (at === -1) return false
    from = at + piece.length
  }
  return true
}
