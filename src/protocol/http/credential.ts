/**
 * What a request shows of itself: Basic `<grant>:<password>`, Bearer `<password>` (it names its grant by itself), or, for
 * connections that take it, the token (DESIGN.md section 6). One credential, once; it decides nothing and goes no farther.
 */
import { type Refused, refuse } from '../../denial.ts'
import type { Shown } from '../protocol.ts'
import { type Lowered, valuesOf } from './headers.ts'

/** A token with many groups reaches 16 KiB. */
const longest = 24 * 1024

export function readCredential(headers: Lowered, connection: string): Shown | Refused {
  const [value, ...more] = valuesOf(headers, 'authorization')
  if (value === undefined)
    return refuse('token_missing', 'no Authorization header', {
      say: 'a credential is needed: Basic <grant>:<password> or Bearer <password>',
    })
  // Attack 35: a second one cannot hide behind the first.
  if (more.length > 0) return refuse('request_invalid', 'several Authorization headers')
  const read = /^(basic|bearer) +([\x21-\x7e]+) *$/i.exec(value)
  if (read === null || value.length > longest) return unreadable
  const [, scheme = '', shown = ''] = read
  if (scheme.toLowerCase() === 'basic') return readBasic(shown)
  if (shown.startsWith('pst_')) return { how: 'secret', user: '', secret: shown }
  return { how: 'secret', user: connection, secret: shown }
}

const unreadable = refuse('grant_unknown', 'an Authorization header that cannot be read')

function readBasic(encoded: string): Shown | Refused {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return unreadable
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon <= 0) return unreadable
  return { how: 'secret', user: text.slice(0, colon), secret: text.slice(colon + 1) }
}
