/**
 * The header's `typ` is not that of another kind of JWT (RFC 8725 section 3.11; attack 12). Okta's custom authorization
 * servers write none, so its absence passes; what tells ID tokens apart is `id-token.ts`.
 */
import { type Refused, refuse } from '../../denial.ts'
import { type JsonObject, member } from '../json.ts'
import { shown } from '../shown.ts'

const accepted = new Set(['jwt', 'at+jwt', 'application/at+jwt'])

export function checkType(header: JsonObject): Refused | undefined {
  const typ = member(header, 'typ')
  if (typ === undefined) return undefined
  const kind = typeof typ === 'string' ? typ.toLowerCase() : ''
  if (accepted.has(kind)) return undefined
  if (kind === 'application/okta-internal-at+jwt') {
    return refuse(
      'token_type',
      'an access token of the Okta org authorization server, which only Okta may validate',
      {
        say: 'this access token is for Okta itself: get one from a custom authorization server (…/oauth2/default), not from the org',
      },
    )
  }
  return refuse('token_type', `typ ${shown(typ)} is not an access token's`)
}
