/**
 * Size, three parts, strict base64url, strict JSON, and a header that asks for nothing (attacks 4, 7, 8, 22-24).
 * Everything after this sees two plain objects and no more of the token's text.
 */
import { type Refused, refuse } from '../../denial.ts'
import { type JsonObject, member, parseObject } from '../json.ts'
import { shown } from '../shown.ts'

export interface Form {
  readonly header: JsonObject
  readonly claims: JsonObject
}

/** A token is at most this long: checked before anything is decoded or hashed (attack 24). */
export const maxToken = 16 * 1024

export function readForm(token: string): Form | Refused {
  if (token.length > maxToken) return malformed(`${token.length} characters, more than ${maxToken}`)
  const parts = token.split('.', 6)
  if (parts.length === 1) return malformed('not a JWT', opaque)
  if (parts.length === 5) return malformed('five parts: an encrypted JWT (JWE)')
  if (parts.length !== 3) return malformed(`${parts.length} parts instead of three`)
  const [first = '', second = '', third = ''] = parts
  const header = decode(first)
  const payload = decode(second)
  // An empty signature is for the algorithm check to name (attack 1); a badly encoded one ends here.
  if (header === undefined || payload === undefined || decode(third) === undefined)
    return malformed('not base64url')
  const head = parseObject(header)
  if (typeof head === 'string') return malformed(`header: ${head}`)
  const asks = ['crit', 'b64', 'zip'].find(name => Object.hasOwn(head, name))
  // RFC 7515 section 4.1.11: what must be understood and is not ends the matter. RFC 7797 and `zip` change what is signed.
  if (asks !== undefined) return malformed(`header has '${asks}'`)
  const type = member(head, 'cty')
  if (type !== undefined && typeof type !== 'string') return malformed(`cty is ${shown(type)}`)
  if (type?.toLowerCase() === 'jwt') return malformed('a JWT within a JWT')
  const claims = parseObject(payload)
  if (typeof claims === 'string') return malformed(`payload: ${claims}`)
  return { header: head, claims }
}

const opaque = {
  say: 'the access token is not a JWT: use an issuer that issues JWT access tokens for this gateway (Okta: a custom authorization server)',
}

const malformed = (detail: string, more = {}): Refused => refuse('token_malformed', detail, more)

/** Only the one spelling that encoding these bytes gives: no padding, whitespace, `+`, `/` or stray trailing bits. */
function decode(part: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(part)) return undefined
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : undefined
}
