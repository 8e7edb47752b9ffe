/** What commands print: text to stdout, tables with aligned columns. Control characters of others' text are shown, not obeyed. */
import { fenced } from '../ledger/text.ts'

export function print(text: string): void {
  process.stdout.write(`${visibleLines(text)}\n`)
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows].map(row => row.map(visible))
  const widths = head.map((_, column) => Math.max(...all.map(row => row[column]?.length ?? 0)))
  return all
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Attack 60, 131: escape sequences in a name, a reason or a path must not reach the reader's terminal. */
export function visible(text: string): string {
  return escaped(text, controls)
}

/** The same of text that has lines of its own. */
export function visibleLines(text: string): string {
  return escaped(text, allButLines)
}

const controls = /[\u0000-\u001f]/g
const allButLines = /[\u0000-\u0008\u000b-\u001f]/g

function escaped(text: string, which: RegExp): string {
  return fenced(text).replace(which, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
