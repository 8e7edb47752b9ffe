/**
 * WebSocket frames of one direction (RFC 6455 section 5) as they pass: checked, capped, their payloads shown to whoever
 * records or filters them. No extension was negotiated, so a frame is what it says (attack 142). Pure.
 */
import { Interleaved } from './interleaved.ts'

export type From = 'client' | 'server'

/**
 * Told of each piece of a payload, unmasked. Of a server's it answers with what may go on now, and of a message in the end with
 * as much as there was; its control frames come whole.
 */
export type OnPayload = (payload: Buffer, last: boolean, opcode: number) => Buffer

/** Frames that stand in a message whose end is held: pings, and continuations without anything in them. */
const mostHeld = 64 * 1024
/** A message may come in any number of frames; a frame is what servers buffer whole. */
const longestFrame = 16 * 1024 * 1024
const longestHeader = 14
const firstControl = 8
const nothing = Buffer.alloc(0)

export class FrameError extends Error {
  /** The close code that fits. */
  readonly code: 1002 | 1009
  constructor(code: 1002 | 1009, message: string) {
    super(message)
    this.code = code
  }
}

export class Frames {
  readonly #masked: boolean
  readonly #onPayload: OnPayload
  readonly #header = Buffer.alloc(longestHeader)
  #have = 0
  #left = 0
  #opcode = 0
  #fin = true
  /** A message has begun that goes on in another frame. */
  #isOpen = false
  #mask: Buffer | undefined
  #masking = 0
  readonly #order = new Interleaved(mostHeld)
  /** A server's control frame, until it is whole. */
  #control: Buffer[] = []

  constructor(from: From, onPayload: OnPayload) {
    this.#masked = from === 'client'
    this.#onPayload = onPayload
  }

  /** Between two frames: only here may another be put in. */
  get atBoundary(): boolean {
    return this.#have === 0 && this.#left === 0 && this.#order.isLevel
  }

  /** What goes on. Throws {@link FrameError}. */
  push(chunk: Buffer): Buffer {
    const out: Buffer[] = []
    for (let at = 0; at < chunk.length; )
      at = this.#left > 0 ? this.#payload(chunk, at, out) : this.#head(chunk, at, out)
    return out.length === 1 && out[0] !== undefined ? out[0] : Buffer.concat(out)
  }

  #head(bytes: Buffer, at: number, out: Buffer[]): number {
    this.#header[this.#have] = bytes[at] ?? 0
    this.#have += 1
    if (this.#have === 2) this.#check()
    if (this.#have >= 2 && this.#have === this.#size()) this.#begin(out)
    return at + 1
  }

  #size(): number {
    const short = (this.#header[1] ?? 0) & 0x7f
    return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (this.#masked ? 4 : 0)
  }

  /** All that the first two bytes say. */
  #check(): void {
    const [first = 0, second = 0] = this.#header
    const short = second & 0x7f
    const opcode = first & 0x0f
    if ((first & 0x70) !== 0) throw new FrameError(1002, 'an extension that nobody agreed on')
    if (![0, 1, 2, 8, 9, 10].includes(opcode)) throw new FrameError(1002, 'an unknown kind of frame')
    if (((second & 0x80) !== 0) !== this.#masked)
      throw new FrameError(1002, 'a mask where there must be none, or none')
    const isControl = opcode >= firstControl
    if (isControl && (short > 125 || (first & 0x80) === 0))
      throw new FrameError(1002, 'a control frame that is not small and whole')
    if (isControl) return
    // RFC 6455 section 5.4: what the other end took for a message of its own would be recorded as a part of the one before.
    if ((opcode === 0) !== this.#isOpen)
      throw new FrameError(1002, 'a message within another, or a part of none')
    this.#isOpen = (first & 0x80) === 0
  }

  #begin(out: Buffer[]): void {
    const header = Buffer.from(this.#header.subarray(0, this.#have))
    const [first = 0, second = 0] = this.#header
    const short = second & 0x7f
    const length =
      short === 126
        ? this.#header.readUInt16BE(2)
        : short === 127
          ? Number(this.#header.readBigUInt64BE(2))
          : short
    if (length > longestFrame) throw new FrameError(1009, 'a frame that is too large')
    this.#mask = this.#masked ? Buffer.from(this.#header.subarray(this.#have - 4, this.#have)) : undefined
    this.#masking = 0
    this.#have = 0
    this.#left = length
    this.#opcode = first & 0x0f
    this.#fin = (first & 0x80) !== 0
    if (this.#isServersControl) this.#control = [header]
    else this.#frame(header, out)
    if (length === 0) this.#piece(nothing, out)
  }

  get #isServersControl(): boolean {
    return !this.#masked && this.#opcode >= firstControl
  }

  #frame(bytes: Buffer, out: Buffer[]): void {
    const now = this.#order.framing(bytes)
    if (now === undefined) throw new FrameError(1009, 'too many frames within a message')
    out.push(...now)
  }

  #payload(bytes: Buffer, at: number, out: Buffer[]): number {
    const end = Math.min(bytes.length, at + this.#left)
    this.#left -= end - at
    const piece = bytes.subarray(at, end)
    const mask = this.#mask
    if (mask === undefined) {
      this.#piece(piece, out)
      return end
    }
    const plain = Buffer.allocUnsafe(piece.length)
    for (let i = 0; i < piece.length; i++) plain[i] = (piece[i] ?? 0) ^ (mask[(this.#masking + i) & 3] ?? 0)
    this.#masking += piece.length
    this.#onPayload(plain, this.#left === 0 && this.#fin, this.#opcode)
    // Under its mask, as it came: a server's words are changed, a client's never.
    out.push(piece)
    return end
  }

  /** Unmasked, or empty. */
  #piece(bytes: Buffer, out: Buffer[]): void {
    const last = this.#left === 0 && this.#fin
    if (this.#isServersControl) {
      this.#control.push(bytes)
      if (!last) return
      const [header = nothing, ...payload] = this.#control
      this.#control = []
      this.#frame(Buffer.concat([header, this.#onPayload(Buffer.concat(payload), last, this.#opcode)]), out)
      return
    }
    this.#order.took(bytes.length)
    out.push(...this.#order.payload(this.#onPayload(bytes, last, this.#opcode)))
  }
}

/** A close frame with a code and a reason; masked with zeros where a client sends it. */
export function closeFrame(code: number, reason: string, from: From): Buffer {
  let text = Buffer.from(reason, 'utf8').subarray(0, 123)
  // Not in the middle of a character.
  while (text.length > 0 && text.toString('utf8').endsWith('\ufffd')) text = text.subarray(0, -1)
  const length = 2 + text.length
  const head = from === 'client' ? [0x88, 0x80 | length, 0, 0, 0, 0] : [0x88, length]
  return Buffer.concat([Buffer.from([...head, code >> 8, code & 0xff]), text])
}
