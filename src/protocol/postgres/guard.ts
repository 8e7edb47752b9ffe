/**
 * Judges SQL text under a session's scope: caps, then the cache, then the real parser's facts held against the scope.
 * Whole strings: one statement too many refuses all of them (attack 75). What cannot be read is refused (attack 102).
 */
import { createHash } from 'node:crypto'
import { Refused, refuse } from '../../denial.ts'
import type { Touch, Verdict } from '../../recording/record.ts'
import type { SqlAnalyser } from '../../statement/sql/analyser.ts'
import type { Analysis, CopiedOut, Facts, Limits, OwnFunctions } from '../../statement/sql/analysis.ts'
import type { VerdictCache } from '../../statement/sql/cache.ts'
import { checkCaps } from '../../statement/sql/caps.ts'
import { aroundLiterals, isAround } from '../../statement/sql/literals.ts'
import type { Narrowed } from '../../words.ts'
import { against } from './against.ts'
import { noFunctions } from './own-functions.ts'
import { type ColumnMask, type PostgresScope, postgresScope } from './scope.ts'

export type Judged = Verdict & {
  /** How many statements the text holds, where it is not one. */
  readonly count?: number
  /** Left to the Bind: parameters that must be names of settings that SHOW shows. */
  readonly settings?: readonly number[]
  /** Portals that it fetches from. */
  readonly fetches?: readonly string[]
  /** How many output columns of each statement are masked ones, so that the server must tell as many. */
  readonly shown?: readonly number[]
  /** What each statement copies out of masked columns. */
  readonly copied?: readonly (CopiedOut | undefined)[]
}

export interface PostgresGuard {
  /** Synchronous when the verdict is cached; a promise only on a miss. Never throws, never rejects. */
  judge(sql: string): Verdict | Promise<Verdict>
}

export function createGuard(
  scope: Narrowed<PostgresScope>,
  analyser: SqlAnalyser,
  cache: VerdictCache,
  own: OwnFunctions = noFunctions,
  /** Whose turns at the parser this guard's are: an owner's, however many grants and sessions they have. */
  who = '',
): PostgresGuard {
  const digest = digestOf([scope, own])
  const verdicts = cache.under(digest)
  const forms = cache.under(`${digest} without literals`)
  const limits = limitsOf(scope, own)
  /** The form that came last: most sessions say the same again and again. */
  let last: { readonly pieces: readonly string[]; readonly verdict: Judged } | undefined
  return {
    judge(sql) {
      if (last !== undefined && sql.length <= LONG && isAround(sql, last.pieces))
        return likewise(last.verdict, sql)
      const known = verdicts.get(sql)
      if (known !== undefined) return known
      const pieces = sql.length > LONG ? undefined : aroundLiterals(sql)
      const form = pieces?.join('')
      const alike = form === undefined ? undefined : forms.get(form)
      if (pieces !== undefined && alike !== undefined) {
        last = { pieces, verdict: alike }
        return likewise(alike, sql)
      }
      const cap = checkCaps(sql)
      if (cap !== undefined) return refused(sql, refuse(cap.code, cap.why, { say: cap.why }))
      return analyser.analyse(sql, limits, who).then(analysis => {
        if (analysis instanceof Refused) return refused(sql, analysis)
        const verdict = judged(sql, analysis, scope)
        verdicts.set(sql, verdict)
        // Only a yes, and only one that no literal had a part in, is a yes to others of the form (attack 104).
        const free = analysis.ok && analysis.statements.every(facts => !facts.literal)
        if (form !== undefined && verdict.allow && free) forms.set(form, verdict)
        return verdict
      })
    },
  }
}

/** The verdict on a statement that differs in literals from one that was judged. What is touched is the same object. */
function likewise({ statement: { kind, touches }, count, shown }: Judged, text: string): Judged {
  const alike = { allow: true, statement: { kind, text, touches }, again: 'touches' } as const
  if (count === undefined && shown === undefined) return alike
  return { ...alike, ...(count !== undefined && { count }), ...(shown !== undefined && { shown }) }
}

/** Characters from which on a text is not looked at for its form. */
const LONG = 8 * 1024
/** Reasons in one refusal. */
const MOST_PROBLEMS = 10

function judged(sql: string, analysis: Analysis, scope: PostgresScope): Judged {
  if (!analysis.ok) {
    const say = `this statement cannot be read and is therefore refused: ${analysis.why}`
    return refused(sql, refuse('statement_unparsable', analysis.why, { say }))
  }
  const { statements } = analysis
  const statement = { kind: kindOf(statements), text: sql, touches: touchesOf(statements) }
  const problems = statements
    .values()
    .flatMap(facts => against(facts, scope))
    .take(MOST_PROBLEMS)
    .toArray()
  const [first] = problems
  if (first === undefined) {
    const settings = [...new Set(statements.flatMap(facts => facts.settings ?? []))]
    const fetches = statements.flatMap(facts => facts.fetches ?? [])
    const shown = statements.map(facts => facts.shown ?? 0)
    const copied = statements.map(facts => facts.copied)
    return {
      allow: true,
      statement,
      again: 'whole',
      ...(settings.length > 0 && { settings }),
      ...(fetches.length > 0 && { fetches }),
      ...(shown.some(masked => masked > 0) && { shown }),
      ...(copied.some(one => one !== undefined) && { copied }),
      ...(statements.length > 1 && { count: statements.length }),
    }
  }
  const say = `${first}; this grant allows ${postgresScope.words(scope)}`
  const { denial } = refuse('statement_refused', problems.join('; '), {
    say,
    ...(statements.some(isWordless) && { everywhere: true }),
  })
  return { allow: false, statement, denial }
}

/** DROP, VACUUM, LISTEN and their like: refused for what they are, and not one of the verbs that a scope lists. */
const isWordless = ({ verbs, refusals }: Facts): boolean => verbs.length === 0 && refusals.length > 0

const refused = (text: string, { denial }: Refused): Verdict => ({
  allow: false,
  statement: { kind: 'unread', text, touches: [] },
  denial,
})

/** One word for a string of statements: each kind in it once, as they come. */
function kindOf(statements: readonly Facts[]): string {
  return [...new Set(statements.map(facts => facts.kind))].join('; ') || 'empty'
}

function touchesOf(statements: readonly Facts[]): readonly Touch[] {
  if (statements.length === 1) return statements[0]?.touches ?? []
  const touches = new Map(
    statements.flatMap(facts => facts.touches).map(touch => [`${touch.act} ${touch.on}`, touch]),
  )
  return [...touches.values()]
}

/**
 * The key under which verdicts are shared: all that a verdict depends on besides the text (attack 104). What has another scope
 * has another key; a reload empties the cache besides, for nobody asks for the old ones again.
 */
function digestOf(on: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(on)).digest('base64')
}

/** What the scope says of single columns, by relation. */
function limitsOf(scope: PostgresScope, own: OwnFunctions): Limits {
  const columns = Object.entries(scope.columns).map(([relation, listed]) => [relation, { columns: listed }])
  return {
    masked: byRelation(scope.mask),
    filter: byRelation(scope.mask.filter(mask => mask.filter === true)),
    columns: Object.fromEntries(columns),
    own,
    functions: scope.functions,
    catalog: scope.catalog,
  }
}

function byRelation(masks: readonly ColumnMask[]): Limits['masked'] {
  const found = new Map<string, string[]>()
  for (const { column } of masks) {
    const dot = column.lastIndexOf('.')
    const relation = column.slice(0, dot)
    found.set(relation, [...(found.get(relation) ?? []), column.slice(dot + 1)])
  }
  return Object.fromEntries(found)
}
