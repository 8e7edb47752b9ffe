/** SELECT, VALUES and TABLE, set operations, and WITH. */
import { Ctes } from './ctes.ts'
import { condition, sorts } from './filter.ts'
import { from, renaming } from './from.ts'
import { identifier, parts } from './names.ts'
import { type Hidden, type Output, unmasked } from './outputs.ts'
import type { Place, Tree } from './place.ts'
import { refuseMasked, refuseRow, resolve } from './reference.ts'
import { descend, list, only, visit } from './walk.ts'

/**
 * Where a SELECT's rows go: `top` to the client, who is told each plain column's origin by the server, by which the
 * relay masks it; `carried` into the FROM of another, through which the server follows it; `exists` nowhere; `nested` into
 * something else, where a masked column's origin would be lost.
 */
export type Use = 'top' | 'carried' | 'exists' | 'nested'

/** What {@link select} sees to itself. */
const done = [
  'intoClause',
  'withClause',
  'larg',
  'rarg',
  'fromClause',
  'targetList',
  'whereClause',
  'havingClause',
  'groupClause',
  'sortClause',
  'lockingClause',
]

/** Answers which of its columns are masked ones: none where `use` is `nested`. */
export function select(node: Tree, around: Place, use: Use): Output {
  const before = around.notes.touches.length
  around.verb('select')
  if (node.intoClause !== undefined) around.refuse('SELECT INTO makes a table')
  const outer = withClause(node.withClause, around)
  const at = outer.inFrame()
  if (node.larg !== undefined) {
    select(node.larg as Tree, outer, 'nested')
    select(node.rarg as Tree, outer, 'nested')
  }
  from(node.fromClause, at, select)
  const shown = list(node.targetList).map(target => column(target, at, use))
  plainly(node, shown, at)
  condition(node.whereClause, at)
  condition(node.havingClause, at)
  sorts(node.groupClause, at)
  sorts(node.sortClause, at, by => namesOutput(by, shown, at))
  descend('SelectStmt', node, at, done)
  if (node.lockingClause !== undefined) lock(node, around, before)
  // VALUES and set operations have no select list; nothing masked passes through them.
  return node.targetList === undefined ? unmasked : gives(shown, at)
}

/** The columns of a select list under their names. */
function gives(shown: readonly Shown[], at: Place): Output {
  at.notes.work(shown.reduce((sum, one) => sum + one.output.length, 0))
  return shown.flatMap(({ output, star, name = '' }) =>
    star ? output : output.map(one => (typeof one === 'string' ? one : { ...one, name })),
  )
}

/** One item of the select list. */
interface Shown {
  /** The masked columns it shows; several under a star. */
  readonly masked: readonly Hidden[]
  /** The columns that it gives. */
  readonly output: Output
  /** Nobody here can count its columns, or knows what they are called. */
  readonly star: boolean
  /** What the output column is called. */
  readonly name?: string | undefined
  /** By AS, so that it is called so for certain. */
  readonly renamed: boolean
}

function column(target: unknown, at: Place, use: Use): Shown {
  const item = only(target, 'ResTarget') ?? {}
  const ref = only(item.val, 'ColumnRef')
  if (ref === undefined) {
    visit(target, at)
    // `(s).* as ssn` is as many columns as s has, by their own names: nothing is called ssn but the table's column.
    if (endsInStar(only(item.val, 'A_Indirection')?.indirection))
      return { masked: [], output: unmasked, star: true, renamed: false }
    return { masked: [], output: ['one'], star: false, ...called(item, at) }
  }
  const { masked, output = [single(masked, at)], row } = resolve(ref, at, true)
  if (row !== undefined) refuseRow(row, at)
  if (masked.length > 0) at.notes.shows = true
  if (use === 'nested') for (const one of masked) refuseMasked(one.of, at)
  if (endsInStar(ref.fields)) return { masked, output, star: true, renamed: false }
  const { name, renamed } = called(item, at)
  return { masked, output, star: false, name: name ?? parts(ref.fields, at).at(-1), renamed }
}

/** Of what a name may mean the one that it means for sure, or else the one of which least may be done. */
function single(masked: readonly Hidden[], at: Place): Hidden | 'one' {
  return masked.find(one => one.sure) ?? masked.find(one => !at.mayDecide(one.of)) ?? masked[0] ?? 'one'
}

