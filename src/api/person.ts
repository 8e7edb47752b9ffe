/** May this identity make a people's call? A person by its client first, then by group: a group alone is never enough. Pure. */
import type { PeopleConfig } from '../config/config.ts'
import { type Refused, refuse } from '../denial.ts'
import type { Identity } from '../words.ts'

/** `auditors` reads; operators may do all that auditors may. */
export type Role = 'operators' | 'auditors'

/** Invariant 1: only a person may approve, cut or lock. An agent in an operators' group is still an agent (attack 171). */
export function checkPerson(
  identity: Identity,
  role: Role,
  people: PeopleConfig | undefined,
): true | Refused {
  const no = (detail: string) =>
    refuse('not_permitted', detail, { say: 'this call is for people, by their client and group' })
  if (people === undefined) return no('no people are configured')
  if (identity.kind !== 'person') return no(`client ${identity.client} is an agent`)
  const groups = role === 'operators' ? people.operators : [...people.operators, ...people.auditors]
  if (identity.groups.some(group => groups.includes(group))) return true
  return no(`${identity.subject} is in none of ${JSON.stringify(groups)}`)
}
