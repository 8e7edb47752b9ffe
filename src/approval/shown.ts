/**
 * What an approver was shown, as a hash. A vote names it and counts for nothing else: not for a changed request, not for
 * another grant of the same owner (attacks 59, 215), nor for another group that a reload has made the judge.
 */
import { createHash } from 'node:crypto'
import type { Grant } from '../words.ts'

export function shownDigest(grant: Grant, group: string | undefined): string {
  const { id, owner, identity, request, connection, protocol, rule, scope, narrowed, expiresAt, endsBy } =
    grant
  const shown = {
    id,
    owner,
    identity,
    request,
    connection,
    protocol,
    rule,
    scope,
    narrowed,
    expiresAt,
    endsBy,
    group,
  }
  return createHash('sha256')
    .update(JSON.stringify(inOrder(shown)))
    .digest('hex')
}

/** Keys sorted at every depth: a grant read back from the store hashes as the one that was shown. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (typeof value !== 'object' || value === null) return value
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(sorted.map(([key, inner]) => [key, inOrder(inner)]))
}
