/** Grants and sessions as people see them in lists. */
import type { LiveSession } from '../broker/session.ts'
import type { Grant, Millis } from '../words.ts'

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

/** What an approver has to see: also what exactly would be given, and until when it waits. */
export function pendingRow(grant: Grant, decideBy: Millis) {
  return {
    ...grantRow(grant),
    scope: grant.scope as unknown as Record<string, unknown>,
    narrowed: [...grant.narrowed],
    decide_by: new Date(decideBy).toISOString(),
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
