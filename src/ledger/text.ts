/**
 * JSON that is one line to every reader (attack 180). `JSON.stringify` escapes newlines, controls and lone surrogates;
 * U+0085, U+2028 and U+2029 end a line for some programs, C1 controls are terminal commands, and bidirectional or
 * invisible marks make a line read otherwise than it is. They become `\uXXXX`, which any JSON reader turns back.
 */

const fences = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g

/** What JSON writes as it is, in quotes: most of what is recorded. */
const plain = /^[ !#-[\]-~]*$/

const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`

/** One JSON value on one line. */
export function json(value: unknown): string {
  if (typeof value === 'string' && plain.test(value)) return `"${value}"`
  return fenced(JSON.stringify(value) ?? 'null')
}

/** The same of JSON that is text already. */
export const fenced = (text: string): string => text.replace(fences, escaped)

/** An object's members without its braces, ready to be put behind others; '' for an empty one. */
export function members(object: Readonly<Record<string, unknown>>): string {
  return json(object).slice(1, -1)
}

let lastSecond = Number.NaN
let upToSecond = ''

const digits = Array.from({ length: 1000 }, (_, n) => String(1000 + n).slice(1))

/** The last three digits of a whole number, none missing. */
export const thousandths = (n: number): string => digits[n % 1000] as string

/** ISO 8601. Remembered for the second, for many lines fall into one. */
export function iso(millis: number): string {
  const second = Math.floor(millis / 1000)
  if (second !== lastSecond) {
    upToSecond = new Date(second * 1000).toISOString().slice(0, -4)
    lastSecond = second
  }
  return `${upToSecond}${thousandths(Math.floor(millis) - second * 1000)}Z`
}
