/** Finds grant passwords and JWTs in text, and what may yet become one at its end. Linear, whatever the text (attack 200). */

import { isHeader } from './token-header.ts'

export interface Span {
  readonly start: number
  readonly end: number
  /** Characters at the start that only say what follows, and stay. */
  readonly kept?: number
}

const passwordLength = 'pst_'.length + 43
/** The first segment of a JWT, its header, is short. A longer run that begins with `eyJ` is base64 of something else. */
const longestHeader = 2048
const shortestHeader = 8
/** Of so many `eyJ` in one run it is seen whether a header begins there: each costs as much as the run is long. */
const mostStarts = 8

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

/** Where in a run of base64url a header begins that ends with it. What has no header is a name, and stays on record. */
function headerIn(text: string, from: number, end: number): number | undefined {
  let start = text.indexOf('eyJ', Math.max(from, end - longestHeader))
  for (let n = 0; n < mostStarts && start >= 0 && end - start >= shortestHeader; n++) {
    if (isHeader(text, start, end)) return start
    start = text.indexOf('eyJ', start + 1)
  }
  return undefined
}

/** A JWS or JWE in compact form: three to five segments, the first of them a JSON object. */
function nextJwt(text: string, from: number): Span | undefined {
  for (let run = text.indexOf('eyJ', from); run >= 0; ) {
    const headerEnd = runEnd(text, run)
    let end = headerEnd
    let dots = 0
    while (dots < 4 && text.charCodeAt(end) === dot) {
      end = runEnd(text, end + 1)
      dots++
    }
    const start = dots >= 2 ? headerIn(text, run, headerEnd) : undefined
    if (start !== undefined) return { start, end }
    run = text.indexOf('eyJ', headerEnd)
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
  for (let run = text.indexOf('eyJ', region); run >= 0; ) {
    const end = runEnd(text, run)
    // A run that has come to its end has a header or has none.
    const open = text.indexOf('eyJ', Math.max(run, end - longestHeader))
    const start = end < text.length ? headerIn(text, run, end) : open
    if (start !== undefined && start >= 0) {
      held.push(start)
      break
    }
    run = text.indexOf('eyJ', end)
  }
  for (const prefix of ['pst', 'ps', 'p', 'ey', 'e'])
    if (text.endsWith(prefix)) held.push(text.length - prefix.length)
  return Math.min(...held)
}
