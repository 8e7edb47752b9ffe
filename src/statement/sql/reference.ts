/**
 * What a column reference names: a masked column, a whole row that holds one, the target of a write, or, through
 * PostgreSQL's attribute notation, a function: `f.pg_read_file` over `lower('/etc/passwd') f` is a call (attack 67).
 *
 * Without the catalogue a name may mean several things; all that it may mean counts.
 */
import { catalogueByHand } from './catalogue-by-hand.ts'
import { otherFunctions, rowFunctions, vettedFunctions } from './functions.gen.ts'
import { given, mayBeBarred, refuseColumn, refuseName, refuseStar, refuseWholeRow } from './listed.ts'
import { functionName, parts } from './names.ts'
import type { Hidden, Output } from './outputs.ts'
import type { Entry, Place, Tree } from './place.ts'
import { textOf } from './unsaid.ts'
import { list, only } from './walk.ts'

export interface Reference {
  /** Masked columns that it covers. */
  readonly masked: readonly Hidden[]
  /** Of a star: all columns that it covers. */
  readonly output?: Output
  /** A relation with masked columns that it names as a whole row. */
  readonly row?: string
}

/** `spread` where a star stands for columns, and not for a row. */
export function resolve(ref: Tree, at: Place, spread = false): Reference {
  const fields = list(ref.fields)
  const names = parts(fields, at)
  const star = only(fields.at(-1), 'A_Star') !== undefined
  const qualifier = star ? names.at(-1) : names.at(-2)
  if (names.length + (star ? 1 : 0) !== fields.length || fields.length > 4)
    at.refuse(`${names.join('.')} is not permitted`)
  if (qualifier === undefined) return star ? everything(at) : bare(names[0] ?? '', at)
  const { whole } = at.notes
  if (star && !spread)
    for (const { name, relation } of at.entries())
      if (name === qualifier && relation !== undefined) whole.add(relation)
  const schema = star ? names.at(-2) : names.at(-3)
  return qualified(qualifier, star ? undefined : names.at(-1), schema, at)
}

function everything(at: Place): Reference {
  const entries = at.frame?.entries ?? []
  for (const entry of entries) {
    readTarget(entry, at)
    if (entry.only !== undefined) refuseStar(entry, at)
  }
  return everyColumn(entries, at)
}

function bare(name: string, at: Place): Reference {
  const masked: Hidden[] = []
  let nearest = at.frame
  while (nearest?.entries.length === 0) nearest = nearest.outer
  let own = nearest?.entries.length ?? 0
  for (const entry of at.entries()) {
    readTarget(entry, at)
    if (entry.name === name && entry.relation !== undefined) at.notes.whole.add(entry.relation)
    if (entry.name === name && entry.only !== undefined) refuseWholeRow(entry, at)
    else if (mayBeBarred(entry, name)) refuseName(entry, name, at)
    if (entry.name === name && entry.masked.length > 0) return { masked, row: entry.relation ?? name }
    const sure = own-- > 0
    if (entry.masked.length > 0) masked.push(...known(called(name, entry), sure))
  }
  return { masked }
}

function qualified(
  qualifier: string,
  column: string | undefined,
  schema: string | undefined,
  at: Place,
): Reference {
  const entries = [...at.entries()].filter(entry => entry.name === qualifier)
  if (entries.length === 0) at.refuse(`nothing here is called ${qualifier}`)
  for (const entry of entries) {
    readTarget(entry, at)
    if (column === undefined && entry.only !== undefined) refuseStar(entry, at)
    else if (column !== undefined && !given(entry, column)) refuseColumn(entry, column, at)
  }
  // What stands further out than another that has the name is not what the server takes, nor what has another's schema before it.
  const [nearest] = entries
  const meant = (entry: Entry): boolean =>
    entry === nearest && (schema === undefined || entry.relation === `${schema}.${qualifier}`)
  if (column === undefined) return everyColumn(entries, at, meant)
  for (const entry of entries) {
    const own = isOwn(column, entry, at)
    if (entry.columns !== undefined) {
      if (own || !entry.columns.includes(column)) attribute(column, at)
    } else if (rowFunctions.has(column) || own || isCast(column, entry, at)) {
      if (entry.relation !== undefined) at.notes.whole.add(entry.relation)
      if (textOf.test(column)) at.notes.words.add('text')
      if (entry.masked.length > 0) return { masked: [], row: entry.relation ?? qualifier }
      if (!vettedFunctions.has(column) || own) attribute(column, at)
    }
  }
  return { masked: entries.flatMap(entry => known(called(column, entry), meant(entry))) }
}

