/** Finds grant passwords and JWTs in text, and what may yet become one at its end. Linear, whatever the text (attack 200). */

export interface Span {
  readonly start: number
  readonly end: number
  /** Characters at the start that only say what follows, and stay. */
  readonly kept?: number
}

const passwordLength = 'pst_'.length + 43
/** The first segment of a JWT, its header, is short. A longer run that begins with `eyJ` is base64 of something else. */
const longestHeader = 2048

/** A-Z a-z 0-9 - _ */
function isBase64Url(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 45 ||
    code === 95
  )
}

function runEnd(text: string, from: number): number {
  let at = from
  while (at < text.length && isBase64Url(text.charCodeAt(at))) at++
  return at
}

function nextPassword(text: string, from: number): Span | undefined {
  for (let start = text.indexOf('pst_', from); start >= 0; start = text.indexOf('pst_', start + 1)) {
    let at = start + 4
    while (at < start + passwordLength && at < text.length && isBase64Url(text.charCodeAt(at))) at++
    if (at === start + passwordLength) return { start, end: at }
  }
  return undefined
}

/** A JWS or JWE in compact form: three to five segments. */
function nextJwt(text: string, from: number): Span | undefined {
  let start = text.indexOf('eyJ', from)
  while (start >= 0) {
    const headerEnd = runEnd(text, start)
    if (text.charCodeAt(headerEnd) !== dot || headerEnd - start < 8) {
      start = text.indexOf('eyJ', headerEnd)
      continue
    }
    if (headerEnd - start > longestHeader) {
      start = text.indexOf('eyJ', headerEnd - longestHeader)
      continue
    }
    let end = headerEnd
    let dots = 0
    while (dots < 4 && text.charCodeAt(end) === dot) {
      end = runEnd(text, end + 1)
      dots++
    }
    if (dots >= 2) return { start, end }
    start = text.indexOf('eyJ', headerEnd)
  }
  return undefined
}

const dot = 46

/** Two and not one: what one of them has not found in the rest of a text is not looked for again each time the other finds something. */
export const tokenFinders = [nextPassword, nextJwt] as const

/** Where what may become a token begins, if the text goes on; the text's length if nothing can. */
export function tokenAtEnd(text: string): number {
  let region = text.length
  let dots = 0
  while (region > 0) {
    const code = text.charCodeAt(region - 1)
    if (code === dot && dots < 4) dots++
    else if (!isBase64Url(code)) break
    region--
  }
  const password = text.indexOf('pst_', Math.max(region, text.length - passwordLength + 1))
  const held = [text.length, password < 0 ? text.length : password]
  let start = text.indexOf('eyJ', region)
  while (start >= 0) {
    const headerEnd = runEnd(text, start)
    const short = headerEnd < text.length && headerEnd - start < 8
    if (!short && headerEnd - start <= longestHeader) {
      held.push(start)
      break
    }
    start = text.indexOf('eyJ', short ? headerEnd : headerEnd - longestHeader)
  }
  for (const prefix of ['pst', 'ps', 'p', 'ey', 'e'])
    if (text.endsWith(prefix)) held.push(text.length - prefix.length)
  return Math.min(...held)
}
