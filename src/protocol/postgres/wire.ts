/**
 * PostgreSQL's frames as bytes, protocol 3.0 and 3.2 (STANDARDS section 8). Pure: no sockets, no session.
 *
 * Trusts nobody: both ends are hostile. A frame's length is judged by its header alone, before a byte of it is
 * buffered (attack 97, CVE-2026-6664); every string must find its NUL inside its own frame.
 */
import { isUtf8 } from 'node:buffer'

/** What a client may send, and what we send upstream. */
export const QUERY = 0x51
export const PARSE = 0x50
export const BIND = 0x42
export const DESCRIBE = 0x44
export const EXECUTE = 0x45
export const CLOSE = 0x43
export const FLUSH = 0x48
export const SYNC = 0x53
export const FUNCTION_CALL = 0x46
export const COPY_DATA = 0x64
export const COPY_DONE = 0x63
export const COPY_FAIL = 0x66
export const TERMINATE = 0x58
export const PASSWORD = 0x70

/** What a server sends. */
export const AUTHENTICATION = 0x52
export const BACKEND_KEY = 0x4b
export const PARAMETER_STATUS = 0x53
export const READY = 0x5a
export const ROW_DESCRIPTION = 0x54
export const DATA_ROW = 0x44
export const COMMAND_COMPLETE = 0x43
export const EMPTY_QUERY = 0x49
export const ERROR = 0x45
export const NOTICE = 0x4e
export const NO_DATA = 0x6e
export const SUSPENDED = 0x73
export const PARSE_COMPLETE = 0x31
export const BIND_COMPLETE = 0x32
export const CLOSE_COMPLETE = 0x33
export const PARAMETERS = 0x74
export const NOTIFICATION = 0x41
export const COPY_IN = 0x47
export const COPY_OUT = 0x48
export const NEGOTIATE = 0x76

/** Transaction states of ReadyForQuery. */
export const IDLE = 0x49
export const IN_TRANSACTION = 0x54
export const FAILED_TRANSACTION = 0x45

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

/** The largest SQL text that is taken at all; the guard's own limit lies below it. */
export const MAX_SQL = MiB

interface Bound {
  readonly least: number
  readonly most: number
}

const exactly = (length: number): Bound => ({ least: length, most: length })
const upTo = (most: number, least = 4): Bound => ({ least, most })

const table = (rows: readonly (readonly [number, Bound])[]): readonly (Bound | undefined)[] => {
  const bounds = new Array<Bound | undefined>(256).fill(undefined)
  for (const [type, bound] of rows) bounds[type] = bound
  return bounds
}

/** Lengths a client's frames may have (the length field: payload and its own four bytes). Others do not exist. */
export const clientBounds = table([
  [QUERY, upTo(MAX_SQL + 5, 5)],
  [PARSE, upTo(MAX_SQL + 256 * KiB, 8)],
  [BIND, upTo(64 * MiB, 12)],
  [DESCRIBE, upTo(300, 6)],
  [EXECUTE, upTo(300, 9)],
  [CLOSE, upTo(300, 6)],
  [FLUSH, exactly(4)],
  [SYNC, exactly(4)],
  [FUNCTION_CALL, upTo(MiB)],
  [COPY_DATA, upTo(64 * MiB)],
  [COPY_DONE, exactly(4)],
  [COPY_FAIL, upTo(8 * KiB, 5)],
  [TERMINATE, exactly(4)],
])

/** Lengths a server's frames may have once a session runs: an Authentication then is an attack (98). */
export const serverBounds = table([
  [PARAMETER_STATUS, upTo(64 * KiB, 6)],
  [READY, exactly(5)],
  [ROW_DESCRIPTION, upTo(MiB, 6)],
  [DATA_ROW, upTo(GiB, 6)],
  [COMMAND_COMPLETE, upTo(KiB, 5)],
  [EMPTY_QUERY, exactly(4)],
  [ERROR, upTo(MiB, 5)],
  [NOTICE, upTo(MiB, 5)],
  [NO_DATA, exactly(4)],
  [SUSPENDED, exactly(4)],
  [PARSE_COMPLETE, exactly(4)],
  [BIND_COMPLETE, exactly(4)],
  [CLOSE_COMPLETE, exactly(4)],
  [PARAMETERS, upTo(512 * KiB, 6)],
  [NOTIFICATION, upTo(64 * KiB, 10)],
  [COPY_IN, upTo(16 * KiB, 7)],
  [COPY_OUT, upTo(16 * KiB, 7)],
  [COPY_DATA, upTo(GiB)],
  [COPY_DONE, exactly(4)],
])

/** Lengths a server's frames may have while we log in and set the session up. */
export const handshakeBounds = table([
  [AUTHENTICATION, upTo(64 * KiB, 8)],
  [BACKEND_KEY, upTo(264, 12)],
  [PARAMETER_STATUS, upTo(64 * KiB, 6)],
  [READY, exactly(5)],
  [ERROR, upTo(64 * KiB, 5)],
  [NOTICE, upTo(64 * KiB, 5)],
  [ROW_DESCRIPTION, upTo(64 * KiB, 6)],
  [DATA_ROW, upTo(64 * KiB, 6)],
  [COMMAND_COMPLETE, upTo(KiB, 5)],
  [NEGOTIATE, upTo(KiB, 12)],
])

/** What a client may send while it logs in: one kind of frame, small. */
export const loginBounds = table([[PASSWORD, upTo(64 * KiB, 5)]])

/** The other side broke the protocol. `message` is safe to show: it names types and lengths only. */
export class Violation extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Violation'
  }
}

