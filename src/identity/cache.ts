/**
 * Tokens that were verified a moment ago, by the SHA-256 of their whole text: never by a prefix, a kid or a claim, so no
 * two tokens can share an entry (attack 219; [J3]). What can change is asked again on every hit: expiry, and whether the
 * issuer still publishes the key. Bounded; the oldest goes first.
 */
import type { Algorithm } from '../config/config.ts'
import type { Identity } from '../words.ts'

export interface Remembered<Trust> {
  readonly identity: Identity
  readonly trust: Trust
  readonly kid: unknown
  readonly alg: Algorithm
  readonly thumbprint: string
}

export interface TokenCache<Entry> {
  get(digest: string): Entry | undefined
  set(digest: string, entry: Entry): void
  delete(digest: string): void
}

/** At most some 20 MB where every token has a hundred groups. */
const most = 4_096

export function createTokenCache<Entry>(capacity = most): TokenCache<Entry> {
  const entries = new Map<string, Entry>()
  return {
    get: digest => entries.get(digest),
    set(digest, entry) {
      if (entries.size >= capacity) {
        const oldest = entries.keys().next().value
        if (oldest !== undefined) entries.delete(oldest)
      }
      entries.set(digest, entry)
    },
    delete(digest) {
      entries.delete(digest)
    },
  }
}
