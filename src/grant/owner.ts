/** Owners as map keys: equal for equal owners, different for all others, whatever their parts contain. */
import type { Owner } from '../words.ts'

export function ownerKey({ issuer, id, client, actor }: Owner): string {
  // JSON, not a separator: no subject can be chosen so that it runs into its neighbour.
  return JSON.stringify([issuer, id, client, actor ?? null])
}
