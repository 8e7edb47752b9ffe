/**
 * HTTP/1.1 towards a target (RFC 9112): a request's head as bytes, and bytes as answers. Pure; a head, a chunk's size and
 * a trailer are capped before they are held, and what two readers could frame differently is an error: then the
 * connection is closed and nothing after it is anybody's answer (attacks 134, 144).
 */
import { type FlatHeaders, valuesOf } from './headers.ts'

export interface AnswerHead {
  readonly status: number
  /** Names in lower case; values latin1. */
  readonly headers: FlatHeaders
  /** Bytes of the body where they are announced; 0 for no body. */
  readonly length: number | undefined
}

export interface Told {
  onHead(head: AnswerHead): void
  onData(chunk: Buffer): void
  onEnd(): void
}

export class WireError extends Error {}

const headEnd = Buffer.from('\r\n\r\n')
const longestHead = 64 * 1024
const mostHeaders = 256
/** A chunk's size with its extensions, and one trailer. */
const longestLine = 4096
const mostTrailers = 64
const none = Buffer.alloc(0)

type State =
  | 'between'
  | 'head'
  | 'length'
  | 'until-close'
  | 'size'
  | 'chunk'
  | 'chunk-end'
  | 'trailer'
  | 'broken'

/** What a connection answers, one request at a time. */
export class Answers {
  readonly #told: Told
  #state: State = 'between'
  #held: Buffer = none
  #left = 0
  #trailers = 0
  #method = ''
  #keeps = false

  constructor(told: Told) {
    this.#told = told
  }

  /** A request has gone out. What comes before, nobody asked for. */
  expect(method: string): void {
    if (this.#state !== 'between') throw new TypeError('an answer is under way')
    this.#method = method
    this.#state = 'head'
  }

  /** Another request may be sent on this connection. */
  get isFree(): boolean {
    return this.#state === 'between' && this.#keeps
  }

  /** Throws {@link WireError}. What is left after a 101 is the other protocol's. */
  push(chunk: Buffer): Buffer {
    let at = 0
    try {
      while (at < chunk.length) {
        if (this.#state === 'between') throw new WireError('bytes that answer nothing')
        at = this.#take(chunk, at)
        if (at < 0) return chunk.subarray(-at - 1)
      }
      return none
    } catch (error) {
      this.#state = 'broken'
      throw error
    }
  }

  /** The target has closed. True where that was the end of an answer. Throws {@link WireError} in the middle of one. */
  close(): boolean {
    const state = this.#state
    this.#state = 'broken'
    if (state === 'between') return false
    if (state !== 'until-close') throw new WireError('the target closed before its answer was whole')
    this.#told.onEnd()
    return true
  }

  /** How far it has read; `-1 - at` where another protocol begins. */
  #take(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#head(chunk, at)
      case 'length':
      case 'chunk':
        return this.#body(chunk, at)
      case 'until-close':
        this.#told.onData(at === 0 ? chunk : chunk.subarray(at))
        return chunk.length
      case 'chunk-end':
      case 'size':
      case 'trailer':
        return this.#line(chunk, at)
      default:
        throw new WireError('the connection is broken')
    }
  }

  #head(chunk: Buffer, at: number): number {
    const before = this.#held.length
    const bytes = before === 0 && at === 0 ? chunk : Buffer.concat([this.#held, chunk.subarray(at)])
    const end = bytes.indexOf(headEnd)
    if (end > longestHead || (end < 0 && bytes.length > longestHead))
      throw new WireError('a head that is too long')
    if (end < 0) {
      this.#held = Buffer.from(bytes)
      return chunk.length
    }
    this.#held = none
    const next = before === 0 && at === 0 ? end + 4 : at + end + 4 - before
    const text = bytes.toString('latin1', 0, end)
    const { status, minor, headers } = readHead(text)
    if (status === 101) {
      this.#state = 'broken'
      this.#told.onHead({ status, headers, length: undefined })
      return -1 - next
    }
    // 100 and 103 come before the answer.
    if (status < 200) {
      this.#told.onHead({ status, headers, length: 0 })
      return next
    }
    this.#begin(status, minor, headers)
    return next
  }

  #begin(status: number, minor: number, headers: FlatHeaders): void {
    const { length, chunked, close } = framing(headers)
    const bodiless = this.#method === 'HEAD' || status === 204 || status === 304
    this.#keeps = !close && minor === 1
    this.#state =
      bodiless || length === 0
        ? 'between'
        : chunked
          ? 'size'
          : length === undefined
            ? 'until-close'
            : 'length'
    this.#left = length ?? 0
    if (this.#state === 'until-close') this.#keeps = false
    this.#told.onHead({ status, headers, length: bodiless ? 0 : length })
    if (this.#state === 'between') this.#told.onEnd()
  }

  #body(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left)
    this.#left -= end - at
    const whole = this.#left === 0
    if (whole) this.#state = this.#state === 'length' ? 'between' : 'chunk-end'
    this.#told.onData(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end))
    if (this.#state === 'between') this.#told.onEnd()
    return end
  }

  #line(chunk: Buffer, at: number): number {
    const newline = chunk.indexOf(0x0a, at)
    const end = newline < 0 ? chunk.length : newline + 1
    const line = this.#held.toString('latin1') + chunk.toString('latin1', at, end)
    if (line.length > longestLine) throw new WireError('a line that is too long')
    if (newline < 0) {
      this.#held = Buffer.from(line, 'latin1')
      return end
    }
    this.#held = none
    if (!line.endsWith('\r\n')) throw new WireError('a line that ends in a bare LF')
    this.#read(line.slice(0, -2))
    return end
  }

  #read(line: string): void {
    if (this.#state === 'chunk-end') {
      if (line !== '') throw new WireError('a chunk that is longer than it says')
      this.#state = 'size'
      return
    }
    if (this.#state === 'size') {
      const size = /^([0-9a-fA-F]{1,8})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/.exec(line)?.[1]
      if (size === undefined) throw new WireError('a chunk whose size cannot be read')
      this.#left = Number.parseInt(size, 16)
      this.#trailers = 0
      this.#state = this.#left === 0 ? 'trailer' : 'chunk'
      return
    }
    // Trailers are read and dropped.
    if (line === '') {
      this.#state = 'between'
      this.#told.onEnd()
      return
    }
    this.#trailers += 1
    if (this.#trailers > mostTrailers || !field.test(line))
      throw new WireError('trailers that cannot be read')
  }
}

const statusLine = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/
/** RFC 9110 section 15: what is above is no status, and Node throws where it is to pass one on over HTTP/2. */
export const mostStatus = 599
/** RFC 9110 section 5.5; no obs-fold, for a line that begins with white space has no name. */
const field = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*$/
const fieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** What no line of a head may hold, and an end of a line that is half of one. */
const unreadable = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)|(?<!\r)\n/

