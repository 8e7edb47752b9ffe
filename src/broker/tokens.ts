/**
 * A token shown at a request door makes one grant for its connection, not one a request (DESIGN.md section 6). Requests
 * that come while it is being made wait for that one. The token is judged each time; this only spares the issuing.
 */
import { Refused } from '../denial.ts'
import type { Grant } from '../words.ts'

type Made = { readonly grant: Grant } | Refused

export interface TokenGrants {
  /** `good` says whether a grant may still be used. A refusal is not kept. */
  of(key: string, good: (grant: Grant) => boolean, issue: () => Promise<Made>): Promise<Made>
}

/** Above this, those that are over are forgotten. */
const sweepAt = 4096

export function createTokenGrants(): TokenGrants {
  const made = new Map<string, Promise<Made>>()

  async function sweep(good: (grant: Grant) => boolean): Promise<void> {
    for (const [key, pending] of [...made]) {
      const one = await pending
      if (one instanceof Refused || !good(one.grant)) made.delete(key)
    }
  }

  return {
    async of(key, good, issue) {
      const known = await made.get(key)
      if (known !== undefined && !(known instanceof Refused) && good(known.grant)) return known
      // Another request may have begun to make one meanwhile.
      const other = made.get(key)
      if (other !== undefined && (await other) !== known) return other
      if (made.size >= sweepAt) await sweep(good)
      const issuing = issue()
      made.set(key, issuing)
      const forget = () => {
        if (made.get(key) === issuing) made.delete(key)
      }
      issuing.then(one => one instanceof Refused && forget(), forget)
      return issuing
    },
  }
}
