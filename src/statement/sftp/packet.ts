/**
 * SFTP version 3 (draft-ietf-secsh-filexfer-02, as OpenSSH speaks it): type numbers and framing. Pure.
 *
 * A length that is over {@link maxPacketBytes} is refused before anything is buffered (attack 119).
 */
import { Malformed, message } from './fields.ts'

export const fxp = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  readlink: 19,
  symlink: 20,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extended: 200,
  extendedReply: 201,
} as const

export const fxStatus = {
  ok: 0,
  eof: 1,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  opUnsupported: 8,
} as const

/** OpenSSH's own limit for a packet, and a little for its head. */
export const maxPacketBytes = 256 * 1024 + 1024

/** The most that is asked for in one READ; a server may always give less. */
export const maxReadBytes = 256 * 1024 - 1024

/** Packets out of a byte stream; each is the body: a type byte and its fields. */
export class Frames {
  readonly #chunks: Buffer[] = []
  #size = 0

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
  }

  next(): Buffer | undefined {
    if (this.#size < 4) return undefined
    const head = this.#joined(4)
    const length = head.readUInt32BE(0)
    if (length === 0 || length > maxPacketBytes) throw new Malformed("an sftp packet's length")
    if (this.#size < 4 + length) return undefined
    const all = this.#joined(4 + length)
    this.#size -= 4 + length
    const rest = all.subarray(4 + length)
    if (rest.length === 0) this.#chunks.shift()
    else this.#chunks[0] = rest
    return all.subarray(4, 4 + length)
  }

  /** The first chunk, made long enough; called with no more than there is. */
  #joined(bytes: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= bytes) return first
    const all = Buffer.concat(this.#chunks)
    this.#chunks.length = 0
    this.#chunks.push(all)
    return all
  }
}

/** A body as it crosses the wire. */
export function framed(body: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(4 + body.length)
  out.set(body, out.writeUInt32BE(body.length, 0))
  return out
}

/** The packet that a body stands in, uncopied: for a body as {@link Frames} or {@link framed} made it, of its own length. */
export function reframed(body: Buffer): Buffer {
  return Buffer.from(body.buffer, body.byteOffset - 4, body.length + 4)
}

export function statusPacket(id: number, code: number, text: string): Buffer {
  return framed(message(fxp.status, id, code, text, 'en'))
}
