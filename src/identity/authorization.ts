/**
 * The Authorization header of a request -> the token it shows. Pure; looks at the header alone: a token in a query string
 * or a body is never read (RFC 6750 section 2.3 and 5.3 say why; attack 35).
 *
 * Takes every Authorization header as it came, so that the second of two cannot hide behind the first.
 */
import { type Refused, refuse } from '../denial.ts'

export interface ShownToken {
  readonly token: string
  readonly scheme: 'bearer' | 'dpop'
}

/** One scheme, one space or more, one token68 (RFC 9110 section 11.4): no comma, no tab, no second word. */
const credentials = /^(bearer|dpop) +([^\s,]+)$/i

export function readAuthorization(headers: readonly string[]): ShownToken | Refused {
  if (headers.length === 0) return refuse('token_missing', 'no Authorization header')
  if (headers.length > 1) return refuse('request_invalid', `${headers.length} Authorization headers`, once)
  const header = headers[0] ?? ''
  const found = credentials.exec(header)
  if (found?.[1] !== undefined && found[2] !== undefined) {
    return { token: found[2], scheme: found[1].toLowerCase() === 'dpop' ? 'dpop' : 'bearer' }
  }
  const scheme = /^[A-Za-z]*/.exec(header)?.[0].toLowerCase()
  const rest = header.slice(scheme?.length ?? 0)
  if ((scheme === 'bearer' || scheme === 'dpop') && rest.trim() !== '') {
    return refuse(
      'request_invalid',
      'the Authorization header holds more than one scheme and one token',
      once,
    )
  }
  return refuse(
    'token_missing',
    `no token in the Authorization header (scheme ${scheme ? `'${scheme.slice(0, 20)}'` : 'absent'})`,
  )
}

const once = { say: 'send one Authorization header with one token: Authorization: Bearer <token>' }
