/**
 * `aud` names us exactly (RFC 9068 section 4; attack 10). A list passes if one entry is ours: Okta gives a string, but RFC
 * 9068 allows several resources in one token.
 */
import { type Refused, refuse } from '../../denial.ts'
import { type JsonObject, member } from '../json.ts'
import { shown } from '../shown.ts'

export function checkAudience(claims: JsonObject, wanted: readonly string[]): Refused | undefined {
  const aud = member(claims, 'aud')
  const seen: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (seen.every(one => typeof one === 'string') && seen.some(one => wanted.includes(one))) return undefined
  return refuse('token_audience', `aud is ${shown(aud)}, wanted ${shown(wanted)}`, {
    say: `the access token is meant for another audience: ask the issuer for one with audience ${wanted.join(' or ')}`,
  })
}
