/** Owners as map keys: equal for equal owners, different for all others, whatever their parts contain. */
import type { Identity, Owner } from './words.ts'

export function ownerKey({ issuer, id, client, actor }: Owner): string {
  // JSON, not a separator: no subject can be chosen so that it runs into its neighbour.
  return JSON.stringify([issuer, id, client, actor ?? null])
}

/** Whose a grant is that this identity asks for (DESIGN.md section 1). */
export function ownerOf({ issuer, uid, subject, client, actor }: Identity): Owner {
  return { issuer, id: uid ?? subject, client, ...(actor === undefined ? {} : { actor }) }
}
