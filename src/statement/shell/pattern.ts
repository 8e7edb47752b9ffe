/**
 * Patterns for command lines (DESIGN.md section 8). Pure.
 *
 * A pattern matches ONE simple command, word by word, as the shell would read both: `*` inside a word matches anything
 * but `/`, `**` also `/`; a last word `*` matches any words that remain. Neither matches a word that begins with `-`
 * unless the pattern spells it, nor anything the shell would expand. The lone pattern `*` is any command line at all.
 * A pattern with shell operators is that very text, letter by letter, and nothing else.
 *
 * A list of words is a pattern too: its words as they reach the command, with nothing to quote. In it only `*` and `**`
 * mean anything.
 */
import { isMark, mark, readLine, type Symbols, type Unreadable, wordText } from './line.ts'

export type Matched =
  | { readonly match: true; readonly words: readonly string[] }
  | { readonly match: false; readonly unreadable?: Unreadable }

const star = mark('*')

/** Steps that matching one line may take, some tens of milliseconds: what would take more matches nothing (attack 191). */
const mostSteps = 4_000_000

export type Pattern = string | readonly string[]

/** What is wrong with a pattern, for whoever writes the configuration. */
export function patternProblem(text: Pattern): string | undefined {
  if (text === '*') return undefined
  if (typeof text !== 'string') return wordsProblem(text)
  const read = readLine(text)
  if ('words' in read) return undefined
  if (read.kind === 'unparsable') return `this pattern cannot be read: ${read.why}`
  if (text.includes('*'))
    return `a pattern matches one simple command, and this holds ${read.why}; without any * it would be taken to the letter`
  return /[\n\0]/.test(text) ? 'a pattern is one line' : undefined
}

function wordsProblem([command, ...words]: readonly string[]): string | undefined {
  if (command === undefined || command === '') return 'a list of words begins with a command'
  if (command.startsWith('-') || command.includes('*')) return 'the command of a list of words is spelled out'
  if ([command, ...words].some(word => /[\p{Cc}\p{Zl}\p{Zp}]/u.test(word)))
    return 'a word holds no control characters'
  return undefined
}

/** For people: a list of words as it would be typed, its wildcards bare. */
export function patternText(pattern: Pattern): string {
  if (typeof pattern === 'string') return pattern
  return pattern.map(word => (/^[\w@%+=:,./*-]+$/.test(word) ? word : JSON.stringify(word))).join(' ')
}

/** Whether one list of patterns allows a line. `*` alone reads nothing: it is any command line. */
export function matchLine(patterns: readonly Pattern[], line: string): Matched {
  const read = readLine(line)
  const command = 'words' in read ? read.words : undefined
  const words = command?.map(wordText) ?? [line]
  if (patterns.includes('*')) return { match: true, words }
  if (command === undefined && patterns.includes(line)) return { match: true, words }
  if (command === undefined) return { match: false, unreadable: read as Unreadable }
  if (command.some(climbs)) return { match: false, unreadable: { kind: 'not_simple', why: 'a path with ..' } }
  return matchSymbols(patterns, command) ? { match: true, words } : { match: false }
}

/** Whether one list of patterns allows a command that is a list of words already, which no shell will read. */
export function matchArgv(patterns: readonly Pattern[], argv: readonly string[]): boolean {
  if (patterns.includes('*')) return true
  const command = argv.map(word => [...word])
  return !command.some(climbs) && matchSymbols(patterns, command)
}

function matchSymbols(patterns: readonly Pattern[], command: readonly Symbols[]): boolean {
  const budget = { steps: mostSteps }
  return readPatterns(patterns).some(pattern => matchWords(pattern, command, budget))
}

/** Lists never change, and each serves many lines. */
const read = new WeakMap<readonly Pattern[], readonly (readonly Symbols[])[]>()

function readPatterns(patterns: readonly Pattern[]): readonly (readonly Symbols[])[] {
  const known = read.get(patterns)
  if (known !== undefined) return known
  const all = patterns.map(symbolsOf).filter(one => one !== undefined)
  read.set(patterns, all)
  return all
}

interface Budget {
  steps: number
}

/** The words of a pattern, its wildcards as marks; nothing where it is text to the letter. */
export function symbolsOf(pattern: Pattern): readonly Symbols[] | undefined {
  if (typeof pattern !== 'string')
    return pattern.map(word => [...word].map(char => (char === '*' ? star : char)))
  const read = readLine(pattern)
  return 'words' in read ? read.words : undefined
}

/** `..` as a component of a path, also behind an option or a host: `--file=../x`, `-C..`, `host:..` (attack 117's kin). */
function climbs(word: Symbols): boolean {
  return /\.\.(\/|$)/.test(wordText(word))
}

function matchWords(pattern: readonly Symbols[], command: readonly Symbols[], budget: Budget): boolean {
  const last = pattern.at(-1)
  const open = pattern.length > 1 && last?.length === 1 && last[0] === star
  const fixed = open ? pattern.slice(0, -1) : pattern
  if (open ? command.length < fixed.length : command.length !== fixed.length) return false
  if (!fixed.every((word, i) => matchWord(word, command[i] ?? [], budget))) return false
  return command.slice(fixed.length).every(word => word[0] !== '-' && !word.some(isMark))
}

/** A word that begins with `-` is an option: only a pattern that spells the `-` may match it. */
function matchWord(pattern: Symbols, word: Symbols, budget: Budget): boolean {
  if (word[0] === '-' && pattern[0] !== '-') return false
  if (!pattern.includes(star))
    return pattern.length === word.length && pattern.every((symbol, i) => symbol === word[i])
  const pieces = compile(pattern)
  budget.steps -= pieces.length * word.length
  return budget.steps >= 0 && glob(pieces, word)
}

type Piece = { readonly one: string } | { readonly any: 'segment' | 'path' }

function compile(pattern: Symbols): readonly Piece[] {
  const pieces: Piece[] = []
  for (let i = 0; i < pattern.length; i++) {
    const symbol = pattern[i] ?? ''
    if (symbol !== star) {
      pieces.push({ one: symbol })
      continue
    }
    let stars = 1
    while (pattern[i + 1] === star) {
      stars++
      i++
    }
    pieces.push({ any: stars > 1 ? 'path' : 'segment' })
  }
  return pieces
}

/** By the set of places that are reached: at most pattern times word steps, whatever an enemy writes, and those are counted. */
function glob(pieces: readonly Piece[], word: Symbols): boolean {
  let reached = new Uint8Array(pieces.length + 1)
  reached[0] = 1
  spread(pieces, reached)
  for (const symbol of word) {
    const next = new Uint8Array(pieces.length + 1)
    pieces.forEach((piece, at) => {
      if (reached[at] === 0) return
      if ('one' in piece) {
        if (piece.one === symbol) next[at + 1] = 1
      } else if (!isMark(symbol) && (piece.any === 'path' || symbol !== '/')) {
        next[at] = 1
      }
    })
    spread(pieces, next)
    reached = next
  }
  return reached[pieces.length] === 1
}

/** A wildcard may also match nothing. */
function spread(pieces: readonly Piece[], reached: Uint8Array): void {
  pieces.forEach((piece, at) => {
    if ('any' in piece && reached[at] === 1) reached[at + 1] = 1
  })
}
