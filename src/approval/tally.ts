/** Counts votes. Pure. One no is a no; a yes counts once a person and only for what is shown now. */

export interface Vote {
  readonly subject: string
  readonly uid?: string
  readonly decision: 'approve' | 'deny'
  /** Hash of what the voter was shown. */
  readonly shown: string
  /** Less than was asked: both hold when it is activated. */
  readonly ttl?: number
  readonly scope?: unknown
}

export interface Tally {
  readonly outcome: 'waiting' | 'approved' | 'denied'
  readonly approvers: number
  /** The shortest time any approver allowed. */
  readonly ttl?: number
  /** Every narrower scope that an approver set. */
  readonly scopes: readonly unknown[]
}

export function tally(votes: readonly Vote[], shown: string, count: number): Tally {
  if (votes.some(vote => vote.decision === 'deny')) return { outcome: 'denied', approvers: 0, scopes: [] }
  const valid = votes.filter(vote => vote.shown === shown)
  // Two identities that share a subject or a uid are one person, also through a third.
  const approvers = distinct(valid)
  const ttls = valid.flatMap(vote => vote.ttl ?? [])
  return {
    outcome: approvers >= count ? 'approved' : 'waiting',
    approvers,
    ...(ttls.length === 0 ? {} : { ttl: Math.min(...ttls) }),
    scopes: valid.flatMap(vote => (vote.scope === undefined ? [] : [vote.scope])),
  }
}

function distinct(votes: readonly Vote[]): number {
  let people: Set<string>[] = []
  for (const { subject, uid } of votes) {
    const names = uid === undefined ? [subject] : [subject, uid]
    const same = people.filter(person => names.some(name => person.has(name)))
    people = people.filter(person => !same.includes(person))
    people.push(new Set([...names, ...same.flatMap(person => [...person])]))
  }
  return people.length
}
