/** FROM: what each of its items is called, and what it reads. */
import { condition } from './filter.ts'
import { columnsOfSome, functionColumns, otherFunctions } from './functions.gen.ts'
import { mayBeBarred, refuseName } from './listed.ts'
import { functionName, identifier, parts, relationName } from './names.ts'
import { hiddenIn, type Output, renamed, unmasked } from './outputs.ts'
import { type Entry, type Frame, type Handlers, type Place, type Tree, weightOf } from './place.ts'
import { refuseMasked } from './reference.ts'
import { sign } from './unsaid.ts'
import { descend, list, only, visit, visitBare } from './walk.ts'

type InFrame = Place & { readonly frame: Frame }

/** Reads a sub-select (select.ts, which reads its FROM by this). */
export type Read = (node: Tree, at: Place, output: 'carried') => Output

/**
 * Registers the items' names in the frame as they come; a sub-select is read in its place, for what it gives out has names too,
 * and sees what stands before it if it is LATERAL. Functions and their like are walked into after: they see their later siblings
 * too, which is more than the server shows them, and errs on the safe side.
 */
export function from(items: unknown, at: InFrame, read: Read): void {
  const after: (() => void)[] = []
  for (const item of list(items)) enter(item, at, after, read)
  for (const one of after) one()
}

function enter(item: unknown, at: InFrame, after: (() => void)[], read: Read): void {
  const [type = '', value] = Object.entries(item as Tree)[0] ?? []
  const node = value as Tree
  const go = () => visitBare(type, node, at)
  if (type !== 'JoinExpr') at.notes.entered()
  switch (type) {
    case 'RangeVar':
      at.frame.entries.push(readRelation(node, at))
      return
    case 'JoinExpr':
      join(node, at, after, read)
      return
    case 'RangeSubselect':
      at.frame.entries.push(subselect(node, at, read))
      return
    case 'RangeTableSample':
      enter(node.relation, at, after, read)
      after.push(go)
      return
    case 'RangeFunction':
      at.frame.entries.push({
        name: aliasOf(node, at) ?? functionAlias(node, at),
        masked: [],
        columns: columnsOf(node, at),
      })
      after.push(go)
      return
    default:
      // XMLTABLE, JSON_TABLE: its columns are its own. What it is not, the walk refuses.
      at.frame.entries.push({ name: aliasOf(node, at) ?? '', masked: [] })
      after.push(go)
  }
}

/** A relation, or the CTE that its bare name means here. */
function readRelation(node: Tree, at: Place): Entry {
  const name = aliasOf(node, at) ?? identifier(String(node.relname ?? ''), at)
  descend('RangeVar', node, at)
  const cte = node.schemaname === undefined ? at.ctes?.get(String(node.relname)) : undefined
  if (cte !== undefined) return derived(name, cte, node.alias, at)
  const relation = relationName(node, at)
  at.touch('read', relation)
  const limits = at.limitsOf(relation)
  refuseRenaming(relation, limits, node.alias, at)
  // `count(*)` names none of them, and tells of all.
  if (limits.only?.columns.length === 0) at.refuse(`no column of ${relation} is permitted`)
  const renamed = list((node.alias as Tree | undefined)?.colnames).length > 0
  return { name, relation, ...limits, ...(renamed && { renamed }) }
}

/** A sub-select or VALUES. */
function subselect(node: Tree, at: Place, read: Read): Entry {
  const inside = node.lateral === true ? at : at.besides()
  const select = only(node.subquery, 'SelectStmt')
  const output = select === undefined ? unmasked : read(select, inside, 'carried')
  descend('RangeSubselect', node, inside, select === undefined ? [] : ['subquery'])
  return derived(aliasOf(node, at) ?? '', output, node.alias, at)
}

/** What has the columns that a sub-select or CTE gives out. */
function derived(name: string, gives: Output, alias: unknown, at: Place): Entry {
  const output = renaming(gives, (alias as Tree | undefined)?.colnames, at)
  return { name, masked: hiddenIn(output), output }
}

export function renaming(output: Output, colnames: unknown, at: Place): Output {
  const names = parts(colnames, at)
  at.notes.work(output.length)
  const [hidden] = hiddenIn(output)
  const called = renamed(output, names)
  if (called !== undefined || hidden === undefined) return called ?? output
  at.refuse(
    `${hidden.of} is masked: beside columns that a * shows it cannot be renamed by place; write select ... as a, ... as b`,
  )
  return output
}

