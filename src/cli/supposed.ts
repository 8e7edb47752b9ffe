/** A caller that nobody verified: whom `explain` and `test` suppose to be asking. Never reaches a gateway. */
import type { Config } from '../config/config.ts'
import { kindOf } from '../identity/kind.ts'
import type { Identity, Millis } from '../words.ts'
import { exit } from './exit.ts'
import { Stop } from './stop.ts'

export interface Supposed {
  readonly issuer?: string | undefined
  /** Default: what the issuer's `client_groups` says for this client. */
  readonly groups?: readonly string[] | undefined
  readonly client?: string | undefined
  readonly subject?: string | undefined
  readonly actor?: string | undefined
  /** What the token has left. */
  readonly tokenLeft?: Millis | undefined
}

export function suppose(who: Supposed, config: Pick<Config, 'issuers' | 'people'>, now: Millis): Identity {
  const issuer = issuerOf(who.issuer, config)
  const client = who.client ?? 'some-client'
  const groups = who.groups ?? config.issuers.get(issuer)?.clientGroups.get(client)
  if (groups === undefined)
    throw new Stop(
      exit.usage,
      `no groups: say which, or name a client that client_groups of issuer ${issuer} lists`,
    )
  const subject = who.subject ?? 'somebody'
  const actors = who.actor === undefined ? [] : [who.actor]
  const kind = kindOf({ client, subject, actors }, config.people?.clients ?? [])
  const actor = who.actor === undefined ? {} : { actor: who.actor }
  return {
    issuer,
    subject,
    client,
    kind,
    groups,
    ...actor,
    actors,
    tokenDigest: '',
    expiresAt: now + (who.tokenLeft ?? 3_600_000),
  }
}

function issuerOf(named: string | undefined, { issuers }: Pick<Config, 'issuers'>): string {
  const names = [...issuers.keys()]
  if (named !== undefined && issuers.has(named)) return named
  const [only] = names
  if (named === undefined && only !== undefined && names.length === 1) return only
  throw new Stop(
    exit.usage,
    `${named === undefined ? 'say which issuer' : `there is no issuer ${named}`}; there is: ${names.join(', ')}`,
  )
}
