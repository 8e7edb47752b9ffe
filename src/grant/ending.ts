/** Why a grant stopped being usable, in one sentence that its holder may read. */
import type { Grant, GrantState, Millis } from '../words.ts'

/** `2026-03-01T12:00:05Z`: to the second, as people read it. */
export const at = (time: Millis): string => new Date(time).toISOString().replace(/\.\d+Z$/, 'Z')

/** "it expired at 2026-03-01T12:00:05Z (the rule's 10m)": when, and which of three clocks ended it. */
export function expiredText({ issuedAt, activatedAt, expiresAt, endsBy }: Grant): string {
  const lasted = span(expiresAt - (activatedAt ?? issuedAt))
  const clock = {
    token: 'the access token it was asked for with ended then',
    rule: `the rule's ${lasted}`,
    request: `the ${lasted} that were asked for`,
  }[endsBy]
  return `it expired at ${at(expiresAt)} (${clock})`
}

/** "grant g_7Kq2 cannot be used: it expired at ..." */
export function refusalText(grant: Grant): string {
  const why: Record<GrantState, string> = {
    active: 'it is active',
    pending: 'it waits for approval',
    denied: 'it was not approved',
    expired: 'it expired',
    revoked: 'it was revoked',
    ended: 'it was given back',
  }
  return `grant ${grant.id} cannot be used: ${grant.ending ?? why[grant.state]}`
}

/** 600000 -> "10m", 90000 -> "1m30s". */
export function span(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'm'],
    [seconds % 60, 's'],
  ]
  return parts.flatMap(([count, unit]) => (count === 0 ? [] : [`${count}${unit}`])).join('') || '0s'
}
