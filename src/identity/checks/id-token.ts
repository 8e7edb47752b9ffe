/** An ID token tells a client who logged in; it is no key to anything (attack 11). Runs after the audience check. */
import { type Refused, refuse } from '../../denial.ts'
import { type JsonObject, member } from '../json.ts'

/** OpenID Connect Core sections 2 and 3.3.2.11. No issuer writes these into an access token. */
const marks = ['nonce', 'at_hash', 'c_hash', 's_hash']

export function checkNotIdToken(claims: JsonObject): Refused | undefined {
  const mark = marks.find(name => Object.hasOwn(claims, name))
  if (mark !== undefined) return refuse('token_type', `an ID token: it has '${mark}'`, say)
  const aud = member(claims, 'aud')
  const only = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud
  const forItsClient = ['cid', 'client_id', 'azp'].some(name => member(claims, name) === only)
  return forItsClient ? refuse('token_type', 'an ID token: its audience is its client', say) : undefined
}

const say = { say: 'this is an ID token: send the access token' }
