/**
 * Where a masked column may decide though it is not seen (`filter: true`): conditions, orders and groupings. Never in
 * anything that is output, and only in forms whose errors do not say the value: `email::int = 1` would end in
 * "invalid input syntax for type integer: "ann@example.com"", so no cast and no other function is among them.
 */
import { functionName, parts } from './names.ts'
import type { Place, Tree } from './place.ts'
import { refuseMasked, refuseRow, resolve } from './reference.ts'
import { list, only, visit } from './walk.ts'

const comparing = /^(=|<>|<|<=|>|>=|BETWEEN|NOT BETWEEN|BETWEEN SYMMETRIC|NOT BETWEEN SYMMETRIC)$/
/** The pattern stands on the right: as a pattern, a value could be told by the error of a wrong one. */
const matching = /^!?~(~|~\*|\*)?$/
const calm = /^pg_catalog\.(lower|upper|btrim|ltrim|rtrim|length|char_length|character_length|left|right)$/
const kinds =
  /^AEXPR_(OP|OP_ANY|OP_ALL|DISTINCT|NOT_DISTINCT|IN|LIKE|ILIKE|BETWEEN|NOT_BETWEEN|BETWEEN_SYM|NOT_BETWEEN_SYM)$/

/** WHERE, ON, HAVING and what they join by AND, OR, NOT. */
export function condition(value: unknown, at: Place): void {
  if (!filters(at)) {
    visit(value, at)
    return
  }
  const bool = only(value, 'BoolExpr')
  if (bool !== undefined) {
    for (const arg of list(bool.args)) condition(arg, at)
    return
  }
  const test = only(value, 'NullTest')
  if (test !== undefined) {
    decides(test.arg, at)
    return
  }
  const comparison = only(value, 'A_Expr')
  if (comparison === undefined || !kinds.test(String(comparison.kind))) {
    visit(value, at)
    return
  }
  const sign = parts(comparison.name, at).at(-1) ?? ''
  // What is put aside here the walk does not meet below: it is judged by `decides`.
  const left = comparing.test(sign) || matching.test(sign)
  const right = comparing.test(sign)
  const rest: Record<string, unknown> = { ...comparison }
  if (left) delete rest.lexpr
  if (right) delete rest.rexpr
  visit({ A_Expr: rest }, at)
  if (left) decides(comparison.lexpr, at)
  if (right) for (const one of operands(comparison.rexpr)) decides(one, at)
}

/** Something by which rows are ordered, grouped or compared. */
export function decides(value: unknown, at: Place): void {
  const call = only(value, 'FuncCall')
  if (call !== undefined && filters(at) && isCalm(call, at)) {
    const { args, ...bare } = call
    visit({ FuncCall: bare }, at)
    for (const arg of list(args)) decides(arg, at)
    return
  }
  const ref = only(value, 'ColumnRef')
  if (ref === undefined) {
    visit(value, at)
    return
  }
  const { masked, row } = resolve(ref, at)
  for (const column of masked) if (!at.mayDecide(column.of)) refuseMasked(column.of, at)
  if (row !== undefined) refuseRow(row, at)
}

/** `length(bytes, 'UTF8')` is not: it ends in "invalid byte sequence", with the bytes. */
function isCalm(call: Tree, at: Place): boolean {
  const name = functionName(parts(call.funcname, at), at)
  return calm.test(name) && (!name.endsWith('length') || list(call.args).length === 1)
}

/** ORDER BY and GROUP BY. What `named` says is an output column has been judged in the select list. */
export function sorts(clause: unknown, at: Place, named: (node: unknown) => boolean = () => false): void {
  for (const one of list(clause)) {
    const sort = only(one, 'SortBy')
    if (sort === undefined) {
      decides(one, at)
      continue
    }
    const { node, ...bare } = sort
    visit({ SortBy: bare }, at)
    if (!named(node)) decides(node, at)
  }
}

const filters = (at: Place) => Object.keys(at.notes.limits.filter).length > 0

/** IN and BETWEEN have a list on their right. */
function operands(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  const items = only(value, 'List')?.items
  return items === undefined ? [value] : list(items)
}
