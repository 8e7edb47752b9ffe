/**
 * Whether a stored identity would still be let in by the issuers of this moment. An operator who takes a client off the
 * list, or changes what a service app belongs to, means its live grants too and not only its next token (CVE-2021-41230).
 * Pure. What only a token can say, such as a group taken away at the issuer, is learnt with the next token.
 */
import type { Rule } from '../config/config.ts'
import type { Identity } from '../words.ts'
import type { Policy } from './permit.ts'

/** Why not; nothing where it would. */
export function noLongerTrusted(
  identity: Identity,
  rule: Pick<Rule, 'group'>,
  { issuers }: Pick<Policy, 'issuers'>,
): string | undefined {
  const { client } = identity
  const issuer = issuers.get(identity.issuer)
  if (issuer === undefined) return `issuer ${identity.issuer} is no longer configured`
  if (issuer.clients !== undefined && !issuer.clients.includes(client))
    return `client ${client} is no longer among the clients of issuer ${issuer.name}`
  const mapped = issuer.clientGroups.get(client)
  if (mapped !== undefined && !mapped.includes(rule.group))
    return `client_groups no longer gives ${rule.group} to client ${client}`
  return undefined
}
