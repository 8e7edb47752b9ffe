/** Expressions: what they call by name, by operator, by cast and by attribute notation. */
import { catalogueByHand } from './catalogue-by-hand.ts'
import { vettedOperators, vettedTypes } from './functions.gen.ts'
import { functionName, parts } from './names.ts'
import type { Handlers, Place, Tree } from './place.ts'
import { attribute, inExpression } from './reference.ts'
import { select } from './select.ts'
import { mayShow } from './settings.ts'
import { sign } from './unsaid.ts'
import { asCalled } from './versions.ts'
import { descend, list, only, visit } from './walk.ts'

/** What the grammar itself puts in an operator's place. */
const grammar = new Set(['BETWEEN', 'NOT BETWEEN', 'BETWEEN SYMMETRIC', 'NOT BETWEEN SYMMETRIC'])

/** Operators run functions: those of pg_catalog alone are known (attack 84). */
function operator(name: unknown, at: Place): void {
  const names = parts(name, at)
  if (names.length === 0) return
  const last = names.at(-1) ?? ''
  const foreign = names.length > 1 && names[0] !== 'pg_catalog'
  if (names.length > 2 || foreign || !(vettedOperators.has(last) || grammar.has(last))) {
    at.refuse(`operator ${names.join('.')} is not built in`)
  }
  sign(names, at)
}

/** Casting runs the type's input function; reg* types look up what may be barred (attack 84). */
function typeName(node: Tree, at: Place): void {
  const names = parts(node.names, at)
  const own = names[0] === 'pg_catalog' ? names.slice(1) : names
  const name = own.join('.')
  const looksUp = catalogueByHand.types.has(name)
  at.notes.words.add(own.at(-1) ?? '')
  if (vettedTypes.has(name) || (looksUp && at.notes.limits.catalog)) {
    // Known, and harmless under this scope.
  } else if (looksUp) at.refuse(`type ${name} is not vetted without catalog: true, for it looks names up`)
  else at.refuse(`type ${names.join('.')} is not vetted: cast to a built-in type`)
  descend('TypeName', node, at, ['names'])
}

/**
 * `current_setting('server_version_num')` with a literal is a SHOW, and tells no more. With a parameter, as a text or left to
 * the server, it is one if the parameter's value is.
 */
function showsSetting(node: Tree, at: Place): boolean {
  const [setting, ...more] = list(node.args)
  if (functionName(parts(node.funcname, at), at) !== 'pg_catalog.current_setting' || more.length > 1)
    return false
  at.notes.literal = true
  const cast = only(setting, 'TypeCast')
  const type = parts((cast?.typeName as Tree | undefined)?.names, at).at(-1) ?? 'text'
  const { number } = only(cast === undefined ? setting : cast.arg, 'ParamRef') ?? {}
  if (typeof number === 'number' && number > 0 && /^(text|varchar)$/.test(type) && !at.notes.prepares) {
    at.notes.settings.push(number)
    return true
  }
  const name = only(setting, 'A_Const')?.sval as { sval?: string } | undefined
  return mayShow(name?.sval ?? '')
}

/**
 * `pg_typeof(x)::text` is a word. As a regtype it would make names of whatever number or text stands beside it, in
 * `coalesce`, CASE, VALUES, UNION: that is reading the catalogue.
 */
function tellsType(node: Tree, at: Place): Tree | undefined {
  const call = only(node.arg, 'FuncCall')
  const { names, typmods, arrayBounds, setof } = (node.typeName ?? {}) as Tree
  const isText = /^(pg_catalog\.)?text$/.test(parts(names, at).join('.'))
  if (!isText || typmods !== undefined || arrayBounds !== undefined || setof !== undefined) return undefined
  return functionName(parts(call?.funcname, at), at) === 'pg_catalog.pg_typeof' ? call : undefined
}

/** An array of such holds no values of a domain: constants, parameters, and what is cast, which is to a built-in type. */
const isNoDomain = (element: unknown): boolean =>
  ['A_Const', 'ParamRef', 'TypeCast'].some(type => only(element, type) !== undefined)

export const expressions: Handlers = {
  TypeCast(node, at) {
    const call = tellsType(node, at)
    if (call === undefined) descend('TypeCast', node, at)
    else descend('FuncCall', call, at, ['funcname'])
  },
  ColumnRef: (node, at) => inExpression(node, at),
  A_ArrayExpr(node, at) {
    if (!list(node.elements).every(isNoDomain)) at.notes.words.add('[]')
    descend('A_ArrayExpr', node, at)
  },
  CaseExpr(node, at) {
    if (node.arg !== undefined) sign(['='], at)
    descend('CaseExpr', node, at)
  },
  TypeName: typeName,
  A_Expr(node, at) {
    operator(node.name, at)
    descend('A_Expr', node, at, ['name'])
  },
  SortBy(node, at) {
    operator(node.useOp, at)
    descend('SortBy', node, at, ['useOp'])
  },
  SubLink(node, at) {
    operator(node.operName, at)
    if (node.subLinkType === 'ANY_SUBLINK' && node.operName === undefined) sign(['='], at)
    if (node.subLinkType === 'ARRAY_SUBLINK') at.notes.words.add('[]')
    const inner = only(node.subselect, 'SelectStmt')
    // What EXISTS selects is thrown away, so that a star there shows nothing.
    if (inner !== undefined && node.subLinkType === 'EXISTS_SUBLINK') select(inner, at, 'exists')
    else visit(node.subselect, at)
    descend('SubLink', node, at, ['operName', 'subselect'])
  },
  FuncCall(node, at) {
    const names = asCalled(parts(node.funcname, at), at)
    if (!showsSetting(node, at)) at.touch('call', functionName(names, at))
    descend('FuncCall', node, at, ['funcname'])
  },
  A_Indirection(node, at) {
    for (const step of list(node.indirection)) {
      const name = only(step, 'String')
      if (name === undefined) visit(step, at)
      else for (const one of parts([step], at)) attribute(one, at)
    }
    descend('A_Indirection', node, at, ['indirection'])
  },
  CollateClause(node, at) {
    parts(node.collname, at)
    descend('CollateClause', node, at, ['collname'])
  },
  IndexElem(node, at) {
    if (node.name !== undefined) inExpression({ fields: [{ String: { sval: node.name } }] }, at)
    descend('IndexElem', node, at)
  },
}
