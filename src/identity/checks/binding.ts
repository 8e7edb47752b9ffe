/**
 * A token bound to a key (`cnf`, RFC 7800) is worth nothing without a proof of that key. Shown as a plain bearer token it
 * is refused whatever `dpop` says: taking it would let a thief drop the binding (RFC 9449 section 7.2; attack 39).
 *
 * Proofs of the DPoP scheme are not verified here yet, so the scheme itself is refused rather than half believed.
 */
import type { IssuerConfig } from '../../config/config.ts'
import { type Refused, refuse } from '../../denial.ts'
import { type JsonObject, member } from '../json.ts'

export function checkBinding(
  claims: JsonObject,
  scheme: 'bearer' | 'dpop',
  dpop: IssuerConfig['dpop'],
): Refused | undefined {
  if (scheme === 'dpop') {
    return refuse('dpop_invalid', 'the DPoP scheme is not verified by this gateway', {
      say: 'this gateway does not verify DPoP proofs yet: use an access token that is not bound to a key, as a Bearer token',
    })
  }
  if (member(claims, 'cnf') !== undefined)
    return refuse('dpop_required', 'a token with cnf was shown as a bearer token')
  if (dpop === 'required') {
    return refuse('dpop_required', 'the issuer is configured with dpop: required and the token has no cnf', {
      say: 'this gateway takes only access tokens that are bound to a key (DPoP)',
    })
  }
  return undefined
}
