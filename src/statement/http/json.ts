/**
 * JSON that is written anew after it was read: numbers stay as they were written, for a long identifier must not be
 * rounded on its way. Of a member that stands there twice the last is kept, and only it goes on.
 *
 * What is sent is weighed before it is parsed, for parsing keeps everybody waiting: a megabyte of `1,1,1` is half a million
 * values. JSON.parse tells a number's source to a reviver alone, which takes a microsecond for each value there is: so
 * numbers that would be written otherwise are marked in the text, and all others are numbers like any. Throws SyntaxError
 * and {@link TooMuch}.
 */
import { randomBytes } from 'node:crypto'

/** More values and names, or deeper ones, than are looked at in one go. */
export class TooMuch extends Error {}

/** Values, and the names of members. An object of nothing but different names, the worst there is, takes 150 ms. */
const mostParts = 250_000
/** Whoever walks through it calls itself once a level. */
const deepest = 500

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const raw = JSON as unknown as { rawJSON(text: string): object; isRawJSON(value: unknown): boolean }

export function parseAsWritten(bytes: Uint8Array): unknown {
  const text = decoder.decode(bytes)
  const marked = withMarks(text)
  return marked === text ? JSON.parse(text) : withoutMarks(JSON.parse(marked))
}

/** A number that {@link parseAsWritten} has kept as it was written. */
export const isNumber = (value: unknown): boolean => raw.isRawJSON(value)

/** The one member of an object that stands for a number. No sender of JSON knows it. */
const mark = randomBytes(16).toString('hex')

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a

/** An object stands where a number stood, and is as much out of place as that where JSON has none. */
function withMarks(text: string): string {
  let out = ''
  let done = 0
  let parts = 1
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) at = endOfString(text, at)
    else if (startsNumber(code)) {
      const end = endOfNumber(text, at)
      if (!isPlain(text, at, end)) {
        out += `${text.slice(done, at)}{"${mark}":"${text.slice(at, end)}"}`
        done = end
        // Kept as text it is an object, and costs as much as two.
        parts += 2
      }
      at = end - 1
    } else if (code === comma || code === colon) parts += 1
    else if (opens(code)) {
      parts += 1
      depth += 1
    } else if (closes(code)) depth -= 1
    if (parts > mostParts) throw new TooMuch(`it has more than ${mostParts} values and names`)
    if (depth > deepest) throw new TooMuch(`it is nested more than ${deepest} deep`)
  }
  return done === 0 ? text : out + text.slice(done)
}

const isDigit = (code: number) => code >= 0x30 && code <= 0x39
const startsNumber = (code: number) => isDigit(code) || code === 0x2d
/** `[` and `{`, `]` and `}`. */
const opens = (code: number) => code === 0x5b || code === 0x7b
const closes = (code: number) => code === 0x5d || code === 0x7d

function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let before = at
    while (text.charCodeAt(before - 1) === backslash) before -= 1
    if ((at - before) % 2 === 0) return at
  }
  return text.length
}

/** Of `-`, `+`, `.`, `e` and `E` beside digits. */
function endOfNumber(text: string, from: number): number {
  let at = from + 1
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (
      !isDigit(code) &&
      !(code === 0x2d || code === 0x2b || code === 0x2e || code === 0x65 || code === 0x45)
    )
      break
  }
  return at
}

/** Read and written it is the same. */
function isPlain(text: string, from: number, end: number): boolean {
  if (end - from === 1 && text.charCodeAt(from) !== 0x2d) return true
  const source = text.slice(from, end)
  return String(Number(source)) === source
}

function withoutMarks(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) value[at] = withoutMarks(value[at])
    return value
  }
  const object = value as Record<string, unknown>
  const source = Object.hasOwn(object, mark) ? object[mark] : undefined
  // Throws for what looks like a number and is none: 01, 1.
  if (typeof source === 'string') return raw.rawJSON(source)
  for (const key of Object.keys(object)) {
    const member = object[key]
    if (typeof member === 'object') setMember(object, key, withoutMarks(member))
  }
  return object
}

/** A member named __proto__ is a member like any other. */
export function setMember(object: object, key: string | number, value: unknown): void {
  if (key !== '__proto__') (object as Record<string | number, unknown>)[key] = value
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}
