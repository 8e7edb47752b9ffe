/**
 * The chain that audit and recordings stand on (DESIGN.md section 9). Pure: a tip and the members of a line make the
 * line and the next tip. `prev` is the hex SHA-256 of the line before without its newline, 64 zeros at the very first.
 */
import { hash } from 'node:crypto'

/** The last line of a chain: its number and its hash. */
export interface Tip {
  readonly seq: number
  readonly hash: string
}

/** Before the first line. Numbers begin at 1. */
export const genesis: Tip = { seq: 0, hash: '0'.repeat(64) }

export interface Link {
  /** The line without its newline. */
  readonly line: string
  readonly tip: Tip
}

export function hashLine(line: string | Uint8Array): string {
  return hash('sha256', line, 'hex')
}

/**
 * The next line. `type` is a word of ours, never input; `rest` are ready-made JSON members ({@link file://./text.ts})
 * or ''. Strings are joined rather than objects serialised: this runs for every statement.
 */
export function link(tip: Tip, time: string, type: string, rest: string): Link {
  const seq = tip.seq + 1
  const line = `{"seq":${seq},"time":"${time}","prev":"${tip.hash}","type":"${type}"${rest === '' ? '' : `,${rest}`}}`
  return { line, tip: { seq, hash: hashLine(line) } }
}
