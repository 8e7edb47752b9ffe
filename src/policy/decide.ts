/**
 * Yes or no to one request (invariants 2, 3, 4). No rule is no. Of several rules the first that gives all that was asked
 * is taken whole, or else the first with something left; the request may name one itself. Pure.
 */
import { Refused, refuse } from '../denial.ts'
import type { Asking, Permit, Policy } from './permit.ts'
import { reachable } from './reachable.ts'
import { isPeoples, type Weighed, weigh } from './weigh.ts'

export function decide(asking: Asking, policy: Policy): Permit | Refused {
  const weighed = weigh(asking, policy)
  return choose(weighed) ?? notPermitted(asking, policy)
}

/** The answer that several rules make. Nothing, where there is no rule. */
export function choose(weighed: readonly Weighed[]): Permit | Refused | undefined {
  const permits = weighed.flatMap(({ says }) => (says instanceof Refused ? [] : [says]))
  const chosen = permits.find(permit => permit.narrowed.length === 0) ?? permits[0]
  if (chosen !== undefined) return chosen
  const refusals = weighed.flatMap(({ says }) => (says instanceof Refused ? [says] : []))
  // A scope that cannot be read is refused as such, whatever else a rule had against the request.
  return refusals.find(({ denial }) => denial.code === 'request_invalid') ?? refusals[0]
}

/**
 * The caller reads the same words for no rule, no such connection and no such rule (attacks 54, 57), and what it may ask
 * for; only `detail`, for the audit, knows which it was.
 */
function notPermitted(asking: Asking, policy: Policy): Refused {
  const { identity, request } = asking
  const may = [...new Set(reachable(asking, policy).map(({ connection }) => connection))]
  const detail = isPeoples(identity.client, policy)
    ? `client ${JSON.stringify(identity.client)} is listed under people.clients, which never get grants`
    : policy.connections.has(request.connection)
      ? `no rule gives ${request.connection} to any of the groups ${JSON.stringify(identity.groups).slice(0, 500)}${request.rule === undefined ? '' : ` by the name ${JSON.stringify(request.rule)}`}`
      : `there is no connection ${request.connection}`
  const told = may.length === 0 ? 'it may ask for nothing' : `it may ask for: ${may.join(', ')}`
  return refuse('not_permitted', detail, {
    say: `no rule gives this token ${request.connection}; ${told}`,
    facts: { may_ask_for: may },
  })
}