/** The frame's length field, judged. `at` is the frame's first byte; five bytes must be there. */
export function lengthAt(bytes: Buffer, at: number, bounds: readonly (Bound | undefined)[]): number {
  const type = bytes[at] as number
  const bound = bounds[type]
  if (bound === undefined) throw new Violation(`unexpected message type ${nameOf(type)}`)
  const length = bytes.readUInt32BE(at + 1)
  if (length < bound.least || length > bound.most) {
    throw new Violation(
      `message ${nameOf(type)} has a length of ${length}, allowed are ${bound.least} to ${bound.most}`,
    )
  }
  return length
}

export function nameOf(type: number): string {
  return type > 0x20 && type < 0x7f ? `'${String.fromCharCode(type)}'` : `0x${type.toString(16)}`
}

/** Where the string that starts at `at` ends (its NUL). The NUL must lie before `end`. */
export function endOfString(bytes: Buffer, at: number, end: number): number {
  // Most are short: a look at each byte costs less than a call out of JavaScript.
  const near = Math.min(end, at + NEAR)
  for (let i = at; i < near; i++) if (bytes[i] === 0) return i
  const nul = bytes.indexOf(0, near)
  if (nul < 0 || nul >= end) throw new Violation('a string has no end')
  return nul
}

/** SQL text from `at` to the NUL at `end`; null where it is not UTF-8. A NUL within would hide the rest from a parser (attack 102). */
export function textAt(bytes: Buffer, at: number, end: number): string | null {
  if (end - at <= NEAR) {
    let i = at
    while (i < end && isAscii(bytes[i] as number)) i++
    if (i === end && bytes[end] === 0) return bytes.toString('latin1', at, end)
  }
  if (endOfString(bytes, at, end + 1) !== end)
    throw new Violation('a text holds a NUL or lies about its length')
  return isUtf8(bytes.subarray(at, end)) ? bytes.toString('utf8', at, end) : null
}

const NEAR = 256
const isAscii = (byte: number): boolean => byte > 0 && byte < 128

/** One frame of these payload pieces. */
export function frame(type: number, ...pieces: readonly (Uint8Array | string)[]): Buffer {
  let length = 4
  for (const piece of pieces) length += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length
  const bytes = Buffer.allocUnsafe(length + 1)
  bytes[0] = type
  bytes.writeUInt32BE(length, 1)
  let at = 5
  for (const piece of pieces) {
    if (typeof piece === 'string') at += bytes.write(piece, at)
    else {
      bytes.set(piece, at)
      at += piece.length
    }
  }
  return bytes
}

export function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** ErrorResponse and NoticeResponse as their fields, `{ C: '42501', M: '...' }`. Every field may be missing (CVE-2026-6666). */
export function errorFields(payload: Buffer): Readonly<Record<string, string>> {
  const fields: Record<string, string> = Object.create(null)
  let at = 0
  while (at < payload.length && payload[at] !== 0) {
    const end = endOfString(payload, at + 1, payload.length)
    fields[String.fromCharCode(payload[at] as number)] = payload.toString('utf8', at + 1, end)
    at = end + 1
  }
  return fields
}

/** ErrorResponse or NoticeResponse of these fields. NULs cannot travel and are dropped. */
export function report(
  type: typeof ERROR | typeof NOTICE,
  fields: Readonly<Record<string, string | undefined>>,
): Buffer {
  const pieces: string[] = []
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) pieces.push(`${key}${value.replaceAll('\0', '')}\0`)
  }
  return frame(type, ...pieces, '\0')
}

export const ready = (state: number): Buffer => frame(READY, Uint8Array.of(state))
export const parameterStatus = (name: string, value: string): Buffer =>
  frame(PARAMETER_STATUS, `${name}\0${value}\0`)
export const query = (sql: string): Buffer => frame(QUERY, `${sql}\0`)

/** One column of a RowDescription. `table` and `column` are 0 where the value is computed. */
export interface Field {
  readonly name: string
  readonly table: number
  readonly column: number
  readonly type: number
  readonly binary: boolean
}

export function rowDescription(payload: Buffer): Field[] {
  const count = payload.readUInt16BE(0)
  const fields: Field[] = []
  let at = 2
  for (let i = 0; i < count; i++) {
    const end = endOfString(payload, at, payload.length)
    if (end + 19 > payload.length) throw new Violation('a row description is cut short')
    fields.push({
      name: payload.toString('utf8', at, end),
      table: payload.readUInt32BE(end + 1),
      column: payload.readInt16BE(end + 5),
      type: payload.readUInt32BE(end + 7),
      binary: payload.readInt16BE(end + 17) === 1,
    })
    at = end + 19
  }
  if (at !== payload.length) throw new Violation('a row description has bytes left over')
  return fields
}

/** The values of a DataRow, null where NULL. Each length must fit the frame to the byte. */
export function dataRow(payload: Buffer): (Buffer | null)[] {
  const count = payload.readUInt16BE(0)
  const values: (Buffer | null)[] = []
  let at = 2
  for (let i = 0; i < count; i++) {
    if (at + 4 > payload.length) throw new Violation('a row is cut short')
    const length = payload.readInt32BE(at)
    at += 4
    if (length === -1) {
      values.push(null)
      continue
    }
    if (length < 0 || at + length > payload.length) throw new Violation('a value is longer than its row')
    values.push(payload.subarray(at, at + length))
    at += length
  }
  if (at !== payload.length) throw new Violation('a row has bytes left over')
  return values
}

export function encodeRow(values: readonly (Uint8Array | null)[]): Buffer {
  const pieces: Uint8Array[] = [Uint8Array.of(values.length >> 8, values.length & 0xff)]
  for (const value of values) {
    pieces.push(int32(value === null ? -1 : value.length))
    if (value !== null) pieces.push(value)
  }
  return frame(DATA_ROW, ...pieces)
}
