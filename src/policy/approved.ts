/**
 * What a pending grant becomes when people have said yes: the whole decision once more, under the rules of this moment
 * (attack 213), cut to what the approvers allow besides. Its time runs from now. Pure.
 */
import { Refused } from '../denial.ts'
import type { Grant, Millis } from '../words.ts'
import { confirm } from './confirm.ts'
import { narrowMore } from './narrow.ts'
import type { Permit, Policy } from './permit.ts'
import { termOf } from './ttl.ts'

/** What the approvers set beside their yes; each only narrows. */
export interface Allowed {
  readonly ttl?: Millis
  readonly scopes: readonly unknown[]
}

export function approved(grant: Grant, allowed: Allowed, now: Millis, policy: Policy): Permit | Refused {
  const still = confirm(grant, undefined, now, policy)
  if (still instanceof Refused) return still
  const asked = least(grant.request.ttl, allowed.ttl)
  const term = termOf(still.rule, asked, grant.identity, now)
  if (term instanceof Refused) return term
  const scope = narrowMore(still, allowed.scopes)
  return scope instanceof Refused ? scope : { ...still, ...term, scope }
}

function least(one: Millis | undefined, other: Millis | undefined): Millis | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
}
