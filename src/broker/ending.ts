/** The sentences a client reads when its session is cut. One place, so that every protocol says the same. */
import { type Denial, sayOf } from '../denial.ts'
import type { Ending, Grant } from '../words.ts'

export const endings = {
  shuttingDown: {
    how: 'cut',
    why: 'shutting_down',
    text: 'the gateway is shutting down; ask again in a moment',
  },
  recordingLost: {
    how: 'cut',
    why: 'recording_unavailable',
    text: 'the recording cannot be written any more, so nothing is relayed; session ended',
  },
  operator: { how: 'cut', why: 'operator', text: 'an operator ended this session' },
  served: { how: 'close', why: 'client_closed', text: 'the client is gone' },
  failed: { how: 'cut', why: 'internal_error', text: 'the gateway failed; session ended' },
} as const satisfies Record<string, Ending>

/** What the sessions of a grant are told when it stops being usable. */
export function endingOf({ id, state, ending }: Pick<Grant, 'id' | 'state' | 'ending'>): Ending {
  const why = state === 'expired' ? 'grant_expired' : state === 'ended' ? 'grant_ended' : 'grant_revoked'
  return { how: 'cut', why, text: `grant ${id} is over: ${ending ?? state}; session ended` }
}

/** A session that was refused while it was being opened: nobody was connected yet, so it is closed, not cut. */
export function openingFailed(denial: Denial): Ending {
  const why =
    denial.code === 'recording_unavailable' || denial.code === 'internal_error'
      ? denial.code
      : 'upstream_unreachable'
  return { how: 'close', why, text: sayOf(denial) }
}
