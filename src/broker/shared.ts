/**
 * Request doors and one-shots: all requests of one grant share one session, from the first until it has been idle for a
 * minute. Those that come while it is being opened wait for that one; two grants never share anything.
 */
import type { Refused } from '../denial.ts'
import type { LiveSession } from './session.ts'

export interface SharedSessions {
  /** The grant's session, or the one that `open` makes. A refusal is not kept: the next request tries again. */
  of(grant: string, open: () => Promise<LiveSession | Refused>): LiveSession | Promise<LiveSession | Refused>
}

export function createSharedSessions(): SharedSessions {
  /** While it is being opened the promise of it, for all who wait; then the session itself. */
  const sessions = new Map<string, LiveSession | Promise<LiveSession | Refused>>()

  async function openOne(grant: string, open: () => Promise<LiveSession | Refused>) {
    const session = await open()
    const forget = () => sessions.delete(grant)
    if (!('signal' in session) || session.signal.aborted) forget()
    else {
      sessions.set(grant, session)
      session.signal.addEventListener('abort', forget, { once: true })
    }
    return session
  }

  return {
    of(grant, open) {
      const known = sessions.get(grant)
      if (known !== undefined) return known
      const opening = openOne(grant, open)
      sessions.set(grant, opening)
      // An error of ours must not be what every later request is answered with.
      opening.catch(() => sessions.delete(grant))
      return opening
    },
  }
}