/** Whether a function of the database's own takes what is called so as a row. Only a relation's own columns come before it. */
function isOwn(name: string, { relation, renamed }: Entry, at: Place): boolean {
  const { rows, hidden } = at.notes.limits.own
  return rows.includes(name) || ((relation === undefined || renamed === true) && hidden.includes(name))
}

/** Whether a row is cast to what a built-in function takes: `o.lower` is `lower(o)` then, unless it is a column. */
function isCast(name: string, { relation }: Entry, at: Place): boolean {
  const { casting } = at.notes.limits.own
  return (
    casting.length > 0 &&
    casting.includes(relation ?? '') &&
    (vettedFunctions.has(name) || otherFunctions.has(name))
  )
}

/** `(expression).name`, and `alias.name` where alias is a function's: a call of that name, unless it is a column. */
export function attribute(name: string, at: Place): void {
  const { own, catalog } = at.notes.limits
  if ([own.rows, own.hidden, own.fields].some(names => names.includes(name)))
    at.touch('call', `${own.schema}.${name}`)
  else if (!catalog || !catalogueByHand.fields.has(name)) at.touch('call', functionName([name], at))
}

const called = (name: string, { masked }: Entry): readonly Hidden[] => masked.filter(one => one.name === name)

const known = (hidden: readonly Hidden[], sure: boolean): readonly Hidden[] =>
  sure ? hidden : hidden.map(one => ({ ...one, sure: false }))

/** A star. What joins merge and where they put it only the server knows, so that columns are counted where there is but one thing. */
function everyColumn(
  entries: readonly Entry[],
  at: Place,
  meant: (entry: Entry) => boolean = () => true,
): Reference {
  at.notes.work(entries.reduce((sum, { masked }) => sum + 1 + masked.length, 0))
  const [first, ...more] = entries
  const masked = entries.flatMap(entry => known(entry.masked, meant(entry)))
  const output = more.length === 0 ? first?.output : undefined
  return { masked, output: output ?? ['many', ...masked] }
}

function readTarget(entry: Entry, at: Place): void {
  if (entry.target && entry.relation !== undefined) at.touch('read', entry.relation)
}

/** A reference anywhere but as plain output: nothing masked may be in it (attack 85). */
export function inExpression(ref: Tree, at: Place): void {
  const { masked, row } = resolve(ref, at)
  for (const column of masked) refuseMasked(column.of, at)
  if (row !== undefined) refuseRow(row, at)
}

export function refuseMasked(column: string, at: Place): void {
  if (at.mayDecide(column)) {
    at.refuse(
      `${column} is masked: as it is, or in lower(), upper(), trim(), left() or length(), it may be compared, matched, ordered ` +
        'and grouped by; it can be selected as it is by the outermost select, out of sub-selects in FROM and WITH too; nothing ' +
        'else can be done with it',
    )
    return
  }
  at.refuse(
    `${column} is masked: it can be selected as it is by the outermost select, out of sub-selects in FROM and WITH too, not used in ` +
      'an expression, a condition, an order, a grouping, a join, a set operation, a recursive WITH or another sub-select',
  )
}

export function refuseRow(relation: string, at: Place): void {
  at.refuse(`${relation} has masked columns: its whole row cannot be used as a value`)
}
