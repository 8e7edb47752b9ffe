/** How a packet is laid out (RFC 4253 section 6), whatever seals it; and what seals and opens one. */
import { randomFillSync } from 'node:crypto'
import { Malformed } from '../../statement/sftp/fields.ts'
import type { Payload } from './messages.ts'

export interface Sealer {
  /** `sequence` is the packet's number; the pieces go to `out` in their order. */
  seal(payload: Payload, sequence: number, out: (piece: Uint8Array) => void): void
}

export interface Opener {
  /** What the whole packet measures, from its first {@link lengthBytes} as they came. Throws for a size that cannot be. */
  measure(lead: number, sequence: number): number
  /** The payload: a buffer of its own, or a view of `packet`. Throws if anything was altered. */
  open(packet: Buffer, sequence: number): Buffer
}

export const lengthBytes = 4
/** RFC 4253 section 6.1: what everybody takes. Ours carry 32 KiB of data at most. */
const maxPacketBytes = 35_000

/** Data up to here is copied: each piece costs a cipher's call, and most packets are small. */
const smallData = 2048

/**
 * The length; then padding's length, the payload and its padding to a whole block, four bytes or more. In one piece, but for
 * data that came apart and is too large to copy.
 */
export function laidOut(payload: Payload, block: number, counted: number) {
  const [front, data] = payload instanceof Uint8Array ? [payload, undefined] : payload
  const size = 1 + front.length + (data?.length ?? 0)
  let pad = block - ((size + counted) % block)
  if (pad < 4) pad += block
  const apart = data !== undefined && data.length > smallData
  const packet = Buffer.allocUnsafe(lengthBytes + (apart ? 1 + front.length : size + pad))
  packet.writeUInt32BE(size + pad)
  packet[lengthBytes] = pad
  packet.set(front, lengthBytes + 1)
  const length = packet.subarray(0, lengthBytes)
  const body = packet.subarray(lengthBytes)
  if (apart) return { length, pieces: [body, data, noise(pad)] }
  if (data !== undefined) body.set(data, 1 + front.length)
  body.set(noise(pad), size)
  return { length, pieces: [body] }
}

let pool = Buffer.alloc(0)
/** Padding only: nothing secret comes from here. */
function noise(size: number): Buffer {
  if (pool.length < size) pool = randomFillSync(Buffer.allocUnsafe(4096))
  const bytes = pool.subarray(0, size)
  pool = pool.subarray(size)
  return bytes
}

export function measured(length: number, aligned: number, block: number): number {
  if (length < 8 || length > maxPacketBytes - lengthBytes || aligned % block !== 0)
    throw new Malformed('packet length')
  return lengthBytes + length
}

export function payloadOf(packet: Buffer): Buffer {
  const pad = packet[0] ?? 0
  // One byte of payload at least: its type.
  if (pad < 4 || pad > packet.length - 2) throw new Malformed('padding')
  return packet.subarray(1, packet.length - pad)
}
