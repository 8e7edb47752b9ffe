/**
 * INSERT, UPDATE, DELETE and MERGE. The target is written; it is read too where any of its columns is asked for, in a
 * condition, a value or RETURNING (attack 91), just as the server wants the SELECT privilege for that.
 */
import type { Verb } from './analysis.ts'
import { condition } from './filter.ts'
import { from, refuseRenaming } from './from.ts'
import { judgeNamed, refuseUnnamed } from './listed.ts'
import { identifier, relationName } from './names.ts'
import type { Entry, Handlers, Place, Tree } from './place.ts'
import { select, withClause } from './select.ts'
import { descend, list, only, visit, visitBare } from './walk.ts'

/** A write's target under a name. Never a CTE: the server would not write to one. */
function target(node: Tree, at: Place): Entry & { readonly relation: string } {
  const range = node.relation as Tree
  const alias = range.alias as Tree | undefined
  const relation = relationName(range, at)
  descend('RangeVar', range, at)
  const limits = at.limitsOf(relation)
  refuseRenaming(relation, limits, alias, at)
  return {
    name: identifier(String(alias?.aliasname ?? range.relname), at),
    relation,
    ...limits,
    target: true,
  }
}

function write(verb: Verb, on: Entry, at: Place): void {
  at.verb(verb)
  at.touch(verb, on.relation ?? '')
}

/** The columns that a list of targets names: of INSERT, of SET. */
function targets(named: unknown, on: Entry, at: Place): void {
  const names = list(named).map(one => identifier(String(only(one, 'ResTarget')?.name ?? ''), at))
  judgeNamed(on, names, at)
}

/** RETURNING shows the target's columns; `old`, `new` and what they are renamed to stand for its row. */
function returning(
  clause: unknown,
  on: Entry,
  at: Place & { readonly frame: { readonly entries: Entry[] } },
): void {
  if (clause === undefined) return
  const options = list((clause as Tree).options).map(one => only(one, 'ReturningOption'))
  const names = ['old', 'new', ...options.map(option => identifier(String(option?.value ?? ''), at))]
  for (const name of names) at.frame.entries.push({ ...on, name })
  visitBare('ReturningClause', clause as Tree, at)
}

/** What every write has, and its handler sees to. */
const seenTo = ['withClause', 'relation', 'returningClause']

export const writes: Handlers = {
  SelectStmt: (node, at) => select(node, at, 'nested'),

  InsertStmt(node, around) {
    const at = withClause(node.withClause, around)
    const on = target(node, at)
    write('insert', on, at)
    visit(node.cols, at)
    targets(node.cols, on, at)
    // DEFAULT VALUES writes no column of its own.
    if (on.only !== undefined && node.cols === undefined && node.selectStmt !== undefined)
      refuseUnnamed(on, 'insert into', at)
    const source = only(node.selectStmt, 'SelectStmt')
    // VALUES of an INSERT is no select of its own.
    const plain = source?.valuesLists !== undefined && source.withClause === undefined
    if (plain) descend('SelectStmt', source, at.inFrame())
    else if (source !== undefined) select(source, at, 'nested')
    const conflict = node.onConflictClause as Tree | undefined
    if (conflict !== undefined) onConflict(conflict, on, at)
    returning(node.returningClause, on, at.inFrame([on]))
    descend('InsertStmt', node, at, [...seenTo, 'cols', 'selectStmt', 'onConflictClause'])
  },

  UpdateStmt: (node, around) => changing('UpdateStmt', 'update', node, around),
  DeleteStmt: (node, around) => changing('DeleteStmt', 'delete', node, around),

  MergeStmt(node, around) {
    const outer = withClause(node.withClause, around)
    const on = target(node, outer)
    const at = outer.inFrame([on])
    at.verb('merge')
    at.touch('read', on.relation)
    from([node.sourceRelation], at, select)
    visit([node.joinCondition, ...list(node.mergeWhenClauses)], at)
    for (const clause of list(node.mergeWhenClauses)) {
      const { commandType, targetList, values } = only(clause, 'MergeWhenClause') ?? {}
      const verb = merged[String(commandType)]
      if (verb === undefined) continue
      write(verb, on, at)
      targets(targetList, on, at)
      if (on.only !== undefined && verb === 'insert' && targetList === undefined && values !== undefined)
        refuseUnnamed(on, 'insert into', at)
    }
    returning(node.returningClause, on, at)
    descend('MergeStmt', node, at, [...seenTo, 'sourceRelation', 'joinCondition', 'mergeWhenClauses'])
  },
}

/** UPDATE and DELETE: rows of the target, by FROM or USING and WHERE. */
function changing(type: string, verb: Verb, node: Tree, around: Place): void {
  const outer = withClause(node.withClause, around)
  const on = target(node, outer)
  const at = outer.inFrame([on])
  write(verb, on, at)
  from(node.fromClause ?? node.usingClause, at, select)
  targets(node.targetList, on, at)
  visit(node.targetList, at)
  condition(node.whereClause, at)
  returning(node.returningClause, on, at)
  descend(type, node, at, [...seenTo, 'fromClause', 'usingClause', 'targetList', 'whereClause'])
}

const merged: Readonly<Record<string, Verb | undefined>> = {
  CMD_INSERT: 'insert',
  CMD_UPDATE: 'update',
  CMD_DELETE: 'delete',
}

function onConflict(clause: Tree, on: Entry, around: Place): void {
  // `excluded` is the row that was offered, but the server wants SELECT on what is read of it.
  const at = around.inFrame([on, { ...on, name: 'excluded' }])
  if (clause.action === 'ONCONFLICT_UPDATE') write('update', on, at)
  targets(clause.targetList, on, at)
  // The server wants SELECT on the constraint's columns, which only it knows.
  if ((clause.infer as Tree | undefined)?.conname !== undefined && on.relation !== undefined) {
    at.touch('read', on.relation)
    if (on.only !== undefined)
      at.refuse(
        `ON CONFLICT ON CONSTRAINT is not permitted on ${on.relation}: name the columns: ON CONFLICT (id)`,
      )
  }
  visitBare('OnConflictClause', clause, at)
}
