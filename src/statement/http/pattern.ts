/**
 * Patterns for paths in their one form (DESIGN.md section 8). `*` matches within a segment, `**` across segments; a
 * segment that is `*` alone matches one that is there, so `/orders/*` is one order and never the list `/orders/`. Pure.
 *
 * Matched piece by piece over the whole path, each in one pass: pieces times length, whatever an enemy writes.
 */
import { normalPath } from './path.ts'

type Piece = { readonly text: string } | { readonly any: 'segment' | 'path'; readonly least: 0 | 1 }

const longest = 1024
const mostWildcards = 16

/** What is wrong with a pattern, for whoever writes the configuration. */
export function pathPatternProblem(pattern: string): string | undefined {
  if (pattern.length > longest) return `a path pattern has at most ${longest} characters`
  if (!pattern.startsWith('/') && pattern !== '**') return 'a path pattern begins with /'
  if (/%2a/i.test(pattern)) return 'a path pattern cannot spell an encoded *'
  if ((pattern.match(/\*+/g)?.length ?? 0) > mostWildcards)
    return `a path pattern has at most ${mostWildcards} wildcards`
  if (/\*{3,}/.test(pattern)) return 'a path pattern has * and **, no more'
  if (pattern === '**') return undefined
  const normal = normalPath(pattern)
  if ('unreadable' in normal) return `this path pattern matches nothing: it holds ${normal.unreadable}`
  if (normal.path !== pattern) return `a path pattern is written in its one form: ${normal.path}`
  return undefined
}

const compiled = new Map<string, readonly Piece[]>()
const mostCompiled = 4096

function piecesOf(pattern: string): readonly Piece[] {
  const known = compiled.get(pattern)
  if (known !== undefined) return known
  const pieces = pattern
    .split(/(\*+)/)
    .filter(part => part !== '')
    .map((part, at, parts): Piece => {
      if (part === '**') return { any: 'path', least: 0 }
      if (part !== '*') return { text: part }
      const before = parts[at - 1] ?? '/'
      const after = parts[at + 1] ?? '/'
      return { any: 'segment', least: before.endsWith('/') && after.startsWith('/') ? 1 : 0 }
    })
  if (compiled.size >= mostCompiled) compiled.clear()
  compiled.set(pattern, pieces)
  return pieces
}

/** `path` is in its one form. */
export function matchesPath(pattern: string, path: string): boolean {
  const pieces = piecesOf(pattern)
  const [first] = pieces
  if (first !== undefined && 'text' in first) {
    if (!path.startsWith(first.text)) return false
    if (pieces.length === 1) return path === first.text
  }
  let reached = new Uint8Array(path.length + 1)
  reached[0] = 1
  for (const piece of pieces) {
    reached = 'text' in piece ? past(piece.text, path, reached) : across(piece, path, reached)
  }
  return reached[path.length] === 1
}

function past(text: string, path: string, reached: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(path.length + 1)
  let at = path.indexOf(text)
  while (at >= 0) {
    if (reached[at] === 1) next[at + text.length] = 1
    at = path.indexOf(text, at + 1)
  }
  return next
}

function across(
  { any, least }: { any: 'segment' | 'path'; least: 0 | 1 },
  path: string,
  reached: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(path.length + 1)
  /** Characters since the nearest place from which the wildcard may have begun; none if negative. */
  let run = -1
  for (let at = 0; at <= path.length; at++) {
    // A place farther back has matched more: the farthest one within reach decides.
    if (run >= 0) run += 1
    if (run < 0 && reached[at] === 1) run = 0
    if (run >= least || (least === 0 && reached[at] === 1)) next[at] = 1
    if (any === 'segment' && path[at] === '/') run = -1
  }
  return next
}
