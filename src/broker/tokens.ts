/**
 * A token shown at a request door makes one grant for its connection, not one a request (DESIGN.md section 6). Requests
 * that come while it is being made wait for that one. The token is judged each time; this only spares the issuing.
 */
import { Refused } from '../denial.ts'
import type { Grant } from '../words.ts'

type Made = { readonly grant: Grant } | Refused

export interface TokenGrants {
  /** `good` says whether a grant may still be used. A refusal is for those who waited for it, and not kept. */
  of(key: string, good: (grant: Grant) => boolean, issue: () => Promise<Made>): Promise<Made>
}

interface Entry {
  readonly making: Promise<Made>
  /** Once it is made. */
  grant?: Grant
}

/** Above this, those that are over are forgotten. */
const sweepAt = 4096

export function createTokenGrants(): TokenGrants {
  const made = new Map<string, Entry>()

  function sweep(good: (grant: Grant) => boolean): void {
    for (const [key, { grant }] of made) if (grant !== undefined && !good(grant)) made.delete(key)
  }

  return {
    async of(key, good, issue) {
      for (let known = made.get(key); known !== undefined; known = made.get(key)) {
        const one = await known.making
        if (one instanceof Refused || good(one.grant)) return one
        // Of those who find it over in one turn the first makes another; the rest find that one, and wait for it.
        if (made.get(key) === known) made.delete(key)
      }
      if (made.size >= sweepAt) sweep(good)
      const entry: Entry = { making: issue() }
      made.set(key, entry)
      const forget = () => {
        if (made.get(key) === entry) made.delete(key)
      }
      entry.making.then(one => {
        if (one instanceof Refused) forget()
        else entry.grant = one.grant
      }, forget)
      return entry.making
    },
  }
}
