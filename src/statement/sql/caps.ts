/**
 * One linear pass over a statement's text before the parser sees it: what would break the parser is refused here.
 *
 * libpg-query (WASM) leaks and then fails for good on deep trees: 9,000 chained operators (attack 103, [Q1]); it reads
 * C strings, so a NUL hides the rest of the text from it and from nobody else (attack 102, [Q2]). The pass knows
 * PostgreSQL's lexical rules well enough to count; it judges nothing. Where it is unsure it counts more.
 */

export const caps = {
  /** UTF-8 bytes of one string of statements. */
  bytes: 256 * 1024,
  tokens: 50_000,
  /** Open brackets. */
  nesting: 100,
  /**
   * Tokens on the way from the start to any place, commas starting anew: a bound on the tree's depth there. Half of
   * what the parser was measured to stand (2,000 nested calls); 500 OR-ed comparisons fit, 1,000 do not.
   */
  chain: 2_000,
  statements: 500,
} as const

export type Cap = { readonly code: 'limit_exceeded' | 'statement_unparsable'; readonly why: string }

/** Why the parser must not see this text, or nothing. */
export function checkCaps(sql: string): Cap | undefined {
  if (sql.length > caps.bytes || Buffer.byteLength(sql) > caps.bytes) {
    return limit(`a statement has at most ${caps.bytes} bytes`)
  }
  if (sql.includes('\0')) return unreadable('the statement holds a NUL')
  // A BOM, and U+FFFD, which stands where bytes were not UTF-8: the server would read something else (attack 102).
  if (!sql.isWellFormed() || /[\uFEFF\uFFFD]/.test(sql)) {
    return unreadable('the statement is not well-formed UTF-8')
  }
  return count(sql)
}

const limit = (why: string): Cap => ({ code: 'limit_exceeded', why })
const unreadable = (why: string): Cap => ({ code: 'statement_unparsable', why })

// These join what stands on both sides of a comma, so a comma does not start their chain anew.
const sticky = /^(union|intersect|except|join|case|select|not|explain|prepare)$/i

function count(sql: string): Cap | undefined {
  let tokens = 0
  let statements = 1
  // The open brackets' tokens so far, outermost first, and those since the last comma of the innermost.
  const held: number[] = []
  const lasting: number[] = []
  let before = 0
  let chain = 0
  let stuck = 0
  for (let at = 0; at < sql.length; ) {
    const end = skipBlank(sql, at)
    if (end !== at) {
      at = end
      continue
    }
    if (++tokens > caps.tokens) return limit(`a statement has at most ${caps.tokens} words and signs`)
    const c = sql.charCodeAt(at)
    if (c === OPEN || c === SQUARE) {
      held.push(chain)
      lasting.push(stuck)
      if (held.length > caps.nesting) return limit(`a statement nests at most ${caps.nesting} brackets`)
      before += chain + stuck + 1
      chain = 0
      stuck = 0
      at += 1
    } else if (c === CLOSE || c === UNSQUARE) {
      chain = (held.pop() ?? 0) + 1
      stuck = lasting.pop() ?? 0
      before = Math.max(0, before - chain - stuck)
      at += 1
    } else if (c === COMMA) {
      chain = 0
      at += 1
    } else if (c === SEMICOLON && held.length === 0) {
      if (++statements > caps.statements) return limit(`a string holds at most ${caps.statements} statements`)
      before = 0
      chain = 0
      stuck = 0
      at += 1
    } else {
      const to = token(sql, at, c)
      if (to - at <= 9 && sticky.test(sql.slice(at, to))) stuck += 1
      else chain += 1
      at = to
    }
    if (before + chain + stuck > caps.chain) {
      return limit(
        `a statement chains at most ${caps.chain} words and signs between two commas: use = any($1) or a list`,
      )
    }
  }
  return undefined
}

const OPEN = 40
const CLOSE = 41
const SQUARE = 91
const UNSQUARE = 93
const COMMA = 44
const SEMICOLON = 59
const QUOTE = 39
const DOUBLE = 34
const DOLLAR = 36
const BACKSLASH = 92

/** Where white space and comments that begin here end. Block comments nest; a lone `\r` ends a line comment too. */
function skipBlank(sql: string, at: number): number {
  const c = sql.charCodeAt(at)
  if (c === 32 || (c >= 9 && c <= 13)) return at + 1
  if (sql.startsWith('--', at)) {
    for (let i = at + 2; i < sql.length; i++) {
      const n = sql.charCodeAt(i)
      if (n === 10 || n === 13) return i
    }
    return sql.length
  }
  if (!sql.startsWith('/*', at)) return at
  let depth = 1
  let i = at + 2
  while (i < sql.length && depth > 0) {
    if (sql.startsWith('/*', i)) depth += 1
    else if (sql.startsWith('*/', i)) depth -= 1
    else {
      i += 1
      continue
    }
    i += 2
  }
  return i
}

const word = (c: number) =>
  (c >= 97 && c <= 122) ||
  (c >= 65 && c <= 90) ||
  (c >= 48 && c <= 57) ||
  c === 95 ||
  c === DOLLAR ||
  c >= 128

/** Where the token that begins here ends. One sign is one token: two-sign operators count twice, which errs safely. */
function token(sql: string, at: number, c: number): number {
  if (c === QUOTE) return quoted(sql, at, QUOTE, false)
  if (c === DOUBLE) return quoted(sql, at, DOUBLE, false)
  if (c === DOLLAR) {
    const tag = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y
    tag.lastIndex = at
    const open = tag.exec(sql)?.[0]
    if (open !== undefined) {
      const close = sql.indexOf(open, at + open.length)
      return close < 0 ? sql.length : close + open.length
    }
  }
  if (!word(c)) return at + 1
  const escapes = (c === 101 || c === 69) && sql.charCodeAt(at + 1) === QUOTE
  if (escapes) return quoted(sql, at + 1, QUOTE, true)
  let i = at + 1
  while (i < sql.length && word(sql.charCodeAt(i))) i += 1
  return i
}

function quoted(sql: string, at: number, mark: number, escapes: boolean): number {
  for (let i = at + 1; i < sql.length; i++) {
    const c = sql.charCodeAt(i)
    if (escapes && c === BACKSLASH) i += 1
    else if (c === mark) {
      if (sql.charCodeAt(i + 1) !== mark) return i + 1
      i += 1
    }
  }
  return sql.length
}
