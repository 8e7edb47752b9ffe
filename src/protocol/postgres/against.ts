/** A statement's facts held against a scope: every reason why not, in words for its caller. Pure. */
import type { Touch } from '../../recording/record.ts'
import type { Facts } from '../../statement/sql/analysis.ts'
import { isVetted } from '../../statement/sql/names.ts'
import { type PostgresScope, permits } from './scope.ts'

export function against(facts: Facts, scope: PostgresScope): readonly string[] {
  const problems: string[] = []
  for (const { verb, where } of facts.verbs) {
    if (scope.statements.includes(verb)) continue
    const on = facts.touches
      .filter(touch => touch.act === (verb === 'select' ? 'read' : verb))
      .map(touch => touch.on)
    problems.push(
      `${verb}${where === undefined ? '' : ` ${where}`}${on.length === 0 ? '' : ` on ${on.join(', ')}`} is not permitted`,
    )
  }
  problems.push(...facts.refusals)
  for (const touch of facts.touches) {
    const problem = touching(touch, scope)
    if (problem !== undefined) problems.push(problem)
  }
  if (facts.timeout !== undefined && scope.statement_timeout !== null) {
    // 0 is no timeout at all.
    if (facts.timeout === 0 || facts.timeout > scope.statement_timeout) {
      problems.push(`set statement_timeout above ${scope.statement_timeout} ms is not permitted`)
    }
  }
  return problems
}

function touching({ act, on }: Touch, scope: PostgresScope): string | undefined {
  switch (act) {
    case 'call':
      if (isVetted(on) || scope.functions.includes(on)) return undefined
      return `function ${on.replace(/^pg_catalog\./, '')} is not vetted`
    case 'read':
      return permits(scope.tables, on) ? undefined : `select on ${on} is not permitted`
    case 'lock':
      // A row lock stops other people's writes: it is for those who may write the table (attack 90).
      if (permits(scope.write_tables, on) && scope.statements.includes('update')) return undefined
      return `a row lock (FOR UPDATE, FOR SHARE) on ${on} is not permitted`
    default:
      return permits(scope.write_tables, on) ? undefined : `${act} on ${on} is not permitted`
  }
}
