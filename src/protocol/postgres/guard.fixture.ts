/** Guards for tests: one parser's thread for a file, and what a verdict should say of many statements. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { createAnalyser } from '../../statement/sql/analyser.ts'
import type { OwnFunctions } from '../../statement/sql/analysis.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import type { Narrowed } from '../../words.ts'
import { createGuard, type PostgresGuard } from './guard.ts'
import { noFunctions } from './own-functions.ts'
import { type PostgresScope, postgresScope } from './scope.ts'
import type { RefusedCase } from './vectors/statements.ts'

const none = () => undefined
export const analyser = createAnalyser({ log: { debug: none, info: none, warn: none, error: none } })
after(() => analyser[Symbol.asyncDispose]())

export function scopeOf(scope: object): Narrowed<PostgresScope> {
  return postgresScope.schema.parse(scope) as Narrowed<PostgresScope>
}

/** A server of the newest version, with no functions of its own. */
export const newest: OwnFunctions = { ...noFunctions, version: 18 }

export function guardOf(
  scope: object,
  cache = new VerdictCache(),
  own: OwnFunctions = newest,
): PostgresGuard {
  return createGuard(scopeOf(scope), analyser, cache, own)
}

export async function allows(guard: PostgresGuard, statements: readonly string[]): Promise<void> {
  const wrong: string[] = []
  for (const sql of statements) {
    const verdict = await guard.judge(sql)
    if (!verdict.allow) wrong.push(`${sql}\n    ${verdict.denial.code}: ${verdict.denial.detail}`)
  }
  assert.equal(wrong.join('\n'), '')
}

export async function refuses(guard: PostgresGuard, cases: readonly RefusedCase[]): Promise<void> {
  const wrong: string[] = []
  for (const { sql, say } of cases) {
    const verdict = await guard.judge(sql)
    const got = verdict.allow ? 'ALLOWED' : `${verdict.denial.code}: ${verdict.denial.detail}`
    if (verdict.allow || verdict.denial.code !== 'statement_refused' || !got.includes(say))
      wrong.push(`${sql}\n    ${got}\n    wanted: ${say}`)
  }
  assert.equal(wrong.join('\n'), '')
}

/** As {@link refuses}, of statements that are refused for the same thing. */
export const refusesAll = (guard: PostgresGuard, say: string, statements: readonly string[]): Promise<void> =>
  refuses(
    guard,
    statements.map(sql => ({ sql, say })),
  )
