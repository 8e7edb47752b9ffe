/**
 * Whose token it says it is: `iss` equals a configured issuer, byte for byte (attack 9; [J2]: never an array).
 *
 * This runs before the signature, because it chooses whose keys and algorithms hold. That is safe: the choice only ever
 * falls on an issuer of ours, whose signature must then verify over these same bytes; and a stranger's token ends here,
 * before it can make us fetch anything (attack 29).
 */
import type { IssuerConfig } from '../../config/config.ts'
import { type Refused, refuse } from '../../denial.ts'
import { type JsonObject, member } from '../json.ts'
import { shown } from '../shown.ts'

export function chooseIssuer<I extends { readonly config: IssuerConfig }>(
  claims: JsonObject,
  issuers: Iterable<I>,
): I | Refused {
  const iss = member(claims, 'iss')
  const configured: string[] = []
  for (const issuer of issuers) {
    if (iss === issuer.config.issuer) return issuer
    configured.push(issuer.config.issuer)
  }
  return refuse('token_issuer', `iss ${shown(iss)} is none of ${shown(configured)}${hint(iss, configured)}`)
}

function hint(iss: unknown, configured: readonly string[]): string {
  if (typeof iss !== 'string') return ''
  const bare = iss.replace(/\/+$/, '').toLowerCase()
  if (configured.some(one => one.replace(/\/+$/, '').toLowerCase() === bare)) {
    return ': it differs only in its case or a trailing slash; write the issuer exactly as its tokens do'
  }
  if (configured.some(one => one.toLowerCase().startsWith(`${bare}/oauth2/`))) {
    return ': this is the org authorization server; tokens must come from the custom one'
  }
  return ''
}
