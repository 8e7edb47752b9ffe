/**
 * The claims of a token whose signature has verified -> who is calling. Pure. The order of the checks is STANDARDS.md
 * section 1's, from the audience on; each is its own file, and the first failure is the answer.
 */
import type { IssuerConfig } from '../config/config.ts'
import { Refused } from '../denial.ts'
import type { Identity, Millis } from '../words.ts'
import { readActors } from './checks/actors.ts'
import { checkAudience } from './checks/audience.ts'
import { checkBinding } from './checks/binding.ts'
import { checkClient, readClient } from './checks/client.ts'
import { readGroups } from './checks/groups.ts'
import { checkNotIdToken } from './checks/id-token.ts'
import { readSubject } from './checks/subject.ts'
import { readTimes } from './checks/times.ts'
import type { JsonObject } from './json.ts'
import { kindOf } from './kind.ts'

export interface Reading {
  readonly config: IssuerConfig
  /** The clients people log in with. */
  readonly people: readonly string[]
  readonly scheme: 'bearer' | 'dpop'
  readonly now: Millis
  readonly tokenDigest: string
}

export function readIdentity(
  claims: JsonObject,
  { config, people, scheme, now, tokenDigest }: Reading,
): Identity | Refused {
  const notForUs = checkAudience(claims, config.audience) ?? checkNotIdToken(claims)
  if (notForUs !== undefined) return notForUs
  const client = readClient(claims)
  if (client instanceof Refused) return client
  const stranger = checkClient(client, config.clients, people)
  if (stranger !== undefined) return stranger
  const expiresAt = readTimes(claims, now, config.clockTolerance)
  if (expiresAt instanceof Refused) return expiresAt
  const who = readSubject(claims)
  if (who instanceof Refused) return who
  const actors = readActors(claims)
  if (actors instanceof Refused) return actors
  const unbound = checkBinding(claims, scheme, config.dpop)
  if (unbound !== undefined) return unbound
  const groups = readGroups(claims, client, config)
  if (groups instanceof Refused) return groups
  const [actor] = actors
  const kind = kindOf({ client, subject: who.subject, actors }, people)
  const acting = actor === undefined ? {} : { actor }
  // Frozen, since a remembered identity is handed to every later call with the same token.
  Object.freeze(groups)
  Object.freeze(actors)
  return Object.freeze({
    issuer: config.name,
    ...who,
    client,
    kind,
    groups,
    ...acting,
    actors,
    tokenDigest,
    expiresAt,
  })
}
