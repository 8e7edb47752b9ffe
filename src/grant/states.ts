/** The states of a grant and every way from one to another, in one table. What is not here cannot happen. */
import type { Code } from '../denial.ts'
import type { GrantState } from '../words.ts'

const ways: Readonly<Record<GrantState, readonly GrantState[]>> = {
  pending: ['active', 'denied', 'expired', 'revoked', 'ended'],
  active: ['expired', 'revoked', 'ended'],
  denied: [],
  expired: [],
  revoked: [],
  ended: [],
}

/** The states a grant never leaves. */
export type FinalState = Exclude<GrantState, 'pending' | 'active'>

export const canMove = (from: GrantState, to: GrantState): boolean => ways[from].includes(to)

export const isFinal = (state: GrantState): state is FinalState => ways[state].length === 0

/** What a door says of a grant in this state. Undefined: it may be used. */
export const refusalOf: Readonly<Record<GrantState, Code | undefined>> = {
  pending: 'approval_required',
  active: undefined,
  denied: 'approval_denied',
  expired: 'grant_expired',
  revoked: 'grant_revoked',
  ended: 'grant_revoked',
}