const endsInStar = (steps: unknown): boolean => only(list(steps).at(-1), 'A_Star') !== undefined

function called(item: Tree, at: Place): Pick<Shown, 'name' | 'renamed'> {
  if (item.name === undefined) return { renamed: false }
  return { name: identifier(String(item.name), at), renamed: true }
}

/** `order by day`: an output column's name comes before an input column's in ORDER BY, though not in GROUP BY. */
function namesOutput(by: unknown, shown: readonly Shown[], at: Place): boolean {
  const name = bareName(by, at)
  at.notes.work(shown.length)
  return name !== undefined && shown.some(one => one.renamed && one.name === name)
}

/** A name that stands alone. `p.*` is none: the server orders by p's whole row, whatever output column is called p. */
function bareName(by: unknown, at: Place): string | undefined {
  const fields = list(only(by, 'ColumnRef')?.fields)
  return fields.length === 1 ? parts(fields, at)[0] : undefined
}

/**
 * Where masked columns are shown, nothing may be told of them by order, grouping or sameness (attack 85). EXISTS throws them away,
 * and tells all the same: of `exists (select distinct ssn ... offset 1)` whether there are two.
 */
function plainly(node: Tree, shown: readonly Shown[], at: Place): void {
  const hidden = shown.map(one => ({ ...one, masked: one.masked.filter(column => !at.mayDecide(column.of)) }))
  const first = hidden.find(one => one.masked.length > 0)?.masked[0]?.of
  if (first === undefined) return
  if (
    node.distinctClause !== undefined ||
    node.groupClause !== undefined ||
    node.havingClause !== undefined
  ) {
    refuseMasked(first, at)
  }
  for (const sort of list(node.sortClause)) {
    const by = only(sort, 'SortBy')?.node
    at.notes.work(hidden.length)
    const name = bareName(by, at)
    const constant = only(by, 'A_Const')
    // Also where it is no ordinal: 1.5 and 'x' name no column, and have the form of what does (attack 104).
    if (constant !== undefined) at.notes.literal = true
    const ordinal = constant?.ival as { ival?: number } | undefined
    const named = name !== undefined && hidden.some(one => one.masked.length > 0 && one.name === name)
    if (named || (ordinal !== undefined && maybeMasked(hidden, ordinal.ival ?? 0))) refuseMasked(first, at)
  }
}

/** Whether the nth output column may be a masked one: behind a star nobody can count. */
function maybeMasked(shown: readonly Shown[], ordinal: number): boolean {
  const upTo = shown.slice(0, ordinal)
  return upTo.length < ordinal || upTo.some(one => one.star) || upTo.at(-1)?.masked.length !== 0
}

/** FOR UPDATE and its kin lock what this SELECT reads (attack 90). */
function lock(node: Tree, at: Place, before: number): void {
  for (const clause of list(node.lockingClause)) {
    const locking = only(clause, 'LockingClause') ?? {}
    descend('LockingClause', locking, at, ['lockedRels'])
  }
  for (const touch of at.notes.touches.slice(before)) if (touch.act === 'read') at.touch('lock', touch.on)
}

/** The place behind a WITH: its CTEs can be named there, by one another too where it is RECURSIVE. */
export function withClause(clause: unknown, at: Place): Place {
  if (clause === undefined) return at
  const { ctes, recursive } = clause as { ctes?: unknown; recursive?: boolean }
  const named = list(ctes).map(one => only(one, 'CommonTableExpr') ?? {})
  const places = new Map<string, number>()
  for (const [place, cte] of named.entries()) {
    const name = identifier(String(cte.ctename), at)
    if (!places.has(name)) places.set(name, place)
  }
  const outputs: Output[] = []
  const known = (count: number) => at.knowing(new Ctes(at.ctes, places, count, outputs))
  for (const [place, cte] of named.entries()) {
    const inside = known(recursive === true ? named.length : place).inside('inside WITH')
    const query = recursive === true ? undefined : only(cte.ctequery, 'SelectStmt')
    if (query === undefined) visit(cte.ctequery, inside)
    else outputs[place] = renaming(select(query, inside, 'carried'), cte.aliascolnames, inside)
    // SEARCH and CYCLE name the CTE's own columns.
    descend('CommonTableExpr', cte, inside, ['ctequery'])
  }
  return known(named.length)
}