function readHead(text: string): { status: number; minor: number; headers: FlatHeaders } {
  let end = text.indexOf('\r\n')
  const first = statusLine.exec(end < 0 ? text : text.slice(0, end))
  if (first === null) throw new WireError('no status line')
  const status = Number(first[2])
  if (status > mostStatus) throw new WireError('a status that is none')
  if (unreadable.test(text)) throw new WireError('a header that cannot be read')
  const headers: FlatHeaders = []
  while (end >= 0) {
    const begin = end + 2
    end = text.indexOf('\r\n', begin)
    const colon = text.indexOf(':', begin)
    const until = end < 0 ? text.length : end
    const name = colon < 0 || colon > until ? undefined : nameOf(text.slice(begin, colon))
    if (name === undefined) throw new WireError('a header that cannot be read')
    headers.push(name, valueIn(text, colon + 1, until))
    if (headers.length > mostHeaders * 2) throw new WireError('too many headers')
  }
  return { status, minor: Number(first[1]), headers }
}

/** As most targets write the names that most of them use, and the same in lower case. */
const usualNames = new Map(
  [
    ...['Accept-Ranges', 'Age', 'Cache-Control', 'Connection', 'Content-Encoding', 'Content-Length'],
    ...['Content-Type', 'Date', 'ETag', 'Expires', 'Keep-Alive', 'Last-Modified', 'Link', 'Location'],
    ...['Pragma', 'Server', 'Set-Cookie', 'Transfer-Encoding', 'Vary', 'Via', 'X-Request-Id'],
  ].flatMap(name => [
    [name, name.toLowerCase()],
    [name.toLowerCase(), name.toLowerCase()],
  ]),
)

/** In lower case; undefined for what is no name. */
function nameOf(written: string): string | undefined {
  return usualNames.get(written) ?? (fieldName.test(written) ? written.toLowerCase() : undefined)
}

/** A value without the white space around it, which is these two and no others (RFC 9110 section 5.6.3). */
function valueIn(text: string, from: number, to: number): string {
  let [begin, end] = [from, to]
  while (begin < end && isSpace(text.charCodeAt(begin))) begin++
  while (end > begin && isSpace(text.charCodeAt(end - 1))) end--
  return text.slice(begin, end)
}

const isSpace = (code: number) => code === 0x20 || code === 0x09

/** RFC 9112 section 6.3, and nothing that it only tolerates. */
function framing(headers: FlatHeaders): { length: number | undefined; chunked: boolean; close: boolean } {
  let length: number | undefined
  let chunked = false
  let close = false
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]
    const value = headers[at + 1] ?? ''
    if (name === 'content-length') {
      if (!/^[0-9]{1,15}$/.test(value) || (length !== undefined && length !== Number(value)))
        throw new WireError('a Content-Length that cannot be relied on')
      length = Number(value)
    } else if (name === 'transfer-encoding') {
      if (chunked || value.toLowerCase() !== 'chunked')
        throw new WireError('a transfer coding nobody asked for')
      chunked = true
    } else if (name === 'connection') close ||= /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(value)
  }
  if (chunked && length !== undefined) throw new WireError('both Content-Length and Transfer-Encoding')
  return { length, chunked, close }
}

/** A request's head, ready for the socket. `last` are header lines that are ready. */
export function requestHead(
  method: string,
  path: string,
  host: string,
  headers: FlatHeaders,
  last: string,
): string {
  if (/[\0-\x20\x7f]/.test(path)) throw new WireError('a path that would end its line')
  return `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${headerLines(headers)}${last}\r\n`
}

export function headerLines(headers: FlatHeaders): string {
  let text = ''
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const value = headers[at + 1] ?? ''
    // Attack 135: whatever a caller forgot to look at, a head is one head.
    if (/[\0\r\n]/.test(value)) throw new WireError('a header that would end its line')
    text += `${headers[at]}: ${value}\r\n`
  }
  return text
}

/** How long an idle connection is kept, as the target says it, in milliseconds. */
export function keptFor(headers: FlatHeaders): number | undefined {
  const seconds = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(valuesOf(headers, 'keep-alive')[0] ?? '')?.[1]
  return seconds === undefined ? undefined : Number(seconds) * 1000
}
