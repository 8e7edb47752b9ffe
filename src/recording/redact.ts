/**
 * Keeps secrets out of what is written down (invariant 5): lease values, grant passwords, JWTs and SQL PASSWORD literals
 * become `[redacted N]`, N being their length in bytes. {@link file://./redact-stream.ts} does the same for streams.
 *
 * Only what is inert may be hidden: a literal's inside, a token's own characters. A mark that swallowed statements or
 * terminal lines would be a way to hide from the recording. Everything here is linear in the text (attack 200).
 */
import { type Span, tokenFinders } from './tokens.ts'

export const mark = (secret: string, encoding: 'utf8' | 'latin1' = 'utf8') =>
  `[redacted ${Buffer.byteLength(secret, encoding)}]`

/** Grant passwords and JWTs, in plain text or in JSON alike: their characters are never escaped. */
export function redactTokens(text: string): string {
  return text.includes('pst_') || text.includes('eyJ') ? redactSpans(text, tokenFinders) : text
}

/** Finds the first thing to hide at or after `from`. */
export type Finder = (text: string, from: number) => Span | undefined

/** Replaces what the finders find, leftmost first, the earlier finder where two begin together. */
export function redactSpans(
  text: string,
  finders: readonly Finder[],
  encoding: 'utf8' | 'latin1' = 'utf8',
): string {
  let out = ''
  let at = 0
  for (const span of spans(text, 0, finders)) {
    out += text.slice(at, span.start) + hide(text, span, encoding)
    at = span.end
  }
  return at === 0 ? text : out + text.slice(at)
}

export function hide(text: string, { start, end, kept = 0 }: Span, encoding: 'utf8' | 'latin1'): string {
  return text.slice(start, start + kept) + mark(text.slice(start + kept, end), encoding)
}

export function* spans(text: string, from: number, finders: readonly Finder[]): Generator<Span, void> {
  const next = finders.map(find => find(text, from))
  for (;;) {
    let best: Span | undefined
    for (const span of next)
      if (span !== undefined && (best === undefined || span.start < best.start)) best = span
    if (best === undefined) return
    yield best
    for (const [n, find] of finders.entries()) {
      const span = next[n]
      if (span !== undefined && span.start < best.end) next[n] = find(text, best.end)
    }
  }
}

// Bounded repetitions: an enemy's `password -- password -- ...` must not cost the square of its length.
const gap = '(?:[\\s=(]|/\\*[^*]{0,64}\\*/|--[^\\n]{0,64}\\n){0,16}'
// Each kind of literal ends where PostgreSQL and MySQL say it ends; one that does not end, at the end.
const literal =
  "[eE]'((?:[^'\\\\]|\\\\[^]|'')*)(?:'|$)|(?:[nN]|[uU]&)?'((?:[^']|'')*)(?:'|$)|(\\$[A-Za-z_0-9]{0,64}\\$)([^]*?)(?:\\4|$)"
const passwordLiteral = new RegExp(`(\\b(?:password|identified${gap}by)${gap})(?:${literal})`, 'gi')

/** `PASSWORD 'x'`, `OPTIONS (password 'x')`, `IDENTIFIED BY 'x'`, `SET PASSWORD = 'x'`: the literal's inside goes. */
export function redactPasswords(sql: string): string {
  if (!/password|identified/i.test(sql)) return sql
  return sql.replace(
    passwordLiteral,
    (whole: string, before: string, e?: string, plain?: string, tag?: string, dollar?: string) => {
      const secret = e ?? plain ?? dollar ?? ''
      if (secret === '') return whole
      const at =
        tag === undefined
          ? whole.indexOf("'", before.length) + 1
          : whole.indexOf(tag, before.length) + tag.length
      return whole.slice(0, at) + mark(secret) + whole.slice(at + secret.length)
    },
  )
}
