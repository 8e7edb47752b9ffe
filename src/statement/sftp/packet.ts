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

/** Packets out of a byte stream; each is the body: a type byte and its fields. What a packet lacks yet has one buffer, in however small pieces it comes. */
export class Frames {
  #chunk: Buffer = none
  /** The packet that came in part, with its length, and how much of it there is. */
  #begun: Buffer | undefined
  readonly #lead = Buffer.alloc(4)
  #have = 0

  /** What has not been looked at yet. */
  get left(): number {
    return this.#chunk.length
  }

  /** To be called when {@link next} has nothing more to give. */
  push(chunk: Buffer): void {
    this.#chunk = chunk
  }

  next(): Buffer | undefined {
    if (this.#begun === undefined && this.#have === 0 && this.#chunk.length >= 4) {
      const size = 4 + lengthOf(this.#chunk)
      // Whole, as it almost always is: nothing is copied.
      if (this.#chunk.length >= size) return this.#taken(size).subarray(4)
    }
    if (this.#begun === undefined && !this.#begin()) return undefined
    const packet = this.#begun
    if (packet === undefined || !this.#fill(packet)) return undefined
    this.#begun = undefined
    this.#have = 0
    return packet.subarray(4)
  }

  /** Knows the length of the packet that begins. */
  #begin(): boolean {
    if (!this.#fill(this.#lead)) return false
    this.#begun = Buffer.allocUnsafe(4 + lengthOf(this.#lead))
    this.#begun.set(this.#lead)
    return true
  }

  #fill(into: Buffer): boolean {
    const taken = this.#taken(Math.min(into.length - this.#have, this.#chunk.length))
    into.set(taken, this.#have)
    this.#have += taken.length
    return this.#have === into.length
  }

  #taken(bytes: number): Buffer {
    const taken = this.#chunk.subarray(0, bytes)
    this.#chunk = this.#chunk.subarray(bytes)
    return taken
  }
}

const none = Buffer.alloc(0)

function lengthOf(head: Buffer): number {
  const length = head.readUInt32BE(0)
  if (length === 0 || length > maxPacketBytes) throw new Malformed("an sftp packet's length")
  return length
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
