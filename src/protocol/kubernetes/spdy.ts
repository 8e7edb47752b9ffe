/**
 * What a client says in a tunnel of SPDY/3.1 (draft-mbelshe-httpbis-spdy-00), as far as it must be judged: which streams it
 * opens, by their headers. Read as the other end reads it, and what that could take differently is refused. Pure.
 */
import { constants, inflateSync } from 'node:zlib'
import { dictionary } from './spdy-dictionary.ts'

export type Headers = ReadonlyMap<string, string>

export class SpdyError extends Error {}

const frameHead = 8
const synStream = 1
/** Reset, settings, ping, go away, window update: they open nothing and hold no headers. */
const harmless = new Set([3, 4, 6, 7, 9])
const longestControl = 16 * 1024
/** Of all headers of a tunnel, compressed. */
const mostHeaders = 64 * 1024
/** Inflated, of one stream: its names and values are a few words. */
const longestPlain = 4 * 1024
/** Of all of them, which are inflated anew for each: with more, a tunnel would cost seconds. Five hundred connections. */
const mostPlain = 64 * 1024

/** Told the headers of each stream before the last byte that opens it goes on. */
export class SpdyClient {
  readonly #onStream: (headers: Headers) => void
  #control: Buffer = Buffer.alloc(0)
  /** Bytes of a data frame that are still to come. */
  #data = 0
  /** One deflate stream over all of them: it is read from its beginning each time, for only so is it the other end's. */
  #compressed: Buffer = Buffer.alloc(0)
  #plain = 0

  constructor(onStream: (headers: Headers) => void) {
    this.#onStream = onStream
  }

  /** Throws {@link SpdyError}. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#data > 0) {
        const skipped = Math.min(this.#data, chunk.length - at)
        this.#data -= skipped
        at += skipped
      } else {
        const wanted = this.#wanted()
        const piece = chunk.subarray(at, at + wanted)
        this.#control = Buffer.concat([this.#control, piece])
        at += piece.length
        if (piece.length === wanted) this.#complete()
      }
    }
  }

  /** To the end of the head, or of the control frame that it begins. */
  #wanted(): number {
    const have = this.#control.length
    return have < frameHead ? frameHead - have : frameHead + this.#length() - have
  }

  #length(): number {
    return this.#control.readUIntBE(5, 3)
  }

  #complete(): void {
    const frame = this.#control
    const isControl = ((frame[0] ?? 0) & 0x80) !== 0
    if (!isControl) {
      this.#data = this.#length()
      this.#control = Buffer.alloc(0)
      return
    }
    if (frame.length === frameHead) {
      const type = frame.readUInt16BE(2)
      if (frame.readUInt16BE(0) !== 0x8003) throw new SpdyError('a version of SPDY other than 3')
      if (type !== synStream && !harmless.has(type)) throw new SpdyError(`a control frame of type ${type}`)
      if (this.#length() > longestControl) throw new SpdyError('a control frame that is too large')
      if (this.#length() > 0) return
    }
    if (frame.readUInt16BE(2) === synStream) this.#onStream(this.#headers(frame.subarray(frameHead)))
    this.#control = Buffer.alloc(0)
  }

  /** Behind the stream's id, its parent's, and its priority. */
  #headers(body: Buffer): Headers {
    if (body.length < 10) throw new SpdyError('a SYN_STREAM that is too short')
    this.#compressed = Buffer.concat([this.#compressed, body.subarray(10)])
    if (this.#compressed.length > mostHeaders) throw tooMany()
    const plain = this.#inflate()
    const headers = readHeaders(plain.subarray(this.#plain))
    this.#plain = plain.length
    return headers
  }

  #inflate(): Buffer {
    const left = mostPlain - this.#plain
    try {
      return inflateSync(this.#compressed, {
        dictionary,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: this.#plain + Math.min(left, longestPlain),
      })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE')
        throw new SpdyError('headers that cannot be inflated')
      throw left < longestPlain ? tooMany() : new SpdyError('headers that are too large')
    }
  }
}

const tooMany = (): SpdyError => new SpdyError('too many streams in one tunnel: open another')

/** Pairs of a name and a value, and nothing behind them: the other end would take that for the next stream's. */
function readHeaders(block: Buffer): Headers {
  const headers = new Map<string, string>()
  let at = 0
  const number = () => {
    if (at + 4 > block.length) throw new SpdyError('headers that end early')
    at += 4
    return block.readUInt32BE(at - 4)
  }
  const text = () => {
    const length = number()
    if (at + length > block.length) throw new SpdyError('headers that end early')
    at += length
    const bytes = block.toString('latin1', at - length, at)
    if (!/^[\x20-\x7e]*$/.test(bytes)) throw new SpdyError('a header that is no text')
    return bytes
  }
  for (let left = number(); left > 0; left--) {
    const name = text()
    if (!/^[a-z0-9:-]+$/.test(name) || headers.has(name))
      throw new SpdyError('a header that is not one by itself')
    headers.set(name, text())
  }
  if (at !== block.length) throw new SpdyError('bytes behind the headers')
  return headers
}