/** `orders o(a, b, c)` gives other names to columns that are told by theirs. */
export function refuseRenaming(
  relation: string,
  { masked, only }: Pick<Entry, 'masked' | 'only'>,
  alias: unknown,
  at: Place,
): void {
  if (list((alias as Tree | undefined)?.colnames).length === 0) return
  if (masked.length > 0) at.refuse(`${relation} has masked columns: they cannot be renamed`)
  if (only !== undefined) at.refuse(`${relation} has columns that are not permitted: they cannot be renamed`)
}

function join(node: Tree, at: InFrame, after: (() => void)[], read: Read): void {
  const first = at.frame.entries.length
  enter(node.larg, at, after, read)
  enter(node.rarg, at, after, read)
  const joined = at.frame.entries.slice(first)
  const using = parts(node.usingClause, at)
  if (node.isNatural === true || using.length > 0) sign(['='], at)
  for (const entry of joined) {
    const { relation, masked, only } = entry
    at.notes.work(using.length * weightOf(entry))
    for (const column of masked) if (using.includes(column.name)) refuseMasked(column.of, at)
    for (const column of using) if (mayBeBarred(entry, column)) refuseName(entry, column, at)
    if (node.isNatural !== true && node.alias === undefined) continue
    const why = masked.length > 0 ? 'masked columns' : 'columns that are not permitted'
    if (masked.length > 0 || only !== undefined)
      at.refuse(
        `${relation ?? entry.name} has ${why}: it cannot stand in a NATURAL join or in a join with a name; write ON`,
      )
  }
  for (const alias of [node.alias, node.join_using_alias] as (Tree | undefined)[]) {
    if (alias !== undefined)
      at.frame.entries.push({ name: identifier(String(alias.aliasname ?? ''), at), masked: [] })
  }
  after.push(() => {
    condition(node.quals, at)
    descend('JoinExpr', node, at, ['larg', 'rarg', 'quals'])
  })
}

function aliasOf(node: Tree, at: Place): string | undefined {
  const alias = node.alias as Tree | undefined
  return alias?.aliasname === undefined ? undefined : identifier(String(alias.aliasname), at)
}

/** The functions of a RangeFunction: a list for each, of the call and its column definitions. */
const callsOf = (node: Tree) =>
  list(node.functions).map(one => {
    const [call, columns] = list(only(one, 'List')?.items)
    return { call: only(call, 'FuncCall'), columns: list(only(columns, 'List')?.items) }
  })

function functionAlias(node: Tree, at: Place): string {
  const [first] = callsOf(node)
  return parts(first?.call?.funcname, at).at(-1) ?? ''
}

/** Without those that only some overloads give, where something of the database's own would be called instead. */
function builtInColumns(call: Tree | undefined, at: Place): readonly string[] {
  const name = functionName(parts(call?.funcname, at), at)
  const columns =
    (name.startsWith('pg_catalog.') && functionColumns.get(name.slice('pg_catalog.'.length))) || []
  return columns.filter(column => !columnsOfSome.has(column) || !at.notes.limits.own.fields.includes(column))
}

/** The columns a function in FROM is known to have; any other name after its alias would be a call. */
function columnsOf(node: Tree, at: Place): readonly string[] {
  const calls = callsOf(node)
  const renamed = parts((node.alias as Tree | undefined)?.colnames, at)
  const defined = [...list(node.coldeflist), ...calls.flatMap(call => call.columns)].map(one =>
    String(only(one, 'ColumnDef')?.colname ?? ''),
  )
  // The first are called as the alias says; which those are of several functions nobody here can count.
  const found = calls.flatMap(({ call }) => builtInColumns(call, at))
  const known = calls.length === 1 || renamed.length === 0 ? found.slice(renamed.length) : []
  // A scalar function's one column is called as its alias, unless renamed.
  const own =
    renamed.length > 0
      ? []
      : [aliasOf(node, at) ?? functionAlias(node, at)].filter(name => !otherFunctions.has(name))
  return [...renamed, ...defined, ...known, ...own, ...(node.ordinality === true ? ['ordinality'] : [])]
}

export const froms: Handlers = {
  // A relation anywhere but in FROM or as the target of a write.
  RangeVar(node, at) {
    at.refuse(`${relationName(node, at)} cannot stand here`)
  },
  RangeTableSample(node, at) {
    const method = parts(node.method, at).join('.')
    if (!/^(pg_catalog\.)?(system|bernoulli)$/.test(method))
      at.refuse(`TABLESAMPLE ${method} is not built in`)
    descend('RangeTableSample', node, at, ['relation', 'method'])
  },
  RangeFunction(node, at) {
    for (const one of list(node.functions)) for (const item of list(only(one, 'List')?.items)) visit(item, at)
    descend('RangeFunction', node, at, ['functions'])
  },
}
