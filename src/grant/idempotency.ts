/**
 * Idempotency-Key: the same owner with the same key gets the grant it made before, never a second one and never its
 * password again; the same key with another body is a mistake and told so. Kept a day; another owner's keys are unseen.
 */
import { Refused, refuse } from '../denial.ts'
import { ownerKey } from '../owner.ts'
import { type Decided, type Issued, issueNew } from './issue.ts'
import { findStored } from './list.ts'
import type { Parts } from './parts.ts'

export type { Decided, Issued } from './issue.ts'

/** Requests with a key that are being answered: a second one waits for the first. */
export type Repeats = Map<string, { readonly request: string; readonly answer: Promise<Issued | Refused> }>

const LONGEST_KEY = 255

export async function issue(decided: Decided, repeats: Repeats, parts: Parts): Promise<Issued | Refused> {
  if (decided.idempotency === undefined) return issueNew(decided, parts)
  const { key, request } = decided.idempotency
  if (key.length === 0 || key.length > LONGEST_KEY)
    return refuse('request_invalid', `Idempotency-Key of ${key.length} characters`, {
      say: `an Idempotency-Key has 1 to ${LONGEST_KEY} characters`,
    })
  const name = JSON.stringify([ownerKey(decided.owner), key])
  const first = repeats.get(name)
  if (first !== undefined) {
    if (first.request !== request) return otherBody
    const answer = await first.answer
    return answer instanceof Refused ? answer : { grant: answer.grant, repeated: true }
  }
  const answer = repeatStored(decided, key, request, parts)
  repeats.set(name, { request, answer })
  try {
    return await answer
  } finally {
    repeats.delete(name)
  }
}

async function repeatStored(decided: Decided, key: string, request: string, parts: Parts) {
  const { sql } = parts.ahead.store
  const query = sql
    .selectFrom('idempotency')
    .select(['request', 'grant_id'])
    .where('owner', '=', ownerKey(decided.owner))
    .where('key', '=', key)
    .where('expires_at', '>', parts.clock.now())
  const [row] = await parts.ahead.store.read(query)
  if (row === undefined) return issueNew(decided, parts)
  if (row.request !== request) return otherBody
  const grant = parts.live.get(row.grant_id)?.grant ?? (await findStored(row.grant_id, parts))
  return grant === undefined ? issueNew(decided, parts) : { grant, repeated: true }
}

const otherBody = refuse('request_invalid', 'an Idempotency-Key was used again with another body', {
  say: 'this Idempotency-Key was used before with another request: use a new key',
})
