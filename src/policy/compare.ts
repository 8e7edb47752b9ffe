/**
 * Two configurations -> who gains and who loses what, rule by rule and in words, for the review of a policy change. Scopes
 * are compared as they hold, under their connection's ceiling, by the protocol's own arithmetic. Pure.
 */
import type { Config, Rule } from '../config/config.ts'
import { formatDuration } from '../config/duration.ts'
import type { AnyProtocol } from '../protocol/protocol.ts'
import { given } from './narrow.ts'
import { same } from './same.ts'
import { hoursInWords } from './when.ts'

export type Effect = 'gains' | 'loses' | 'changes'

export interface RuleChange {
  readonly effect: Effect
  readonly issuer: string
  readonly group: string
  readonly connection: string
  readonly rule: string
  readonly what: string
}

type Side = Pick<Config, 'rules' | 'connections'>
type Protocols = ReadonlyMap<string, AnyProtocol>

/** One line a difference; in the order of the new file, then what is gone. */
export function compareRules(old: Side, now: Side, protocols: Protocols): readonly RuleChange[] {
  const changes = now.rules.flatMap(rule => {
    const before = old.rules.find(one => sameRule(one, rule))
    return before === undefined
      ? [line('gains', rule, `may have it: ${inWords(rule, now, protocols)}`)]
      : differences(before, rule, old, now, protocols)
  })
  const gone = old.rules.filter(rule => !now.rules.some(one => sameRule(rule, one)))
  return [
    ...changes,
    ...gone.map(rule => line('loses', rule, `no longer: ${inWords(rule, old, protocols)}`)),
    ...reordered(old, now),
  ]
}

/** The id names a rule; one that is for somebody else, or something else, is another rule. */
function sameRule(a: Rule, b: Rule): boolean {
  return a.id === b.id && a.issuer === b.issuer && a.group === b.group && a.connection === b.connection
}

const line = (effect: Effect, { issuer, group, connection, id }: Rule, what: string): RuleChange => ({
  effect,
  issuer,
  group,
  connection,
  rule: id,
  what,
})

function differences(before: Rule, rule: Rule, old: Side, now: Side, protocols: Protocols): RuleChange[] {
  const found: [Effect, string][] = []
  const more = (isMore: boolean): Effect => (isMore ? 'gains' : 'loses')
  const scope = compareScopes(before, rule, old, now, protocols)
  if (scope !== undefined) found.push(scope)
  if (before.ttl !== rule.ttl)
    found.push([
      more(rule.ttl > before.ttl),
      `ttl ${formatDuration(before.ttl)} -> ${formatDuration(rule.ttl)}`,
    ])
  if (before.outliveToken !== rule.outliveToken)
    found.push([more(rule.outliveToken), `outlive_token ${before.outliveToken} -> ${rule.outliveToken}`])
  for (const what of ['reason', 'task'] as const) {
    const wanted = rule.require.includes(what)
    if (before.require.includes(what) !== wanted)
      found.push([more(!wanted), wanted ? `must state a ${what}` : `need not state a ${what}`])
  }
  limit(before.sessions.atOnce, rule.sessions.atOnce, 'sessions at once')
  limit(before.sessions.total, rule.sessions.total, 'sessions in all')
  limit(before.useWithin, rule.useWithin, 'milliseconds to begin using it')
  if (!same(before.approval, rule.approval))
    found.push([
      either(before.approval, rule.approval),
      `approval: ${approvalInWords(before)} -> ${approvalInWords(rule)}`,
    ])
  if (!same(before.when, rule.when))
    found.push([either(before.when, rule.when), `condition: ${whenInWords(before)} -> ${whenInWords(rule)}`])
  if (before.recordValues !== rule.recordValues)
    found.push(['changes', `recording of values ${before.recordValues} -> ${rule.recordValues}`])
  return found.map(([effect, what]) => line(effect, rule, what))

  /** Undefined is without limit. */
  function limit(from: number | undefined, to: number | undefined, of: string): void {
    if (from !== to)
      found.push([
        more((to ?? Infinity) > (from ?? Infinity)),
        `${from ?? 'any number of'} -> ${to ?? 'any number of'} ${of}`,
      ])
  }
}

/** A restriction that comes takes something away, one that goes gives; one that only changes is for a person to judge. */
const either = (before: unknown, now: unknown): Effect =>
  before === undefined ? 'loses' : now === undefined ? 'gains' : 'changes'

function compareScopes(
  before: Rule,
  rule: Rule,
  old: Side,
  now: Side,
  protocols: Protocols,
): [Effect, string] | undefined {
  const [was, is] = [scopeOf(before, old, protocols), scopeOf(rule, now, protocols)]
  if (was === undefined || is === undefined || was.protocol !== is.protocol)
    return ['changes', `scope: ${was?.words ?? 'nothing'} -> ${is?.words ?? 'nothing'}`]
  const { meet } = is.protocol.scope
  // Both ways round, since a meeting keeps the order of its first scope.
  const nothingLost = same(meet(was.scope, is.scope), was.scope)
  const nothingWon = same(meet(is.scope, was.scope), is.scope)
  if (nothingLost && nothingWon) return undefined
  const effect = nothingLost ? 'gains' : nothingWon ? 'loses' : 'changes'
  return [
    effect,
    `scope ${{ gains: 'wider', loses: 'narrower', changes: 'other' }[effect]}: ${was.words} -> ${is.words}`,
  ]
}

function scopeOf(rule: Rule, { connections }: Side, protocols: Protocols) {
  const connection = connections.get(rule.connection)
  const protocol = connection && protocols.get(connection.protocol)
  if (connection === undefined || protocol === undefined) return undefined
  const scope: unknown = given(rule, connection, protocol)
  return { protocol, scope, words: protocol.scope.words(scope) }
}

function inWords(rule: Rule, side: Side, protocols: Protocols): string {
  const asks = rule.approval === undefined ? '' : `, after approval: ${approvalInWords(rule)}`
  const held = rule.when === undefined ? '' : `, on condition: ${whenInWords(rule)}`
  return `${scopeOf(rule, side, protocols)?.words ?? 'nothing'}, for ${formatDuration(rule.ttl)}${asks}${held}`
}

const approvalInWords = ({ approval }: Rule): string =>
  approval === undefined
    ? 'none'
    : `${approval.count} of ${approval.group} within ${formatDuration(approval.within)}`

function whenInWords({ when }: Rule): string {
  const held = [
    when?.clients && `clients ${when.clients.join(', ')}`,
    when?.source && `from ${when.source.join(', ')}`,
    when?.hours && hoursInWords(when.hours),
  ]
  return held.filter(one => one !== undefined).join('; ') || 'none'
}

/** Order decides between several rules for one connection (invariant 3), so moving one is a change too. */
function reordered(old: Side, now: Side): RuleChange[] {
  return [...now.connections.keys()].flatMap(connection => {
    const kept = (side: Side, other: Side) =>
      side.rules.filter(
        rule => rule.connection === connection && other.rules.some(one => sameRule(one, rule)),
      )
    const [before, after] = [kept(old, now), kept(now, old)]
    const moved = after.find((rule, n) => before[n]?.id !== rule.id)
    if (moved === undefined) return []
    const ids = (rules: readonly Rule[]) => rules.map(({ id }) => id).join(', ')
    return [
      line(
        'changes',
        moved,
        `the first rule that fits is used, and their order changes: ${ids(before)} -> ${ids(after)}`,
      ),
    ]
  })
}
