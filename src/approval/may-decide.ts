/**
 * Who may approve or deny one pending grant. Pure; refuses whoever it is not sure of. Nobody decides on their own
 * request, in whatever clothes they come (attack 58).
 */
import type { Rule } from '../config/config.ts'
import { type Refused, refuse } from '../denial.ts'
import type { Grant, Identity, Millis } from '../words.ts'

export interface Deciding {
  readonly grant: Grant
  readonly person: Identity
  /** The rule in force now, by the grant's rule id. */
  readonly rule: Pick<Rule, 'id' | 'issuer' | 'approval' | 'outliveToken'>
  readonly now: Millis
}

/** Undefined: yes. */
export function mayDecide({ grant, person, rule, now }: Deciding): Refused | undefined {
  const { approval } = rule
  if (person.kind !== 'person')
    return refuse('not_permitted', 'an agent cannot approve', { say: 'only people decide on grants' })
  // Whoever acts for somebody holds that person's token, which is not that person's judgement.
  if (person.actor !== undefined || person.actors.length > 0)
    return refuse('not_permitted', 'an identity with an actor (act) cannot approve', {
      say: 'who acts for somebody cannot decide for them',
    })
  if (approval === undefined)
    return refuse('request_invalid', `rule ${rule.id} asks for no approval`, {
      say: 'the rule of this grant asks for no approval',
    })
  // Groups belong to their issuer: a namesake elsewhere is another group.
  if (person.issuer !== rule.issuer || !person.groups.includes(approval.group))
    return refuse('not_permitted', `not a member of ${approval.group} at ${rule.issuer}`, {
      say: `only members of ${approval.group} decide on this grant`,
    })
  if (isRequester(person, grant.identity))
    return refuse('not_permitted', 'the requester cannot approve', { say: 'whoever asked cannot approve' })
  if (grant.state === 'expired') return refuse('approval_expired', `${grant.id} is expired: ${grant.ending}`)
  if (grant.state !== 'pending')
    return refuse('request_invalid', `${grant.id} is ${grant.state}`, { say: 'this grant is not pending' })
  if (now >= grant.issuedAt + approval.within)
    return refuse('approval_expired', `${grant.id} waited longer than the rule allows`)
  // Attack 61: the token it was asked for with has ended meanwhile.
  if (!rule.outliveToken && now >= grant.identity.expiresAt)
    return refuse('approval_expired', `the token of ${grant.id} has expired`, {
      say: 'the token this was asked for with has expired: it must be asked for again',
    })
  return undefined
}

/** The same party: by subject or uid, at whatever issuer, or anywhere in the chain of those who act. */
function isRequester(person: Identity, asked: Identity): boolean {
  const asking = new Set([asked.subject, ...asked.actors])
  if (asked.uid !== undefined) asking.add(asked.uid)
  if (asked.actor !== undefined) asking.add(asked.actor)
  return asking.has(person.subject) || (person.uid !== undefined && asking.has(person.uid))
}
