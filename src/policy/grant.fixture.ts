/** For tests: the grant that a permit becomes, as it comes back from the store, through JSON. */
import type { Grant } from '../words.ts'
import type { Asking, Permit } from './permit.ts'

export function grantOf({ identity, request, now }: Asking, permit: Permit): Grant {
  const grant: Grant = {
    id: 'g_test',
    owner: { issuer: identity.issuer, id: identity.subject, client: identity.client },
    identity,
    request,
    connection: permit.connection.name,
    protocol: permit.protocol.name,
    rule: permit.rule.id,
    scope: permit.scope,
    narrowed: permit.narrowed,
    state: 'active',
    issuedAt: now,
    expiresAt: permit.expiresAt,
    endsBy: permit.endsBy,
    sessions: permit.rule.sessions,
    used: 0,
  }
  return JSON.parse(JSON.stringify(grant)) as Grant
}
