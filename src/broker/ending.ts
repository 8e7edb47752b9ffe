/** The sentences a client reads when its session is cut. One place, so that every protocol says the same. */
import type { Ending } from '../words.ts'

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
