/**
 * A statement's text with its literals taken out, for a cache: statements that differ in nothing else get one verdict,
 * where the verdict does not depend on a literal (attack 104; {@link file://./analysis.ts} says where it does).
 *
 * Only text whose tokens are beyond doubt has such a form: ASCII, plain 'strings' without backslash, plain decimal
 * numbers, no comments, no quoted names, no $quotes$, no prefixed strings. Everything else, blanks too, stays as it is.
 * In pieces: text, literal (`0` or `''`), text, ... never fewer than three; joined they are the form.
 */
export function aroundLiterals(sql: string): readonly string[] | undefined {
  const pieces: string[] = []
  let kept = 0
  for (let at = 0; at < sql.length; ) {
    const c = sql.charCodeAt(at)
    if (isLetter(c)) {
      at = skip(sql, at, isWord)
      // E'...', B'...', X'...', N'...': not plain. U&'...' is caught at its &.
      if (sql.charCodeAt(at) === QUOTE || sql.charCodeAt(at) === DOLLAR) return undefined
    } else if (isDigit(c) || c === QUOTE) {
      const end = literal(sql, at, c)
      if (end === undefined) return undefined
      pieces.push(sql.slice(kept, at), c === QUOTE ? STRING : NUMBER)
      kept = end
      at = end
    } else if (c === DOLLAR) {
      const end = skip(sql, at + 1, isDigit)
      if (end === at + 1 || isWord(sql.charCodeAt(end)) || sql.charCodeAt(end) === DOLLAR) return undefined
      at = end
    } else if (!isSign(sql, at, c)) return undefined
    else at += 1
  }
  return pieces.length === 0 ? undefined : [...pieces, sql.slice(kept)]
}

/**
 * Whether `sql` cut in pieces gives these. Pieces are compared whole, so this costs less than cutting: at the start of each
 * literal the cutter would stand where it stood in the text that they were cut from.
 */
export function isAround(sql: string, pieces: readonly string[]): boolean {
  let at = 0
  for (let i = 0; i < pieces.length; i += 2) {
    const piece = pieces[i] as string
    if (!sql.startsWith(piece, at)) return false
    at += piece.length
    const kind = pieces[i + 1]
    if (kind === undefined) break
    const c = sql.charCodeAt(at)
    if (kind === STRING ? c !== QUOTE : !isDigit(c)) return false
    const end = literal(sql, at, c)
    if (end === undefined) return false
    at = end
  }
  return at === sql.length
}

const NUMBER = '0'
const STRING = "''"
const QUOTE = 39
const DOLLAR = 36
const BACKSLASH = 92
const DOT = 46

const isDigit = (c: number) => c >= 48 && c <= 57
const isLetter = (c: number) => (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95
const isWord = (c: number) => isLetter(c) || isDigit(c)

function skip(sql: string, from: number, while_: (c: number) => boolean): number {
  let at = from
  while (at < sql.length && while_(sql.charCodeAt(at))) at += 1
  return at
}

const literal = (sql: string, at: number, c: number) => (c === QUOTE ? string(sql, at) : number(sql, at))

/** A number like 12 or 1.5, standing free: not `1e5`, `0x1f`, `1_000`, `1..2`, `.5` or `1abc`. */
function number(sql: string, from: number): number | undefined {
  if (sql.charCodeAt(from - 1) === DOT) return undefined
  let end = skip(sql, from, isDigit)
  if (sql.charCodeAt(end) === DOT) {
    const fraction = skip(sql, end + 1, isDigit)
    if (fraction === end + 1) return undefined
    end = fraction
  }
  const next = sql.charCodeAt(end)
  return isWord(next) || next === DOT || next === DOLLAR || next === QUOTE ? undefined : end
}

/** A plain string's end. Two quotes in it are one; any other form of escape is not plain. */
function string(sql: string, from: number): number | undefined {
  for (let at = from + 1; at < sql.length; at++) {
    const c = sql.charCodeAt(at)
    if (c === BACKSLASH || c === 0 || c > 126) return undefined
    if (c !== QUOTE) continue
    if (sql.charCodeAt(at + 1) !== QUOTE) {
      const next = sql.charCodeAt(at + 1)
      return isWord(next) || next === DOLLAR ? undefined : at + 1
    }
    at += 1
  }
  return undefined
}

const signs = new Set([...' \t\r\n()*,;.=<>+-/%[]:|!^'].map(sign => sign.charCodeAt(0)))

function isSign(sql: string, at: number, c: number): boolean {
  return signs.has(c) && !sql.startsWith('--', at) && !sql.startsWith('/*', at)
}
