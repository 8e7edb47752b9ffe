/** Grants and sessions as people see them in lists. */
import type { LiveSession } from '../broker/session.ts'
import type { Grant } from '../words.ts'

export function grantRow(grant: Grant) {
  const { id, connection, protocol, rule, state, used, request, ending, identity } = grant
  return {
    id,
    connection,
    protocol,
    rule,
    state,
    subject: identity.subject,
    client: identity.client,
    ...(request.reason === undefined ? {} : { reason: request.reason }),
    ...(request.task === undefined ? {} : { task: request.task }),
    issued_at: new Date(grant.issuedAt).toISOString(),
    expires_at: new Date(grant.expiresAt).toISOString(),
    used,
    ...(ending === undefined ? {} : { ending }),
  }
}

export function sessionRow(session: LiveSession) {
  const { id, grant, source, startedAt, signal } = session
  return {
    id,
    grant: grant.id,
    connection: grant.connection,
    protocol: grant.protocol,
    subject: grant.identity.subject,
    client: grant.identity.client,
    source,
    started_at: new Date(startedAt).toISOString(),
    open: !signal.aborted,
  }
}
