/**
 * What each rule that is for this caller says to one request. `decide` picks from it and `explain` tells it, so what is
 * explained is what was decided. Several rules are never united (invariant 3, attack 55). Pure.
 */
import type { Rule } from '../config/config.ts'
import { Refused, refuse } from '../denial.ts'
import { rulesFor } from './match.ts'
import { narrow } from './narrow.ts'
import type { Asking, Permit, Policy } from './permit.ts'
import { checkRequire } from './require.ts'
import { termOf } from './ttl.ts'
import { checkWhen } from './when.ts'

export interface Weighed {
  readonly rule: Rule
  readonly says: Permit | Refused
}

/** In file order. Empty: no rule is for this caller and this connection, or a person's client is asking. */
export function weigh(asking: Asking, policy: Policy): readonly Weighed[] {
  const { identity, request } = asking
  if (isPeoples(identity.client, policy)) return []
  return rulesFor(identity, policy.rules)
    .filter(rule => rule.connection === request.connection && (request.rule ?? rule.id) === rule.id)
    .map(rule => ({ rule, says: judge(rule, asking, policy) }))
}

/** People's clients look and approve; they never get grants, so a person's login is worth nothing at a door. */
export function isPeoples(client: string, { people }: Pick<Policy, 'people'>): boolean {
  return people?.clients.includes(client) ?? false
}

function judge(rule: Rule, asking: Asking, policy: Policy): Permit | Refused {
  const { identity, request, source, now } = asking
  const connection = policy.connections.get(rule.connection)
  const protocol = connection && policy.protocols.get(connection.protocol)
  // The configuration's schema sees to it that both are there; if ever not, the rule gives nothing.
  if (connection === undefined || protocol === undefined)
    return refuse('not_permitted', `rule ${rule.id} leads nowhere`)
  const unmet = checkWhen(rule.when, { client: identity.client, source, now }) ?? checkRequire(rule, request)
  if (unmet !== undefined) return unmet
  const scope = narrow(rule, connection, protocol, request.scope)
  if (scope instanceof Refused) return scope
  const term = termOf(rule, request.ttl, identity, now)
  if (term instanceof Refused) return term
  const narrowed =
    request.ttl !== undefined && request.ttl > term.ttl ? ['ttl', ...scope.narrowed] : scope.narrowed
  return {
    rule,
    connection,
    protocol,
    scope: scope.scope,
    narrowed,
    ...term,
    ...(rule.approval && { approval: rule.approval }),
  }
}
