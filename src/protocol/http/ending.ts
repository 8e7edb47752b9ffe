/** A session's end as the refusal that its requests are told. Pure. */
import { type Code, type Denial, refuse } from '../../denial.ts'
import type { Ending } from '../../words.ts'

const codes: Readonly<Record<Ending['why'], Code>> = {
  client_closed: 'grant_revoked',
  idle: 'grant_revoked',
  upstream_closed: 'upstream_unreachable',
  grant_expired: 'grant_expired',
  grant_revoked: 'grant_revoked',
  grant_ended: 'grant_revoked',
  locked: 'locked',
  operator: 'grant_revoked',
  policy_changed: 'grant_revoked',
  recording_unavailable: 'recording_unavailable',
  shutting_down: 'shutting_down',
  protocol_violation: 'protocol_violation',
  limit_exceeded: 'limit_exceeded',
  upstream_unreachable: 'upstream_unreachable',
  internal_error: 'internal_error',
}

export function denialOf({ why, text }: Ending): Denial {
  return refuse(codes[why], `the session ended: ${text}`, { say: text }).denial
}

export function lostRecording(why: 'recording_unavailable' | 'limit_exceeded'): Ending {
  const text =
    why === 'limit_exceeded'
      ? 'the recording is as long as it may be, so nothing more is relayed; session ended'
      : 'the recording cannot be written any more, so nothing is relayed; session ended'
  return { how: 'cut', why, text }
}
