/**
 * INSERT, UPDATE, DELETE and MERGE. The target is written; it is read too where any of its columns is asked for, in a
 * condition, a value or RETURNING (attack 91), just as the server wants the SELECT privilege for that.
 */
import type { Verb } from './analysis.ts'
import { from } from './from.ts'
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
  const masked = at.maskedOf(relation)
  if (masked.length > 0 && list(alias?.colnames).length > 0)
    at.refuse(`${relation} has masked columns: they cannot be renamed`)
  return { name: identifier(String(alias?.aliasname ?? range.relname), at), relation, masked, target: true }
}

function write(verb: Verb, on: Entry, at: Place): void {
  at.verb(verb)
  at.touch(verb, on.relation ?? '')
  // A NOT NULL or CHECK that fails says "Failing row contains (...)" in the error's DETAIL, masked columns and all.
  if (verb === 'update' && on.masked.length > 0) {
    at.refuse(
      `${on.relation} has masked columns: it cannot be updated, for an error would show the whole row`,
    )
  }
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

export const writes: Handlers = {
  SelectStmt: (node, at) => select(node, at, 'nested'),

  InsertStmt(node, around) {
    const at = withClause(node.withClause, around)
    const on = target(node, at)
    write('insert', on, at)
    visit(node.cols, at)
    const source = only(node.selectStmt, 'SelectStmt')
    // VALUES of an INSERT is no select of its own.
    const plain = source?.valuesLists !== undefined && source.withClause === undefined
    if (plain) descend('SelectStmt', source, at.inFrame())
    else if (source !== undefined) select(source, at, 'nested')
    const conflict = node.onConflictClause as Tree | undefined
    if (conflict !== undefined) onConflict(conflict, on, at)
    returning(node.returningClause, on, at.inFrame([on]))
    descend('InsertStmt', node, at, [
      'withClause',
      'relation',
      'cols',
      'selectStmt',
      'onConflictClause',
      'returningClause',
    ])
  },

  UpdateStmt(node, around) {
    const outer = withClause(node.withClause, around)
    const on = target(node, outer)
    const at = outer.inFrame([on])
    write('update', on, at)
    from(node.fromClause, at)
    visit([...list(node.targetList), node.whereClause], at)
    returning(node.returningClause, on, at)
    descend('UpdateStmt', node, at, [
      'withClause',
      'relation',
      'fromClause',
      'targetList',
      'whereClause',
      'returningClause',
    ])
  },

  DeleteStmt(node, around) {
    const outer = withClause(node.withClause, around)
    const on = target(node, outer)
    const at = outer.inFrame([on])
    write('delete', on, at)
    from(node.usingClause, at)
    visit(node.whereClause, at)
    returning(node.returningClause, on, at)
    descend('DeleteStmt', node, at, [
      'withClause',
      'relation',
      'usingClause',
      'whereClause',
      'returningClause',
    ])
  },

  MergeStmt(node, around) {
    const outer = withClause(node.withClause, around)
    const on = target(node, outer)
    const at = outer.inFrame([on])
    at.verb('merge')
    at.touch('read', on.relation)
    from([node.sourceRelation], at)
    visit([node.joinCondition, ...list(node.mergeWhenClauses)], at)
    for (const clause of list(node.mergeWhenClauses)) {
      const verb = merged[String(only(clause, 'MergeWhenClause')?.commandType)]
      if (verb !== undefined) write(verb, on, at)
    }
    returning(node.returningClause, on, at)
    descend('MergeStmt', node, at, [
      'withClause',
      'relation',
      'sourceRelation',
      'joinCondition',
      'mergeWhenClauses',
      'returningClause',
    ])
  },
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
  visitBare('OnConflictClause', clause, at)
}
