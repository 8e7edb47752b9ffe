/**
 * The one place that mints a {@link Narrowed} scope: the connection's ceiling AND the rule AND the request (invariant 3).
 * The arithmetic is the protocol's; that all three are in it is decided here. Pure.
 */
import type { Connection, Rule } from '../config/config.ts'
import { Refused, refuse } from '../denial.ts'
import type { AnyProtocol, ScopeKind } from '../protocol/protocol.ts'
import type { Narrowed } from '../words.ts'
import type { Permit } from './permit.ts'
import { same } from './same.ts'

export interface NarrowedScope {
  readonly scope: Narrowed<unknown>
  /** The asked keys that were cut. */
  readonly narrowed: readonly string[]
}

type Kind = ScopeKind<unknown, unknown>

/** What the rule gives before anybody asks for less. */
export function given(
  rule: Pick<Rule, 'scope'>,
  connection: Pick<Connection, 'ceiling'>,
  { scope }: AnyProtocol,
): unknown {
  const kind: Kind = scope
  return connection.ceiling === undefined ? rule.scope : kind.meet(rule.scope, connection.ceiling)
}

export function narrow(
  rule: Rule,
  connection: Connection,
  protocol: AnyProtocol,
  asked: unknown,
): NarrowedScope | Refused {
  const kind: Kind = protocol.scope
  const whole = given(rule, connection, protocol)
  const limit = asked === undefined ? undefined : readLimit(kind, asked)
  if (limit instanceof Refused) return limit
  const scope = limit === undefined ? whole : kind.meet(whole, limit)
  if (kind.isEmpty(scope)) {
    return refuse(
      'scope_empty',
      `rule ${rule.id} gives ${kind.words(whole)}; of ${JSON.stringify(asked)?.slice(0, 500) ?? 'all of it'} nothing is left`,
      {
        say: `nothing is left of the scope that was asked for: the rule gives ${kind.words(whole)}`,
        facts: { rule: rule.id, scope: whole },
      },
    )
  }
  return {
    scope: scope as Narrowed<unknown>,
    narrowed: limit === undefined ? [] : cutKeys(kind, whole, limit),
  }
}

/** A permit's scope, cut further by what approvers allow. */
export function narrowMore(
  { protocol, scope, rule }: Pick<Permit, 'protocol' | 'scope' | 'rule'>,
  asked: readonly unknown[],
): Narrowed<unknown> | Refused {
  const kind: Kind = protocol.scope
  let cut: unknown = scope
  for (const one of asked) {
    const limit = readLimit(kind, one)
    if (limit instanceof Refused) return limit
    cut = kind.meet(cut, limit)
  }
  if (!kind.isEmpty(cut)) return cut as Narrowed<unknown>
  return refuse('scope_empty', `rule ${rule.id}: the approvers leave nothing of ${kind.words(scope)}`)
}

/** A scope's limit as an agent wrote it. Unknown keys are refused, never ignored: a typo must not widen (attack 52). */
export function readLimit(kind: Kind, asked: unknown): object | Refused {
  const read = kind.limit.safeParse(asked)
  if (read.success && typeof read.data === 'object' && read.data !== null) return read.data
  const issue = read.error?.issues[0]
  const where = ['scope', ...(issue?.path ?? [])].map(String).join('.').slice(0, 200)
  const what = (issue?.message ?? 'must be an object').slice(0, 300)
  return refuse('request_invalid', `${where}: ${what}`, { say: `${where}: ${what}` })
}

/**
 * A key is cut when what was asked, put in place of what is given, would not survive meeting what is given. Said only:
 * the scope itself comes from `meet` alone, so a wrong word here can never widen anything.
 */
function cutKeys(kind: Kind, whole: unknown, limit: object): readonly string[] {
  return Object.entries(limit).flatMap(([key, value]) => {
    if (value === undefined) return []
    const wished = { ...(whole as object), [key]: value }
    const left = (by: object) => (kind.meet(wished, by) as Readonly<Record<string, unknown>>)[key]
    return same(left(whole as object), left({ [key]: value })) ? [] : [key]
  })
}
