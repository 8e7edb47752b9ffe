/** An event as the members of its line. Named one by one: what an identity holds beside these never reaches the file. */
import { members } from '../ledger/text.ts'
import { redactTokens } from '../recording/redact.ts'
import type { AuditEvent, AuditedIdentity } from './event.ts'

export function eventMembers(event: AuditEvent, policy: string): string {
  const text = members({
    reason: event.reason,
    detail: event.detail,
    identity: event.identity === undefined ? undefined : audited(event.identity),
    source: event.source,
    connection: event.connection,
    rule: event.rule,
    grant: event.grant,
    session: event.session,
    facts: event.facts,
    policy,
  })
  // The last net under invariant 5: a token that came in as a reason, a user name or a path stays out of the file.
  return redactTokens(text)
}

function audited(identity: AuditedIdentity) {
  return {
    issuer: identity.issuer,
    subject: identity.subject,
    uid: identity.uid,
    client: identity.client,
    kind: identity.kind,
    groups: identity.groups,
    actor: identity.actor,
    actors: identity.actors,
    binding: identity.binding === undefined ? undefined : { jkt: identity.binding.jkt },
    token_id: identity.tokenId,
    token_digest: identity.tokenDigest,
    expires_at: Number.isFinite(identity.expiresAt) ? new Date(identity.expiresAt).toISOString() : undefined,
  }
}
