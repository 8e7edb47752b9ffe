/**
 * Relations of which a scope gives only some columns: what names one of the others is refused, and so is whatever
 * stands for all of them (attacks 85, 86). How to do it right is in the refusal.
 */
import type { Entry, Place } from './place.ts'

/** Whether a column that is written with its relation's name is one of those given. */
export function given({ only }: Entry, column: string): boolean {
  return only === undefined || only.columns.includes(column)
}

/** Whether a bare name may be one of a relation's columns that are not given. Not knowing them all, every other name may. */
export function mayBeBarred({ only }: Entry, name: string): boolean {
  if (only === undefined) return false
  return only.barred === undefined ? !only.columns.includes(name) : only.barred.includes(name)
}

export function refuseColumn(entry: Entry, column: string, at: Place): void {
  at.refuse(`column ${column} of ${entry.relation} is not permitted (permitted: ${columnsOf(entry)})`)
}

/** A bare name that could be a barred column, or one of another relation, or of the select list. */
export function refuseName(entry: Entry, name: string, at: Place): void {
  at.refuse(
    `column ${name} may be one of ${entry.relation}, where it is not permitted (permitted: ${columnsOf(entry)}): ` +
      `write other columns with their table's name before them, and in GROUP BY the number of the output column`,
  )
}

/** `*`, `t.*`, TABLE. */
export function refuseStar(entry: Entry, at: Place): void {
  at.refuse(
    `* shows columns of ${entry.relation} that are not permitted: name them instead: ${columnsOf(entry)}`,
  )
}

export function refuseWholeRow(entry: Entry, at: Place): void {
  at.refuse(
    `the whole row of ${entry.relation} cannot be used as a value: some of its columns are not permitted; ` +
      `name them instead: ${columnsOf(entry)}`,
  )
}

/** INSERT and COPY without a list of columns, which mean all of them. */
export function refuseUnnamed(entry: Entry, what: string, at: Place): void {
  at.refuse(`${what} ${entry.relation} must name its columns: ${columnsOf(entry)}`)
}

/** The columns that a statement names to write them, or COPY's to read. */
export function judgeNamed(entry: Entry, names: readonly string[], at: Place): void {
  for (const name of names) if (!given(entry, name)) refuseColumn(entry, name, at)
}

function columnsOf({ only }: Entry): string {
  if (only?.barred !== undefined) return `all but ${only.barred.join(', ')}`
  const columns = only?.columns ?? []
  const shown = columns.slice(0, 40).join(', ') || 'none'
  return columns.length > 40 ? `${shown} and ${columns.length - 40} more` : shown
}
