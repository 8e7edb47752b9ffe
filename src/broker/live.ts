/**
 * The sessions that are open on this node, found by their id, by their grant and by their cancel key.
 *
 * A session is entered here before anything is recorded or dialled, so that whatever ends its grant from then on finds
 * it (attack 47, 63: a session that opens while its grant is being revoked).
 */
import type { Ending } from '../words.ts'
import type { LiveSession } from './session.ts'

export interface LiveSessions {
  add(session: LiveSession): void
  remove(session: LiveSession): void
  get(id: string): LiveSession | undefined
  all(): readonly LiveSession[]
  ofGrant(grant: string): readonly LiveSession[]
  /** By a key that we issued; anything else finds nothing. */
  byCancelKey(key: Uint8Array): LiveSession | undefined
  /** Cuts every session of a grant. Resolves when they are gone. */
  cutGrant(grant: string, ending: Ending): Promise<void>
  cutAll(ending: Ending): Promise<void>
}

export function createLiveSessions(): LiveSessions {
  const byId = new Map<string, LiveSession>()
  const byGrant = new Map<string, Set<LiveSession>>()
  const byKey = new Map<string, LiveSession>()
  const name = (key: Uint8Array) => Buffer.from(key).toString('hex')
  const cut = async (sessions: Iterable<LiveSession>, ending: Ending) => {
    await Promise.all([...sessions].map(session => session.end(ending)))
  }
  return {
    add(session) {
      byId.set(session.id, session)
      byKey.set(name(session.cancelKey), session)
      const siblings = byGrant.get(session.grant.id) ?? new Set()
      byGrant.set(session.grant.id, siblings.add(session))
    },
    remove(session) {
      byId.delete(session.id)
      byKey.delete(name(session.cancelKey))
      const siblings = byGrant.get(session.grant.id)
      siblings?.delete(session)
      if (siblings?.size === 0) byGrant.delete(session.grant.id)
    },
    get: id => byId.get(id),
    all: () => [...byId.values()],
    ofGrant: grant => [...(byGrant.get(grant) ?? [])],
    byCancelKey: key => byKey.get(name(key)),
    cutGrant: (grant, ending) => cut(byGrant.get(grant) ?? [], ending),
    cutAll: ending => cut(byId.values(), ending),
  }
}
