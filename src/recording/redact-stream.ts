/**
 * {@link file://./redact.ts} for bytes that come in pieces. It holds back what may be the beginning of a secret until the
 * next piece decides, so a secret split anywhere is found. Bytes travel as latin1 strings: one character each, nothing
 * lost, whatever their encoding.
 */
import type { Hidden } from './hidden.ts'
import { hide, mark, spans } from './redact.ts'
import { type Span, tokenAtEnd, tokenFinders } from './tokens.ts'

/** What is longer and still undecided is hidden: nothing but a token looks like one for so long. */
const longestHeld = 24 * 1024
/**
 * What is held beyond this is looked through again when a quarter has come on top, or something that ends a token: to go
 * over all of it for each byte that a terminal shows would cost the square of it (attack 200).
 */
const lookedOverAtOnce = 1024
const onlyOfTokens = /^[\w.-]*$/

/** On one line and short: `password '` printed by a program must not hide the rest of a terminal (attack 181). */
const quoted = /password[ =(]{1,8}e?'([^'\r\n\x1b]{1,256})'/gi
const quotedAtEnd =
  /(?:p|pa|pas|pass|passw|passwo|passwor|password[ =(]{0,8}(?:e?(?:'[^'\r\n\x1b]{0,256})?)?)$/i
const longestQuoted = 'password'.length + 8 + 2 + 256

export class StreamRedactor {
  readonly #hidden: Hidden
  #held = ''
  /** How long the held text was when it was looked through. */
  #seen = 0

  constructor(hidden: Hidden) {
    this.#hidden = hidden
  }

  /** What may be written now. */
  push(piece: string): string {
    const text = this.#held + piece
    const few = this.#seen > lookedOverAtOnce && text.length < this.#seen * 1.25
    if (few && onlyOfTokens.test(piece)) {
      this.#held = text
      return ''
    }
    const from = this.#undecidedFrom(text)
    if (text.length - from > longestHeld) {
      this.#hold('')
      return this.#redact(text.slice(0, from), from).out + mark(text.slice(from), 'latin1')
    }
    const { out, upTo } = this.#redact(text, from)
    this.#hold(text.slice(upTo))
    return out
  }

  #hold(text: string): void {
    this.#held = text
    this.#seen = text.length
  }

  /** The stream is over: what was held back cannot become a secret any more. */
  end(): string {
    const text = this.#held
    this.#hold('')
    return this.#redact(text, text.length).out
  }

  /** Hides what begins before `limit`, and says where the text it has dealt with ends. */
  #redact(text: string, limit: number): { out: string; upTo: number } {
    let out = ''
    let at = 0
    for (const span of spans(text, 0, [...this.#hidden.byteFinders, ...tokenFinders, nextQuoted])) {
      if (span.start >= limit) break
      out += text.slice(at, span.start) + hide(text, span, 'latin1')
      at = span.end
    }
    return at >= limit ? { out, upTo: at } : { out: out + text.slice(at, limit), upTo: limit }
  }

  /** Where the first thing begins that more bytes could turn into a secret. */
  #undecidedFrom(text: string): number {
    let from = tokenAtEnd(text)
    for (const form of this.#hidden.byteForms) from = Math.min(from, prefixAtEnd(text, form))
    const open = quotedAtEnd.exec(text.slice(-longestQuoted))
    return open === null ? from : Math.min(from, text.length - open[0].length)
  }
}

function nextQuoted(text: string, from: number): Span | undefined {
  quoted.lastIndex = from
  const found = quoted.exec(text)
  if (found === null) return undefined
  const end = found.index + found[0].length - 1
  return { start: found.index, end, kept: found[0].length - 1 - (found[1]?.length ?? 0) }
}

/** Where the longest proper prefix of `form` that ends `text` begins. */
function prefixAtEnd(text: string, form: string): number {
  const first = form.charAt(0)
  for (
    let at = text.indexOf(first, Math.max(0, text.length - form.length + 1));
    at >= 0;
    at = text.indexOf(first, at + 1)
  ) {
    if (form.startsWith(text.slice(at))) return at
  }
  return text.length
}
