/**
 * Rows of COPY TO STDOUT in its text and csv formats, as the server's CopyAttributeOutText and CopyAttributeOutCSV write them: anything
 * else is not read. Delimiter and quotes are ASCII and the text is UTF-8, so that bytes can be looked at. Pure.
 */
import type { CopyForm } from '../../statement/sql/analysis.ts'
import { Violation } from './wire.ts'

export interface Fields {
  readonly delimiter: Uint8Array
  /** The fields as they are written, of a row that has so many: a hostile target's may have millions (attack 98). */
  split(row: Buffer, count: number): readonly Buffer[]
  /** What a field says; null where it is NULL. */
  value(field: Buffer): Buffer | null
  field(value: Buffer | null): Uint8Array
}

export const NEWLINE = Uint8Array.of(0x0a)
const END = 0x0a
const BACKSLASH = 0x5c

export const fieldsOf = (form: Omit<CopyForm, 'header'>): Fields =>
  form.format === 'csv' ? csv(form) : text(form)

/** What stands behind a backslash for a sign that would break a line. */
const letters = new Map(
  Object.entries({ b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }).map(
    ([letter, sign]) => [letter.charCodeAt(0), sign.charCodeAt(0)] as const,
  ),
)
const signs = new Map([...letters].map(([letter, sign]) => [sign, letter]))

function text({ delimiter, none }: Omit<CopyForm, 'header'>): Fields {
  const between = delimiter.charCodeAt(0)
  const written = Buffer.from(none)
  return {
    delimiter: Buffer.from(delimiter),
    split(row, count) {
      const fields: Buffer[] = []
      let start = 0
      for (let at = 0; at < row.length; at++) {
        const byte = row[at]
        if (byte === BACKSLASH) at++
        else if (byte === between || byte === END) {
          if (fields.length === count) throw miscounted()
          fields.push(row.subarray(start, at))
          start = at + 1
          if (byte === END) break
        }
      }
      return whole(fields, row, start, count)
    },
    value(field) {
      if (field.equals(written)) return null
      const value = Buffer.alloc(field.length)
      let length = 0
      for (let at = 0; at < field.length; at++) {
        const byte = field[at] as number
        const escaped = byte === BACKSLASH ? field[++at] : undefined
        value[length++] = escaped === undefined ? byte : (letters.get(escaped) ?? escaped)
      }
      return value.subarray(0, length)
    },
    field(value) {
      if (value === null) return written
      const field = Buffer.alloc(2 * value.length)
      let length = 0
      for (const byte of value) {
        const letter = signs.get(byte)
        if (letter !== undefined || byte === BACKSLASH || byte === between) field[length++] = BACKSLASH
        field[length++] = letter ?? byte
      }
      return field.subarray(0, length)
    },
  }
}

function csv({ delimiter, quote, none, ...form }: Omit<CopyForm, 'header'>): Fields {
  const between = delimiter.charCodeAt(0)
  const [quoting, escaping] = [quote.charCodeAt(0), form.escape.charCodeAt(0)]
  const written = Buffer.from(none)
  /** Whether a field's quoted part goes on behind this byte and the next: both are one sign then. */
  const isEscape = (field: Buffer, at: number): boolean =>
    field[at] === escaping && (field[at + 1] === quoting || field[at + 1] === escaping)
  return {
    delimiter: Buffer.from(delimiter),
    split(row, count) {
      const fields: Buffer[] = []
      let start = 0
      let quoted = false
      for (let at = 0; at < row.length; at++) {
        const byte = row[at]
        if (quoted && isEscape(row, at)) at++
        else if (byte === quoting) {
          // A quote stands around a whole field, or is a sign of its content and escaped.
          if (!quoted && at !== start) throw unreadable()
          quoted = !quoted
          if (!quoted && row[at + 1] !== between && row[at + 1] !== END) throw unreadable()
        } else if (!quoted && (byte === between || byte === END)) {
          if (fields.length === count) throw miscounted()
          fields.push(row.subarray(start, at))
          start = at + 1
          if (byte === END) break
        }
      }
      return whole(fields, row, start, count)
    },
    value(field) {
      if (field.equals(written)) return null
      if (field[0] !== quoting) return field
      const value = Buffer.alloc(field.length)
      let length = 0
      for (let at = 1; at < field.length - 1; at++) {
        if (isEscape(field, at)) at++
        value[length++] = field[at] as number
      }
      return value.subarray(0, length)
    },
    // Always quoted: then it can be neither NULL nor the end of anything.
    field(value) {
      if (value === null) return written
      const field = Buffer.alloc(2 * value.length + 2)
      let length = 0
      field[length++] = quoting
      for (const byte of value) {
        if (byte === quoting || byte === escaping) field[length++] = escaping
        field[length++] = byte
      }
      field[length++] = quoting
      return field.subarray(0, length)
    },
  }
}

/** A message is a row: it ends in the newline, and there is nothing behind that. */
function whole(fields: readonly Buffer[], row: Buffer, end: number, count: number): readonly Buffer[] {
  if (end !== row.length || row.at(-1) !== END) throw unreadable()
  if (fields.length !== count) throw miscounted()
  return fields
}

export const miscounted = (): Violation =>
  new Violation('a copied row has another number of fields than its statement')
const unreadable = (): Violation => new Violation('a copied row is not written as its statement says')
