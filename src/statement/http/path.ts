/**
 * The one form of a request's path (ATTACKS 132, 133). What is judged is the very text that is sent on, so no upstream
 * can read another path than the scope did; what has no single reading is refused. Pure, linear in its length.
 *
 * The form: segments percent-decoded and encoded anew, so that `%41`, `A` and `%61`, `a` are one; no empty segment, no
 * `.`, no `..`. Refused are encoded separators (`%2f`, `%5c`, `%3f`, `%23`), `;` and `\` in any spelling, encoded
 * percent signs that would decode once more, control characters, what is not UTF-8, look-alikes of separators, and `..`
 * that would climb out.
 */

export type Normal = { readonly path: string } | { readonly unreadable: string }

const longest = 8192

/** pchar of RFC 3986 section 3.3 without `;` and `%`: what stands in a segment as itself. */
const plain = /^[A-Za-z0-9\-._~!$&'()*+,=:@]*$/
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `raw` begins with `/` and ends before any `?`. */
export function normalPath(raw: string): Normal {
  if (raw.length > longest) return { unreadable: `a path of more than ${longest} characters` }
  if (!raw.startsWith('/')) return { unreadable: 'a path that does not begin with /' }
  const kept: string[] = []
  const segments = raw.slice(1).split('/')
  for (const [at, segment] of segments.entries()) {
    const normal = normalSegment(segment)
    if (typeof normal !== 'string') return normal
    const isLast = at === segments.length - 1
    if (normal === '..') {
      // Attack 132: above the root there is another connection, or the target's other paths.
      if (kept.pop() === undefined) return { unreadable: 'a path that climbs out with ..' }
    } else if (normal !== '.' && normal !== '') {
      kept.push(normal)
      continue
    }
    // What ends in `/`, `/.` or `/..` names a folder (RFC 3986 section 5.2.4).
    if (isLast) kept.push('')
  }
  return { path: `/${kept.join('/')}` }
}

function normalSegment(segment: string): string | { unreadable: string } {
  // Most are plain, and are what they seem.
  if (plain.test(segment)) return segment
  const decoded = decode(segment)
  if (typeof decoded !== 'string') return decoded
  const why = ambiguous(decoded)
  return why === undefined ? encode(decoded) : { unreadable: why }
}

function decode(segment: string): string | { unreadable: string } {
  const bytes: number[] = []
  for (let at = 0; at < segment.length; at++) {
    const code = segment.charCodeAt(at)
    // Raw bytes above ASCII have no agreed encoding on the wire.
    if (code > 0x7e || code < 0x21) return { unreadable: 'a raw character that must be percent-encoded' }
    if (code !== 0x25) {
      bytes.push(code)
      continue
    }
    const hex = segment.slice(at + 1, at + 3)
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return { unreadable: 'a % that encodes nothing' }
    bytes.push(Number.parseInt(hex, 16))
    at += 2
  }
  try {
    return decoder.decode(Uint8Array.from(bytes))
  } catch {
    // Overlong forms too: %c0%af is a slash to some.
    return { unreadable: 'bytes that are not UTF-8' }
  }
}

function ambiguous(text: string): string | undefined {
  if (/[\x00-\x1f\x7f-\x9f]/.test(text)) return 'a control character'
  if (text.includes('/')) return 'an encoded /'
  if (text.includes('\\')) return 'a backslash'
  // Some servers cut a segment at `;` before they resolve `..`: `..;/` (Tomcat).
  if (text.includes(';')) return 'a ; parameter'
  if (text.includes('?') || text.includes('#')) return 'an encoded ? or #'
  if (/%[0-9A-Fa-f]{2}/.test(text)) return 'a percent-encoding inside a percent-encoding'
  if (lookAlike(text)) return 'a character that some servers take for . or /'
  return undefined
}

/** Full-width and other forms that compatibility mappings turn into a separator: U+FF0F, U+2025, U+2024 ... */
function lookAlike(text: string): boolean {
  for (const character of text) {
    if (character <= '\x7e') continue
    if (/[./\\;%?#\u2044\u2215\u2216\u29f5\u29f8\u29f9]/.test(character.normalize('NFKC'))) return true
  }
  return false
}

function encode(text: string): string {
  let out = ''
  for (const character of text) {
    if (plain.test(character)) out += character
    else for (const byte of encoder.encode(character)) out += `%${hexOf(byte)}`
  }
  return out
}

const hexOf = (byte: number) => byte.toString(16).toUpperCase().padStart(2, '0')
