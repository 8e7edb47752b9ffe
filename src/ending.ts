/** The sentences a client reads when its session is cut, and their codes. One place, so that every protocol says the same. */
import { type Code, type Denial, type Refused, refuse, sayOf } from './denial.ts'
import type { Ending, Grant } from './words.ts'

export const endings = {
  shuttingDown: {
    how: 'cut',
    why: 'shutting_down',
    text: 'the gateway is shutting down; ask again in a moment',
  },
  operator: { how: 'cut', why: 'operator', text: 'an operator ended this session' },
  served: { how: 'close', why: 'client_closed', text: 'the client is gone' },
  failed: { how: 'cut', why: 'internal_error', text: 'the gateway failed; session ended' },
} as const satisfies Record<string, Ending>

/** What the sessions of a grant are told when it stops being usable. */
export function endingOf({ id, state, ending }: Pick<Grant, 'id' | 'state' | 'ending'>): Ending {
  const why = state === 'expired' ? 'grant_expired' : state === 'ended' ? 'grant_ended' : 'grant_revoked'
  // The promised words first and whole, for whoever looks for them; when it was, and by which limit, behind.
  const text =
    state === 'expired'
      ? `grant ${id} expired; session ended${ending === undefined ? '' : `: ${ending}`}`
      : `grant ${id} is over: ${ending ?? state}; session ended`
  return { how: 'cut', why, text }
}

/** Nobody did anything in the session for as long as its scope's `idle_timeout` says. */
export function endedIdle(millis: number): Ending {
  const text = `the session was idle for ${millis} ms (idle_timeout); session ended`
  return { how: 'cut', why: 'idle', text }
}

/** A session that was refused while it was being opened: nobody was connected yet, so it is closed, not cut. */
export function openingFailed(denial: Denial): Ending {
  const why =
    denial.code === 'recording_unavailable' || denial.code === 'internal_error'
      ? denial.code
      : 'upstream_unreachable'
  return { how: 'close', why, text: sayOf(denial) }
}

/** Why a recording takes no more. */
export function recordingLost({ why }: { readonly why: 'recording_unavailable' | 'limit_exceeded' }): Ending {
  const text =
    why === 'limit_exceeded'
      ? 'the recording is as long as it may be, so nothing more is relayed; session ended'
      : 'the recording cannot be written any more, so nothing is relayed; session ended'
  return { how: 'cut', why, text }
}

const codes: Readonly<Record<Ending['why'], Code>> = {
  client_closed: 'grant_revoked',
  idle: 'limit_exceeded',
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

/** A session's end as the refusal that whoever asked something of it is told. */
export function refusedBy({ why, text }: Ending): Refused {
  return refuse(codes[why], `the session ended: ${text}`, { say: text })
}
