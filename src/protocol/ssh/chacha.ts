/**
 * chacha20-poly1305@openssh.com (OpenSSH's PROTOCOL.chacha20poly1305): not RFC 8439's construction. Of the 64 bytes of key
 * the second half hides the packet's length, the first half its rest; block 0 of the latter is the key of a Poly1305 over
 * both ciphertexts. The nonce is the packet's number.
 *
 * With a peer that is not strict it is what Terrapin breaks, for its nonce is no more than that number (CVE-2023-48795):
 * `negotiation.ts` ends such a connection.
 */
import { createCipheriv, createMac, timingSafeEqual } from 'node:crypto'
import { Malformed } from '../../statement/sftp/fields.ts'
import { laidOut, lengthBytes, measured, type Opener, payloadOf, type Sealer } from './layout.ts'

/** The pinned Node has it, its types lag behind. */
declare module 'node:crypto' {
  interface Mac {
    update(data: Uint8Array): this
    final(): Buffer
  }
  function createMac(algorithm: 'poly1305', key: Uint8Array): Mac
}

export const chacha = 'chacha20-poly1305@openssh.com'

const tagBytes = 16
const block = 8
/** One block of ChaCha20: its first half is Poly1305's key, the rest is not used. */
const firstBlock = Buffer.alloc(64)

export function sealChaCha(key: Buffer): Sealer {
  return {
    seal(payload, sequence, out) {
      const { length, pieces } = laidOut(payload, block, 0)
      const { stream, mac } = bodyOf(key, sequence)
      const send = (piece: Uint8Array) => {
        mac.update(piece)
        out(piece)
      }
      send(lengthStream(key, sequence).update(length))
      for (const piece of pieces) send(stream.update(piece))
      out(mac.final())
    },
  }
}

export function openChaCha(key: Buffer): Opener {
  const lead = Buffer.alloc(lengthBytes)
  return {
    measure(hidden, sequence) {
      lead.writeUInt32BE(hidden)
      const length = lengthStream(key, sequence).update(lead).readUInt32BE()
      return measured(length, length, block) + tagBytes
    },
    open(packet, sequence) {
      const end = packet.length - tagBytes
      const { stream, mac } = bodyOf(key, sequence)
      const wanted = mac.update(packet.subarray(0, end)).final()
      if (!timingSafeEqual(wanted, packet.subarray(end))) throw new Malformed('tag')
      return payloadOf(stream.update(packet.subarray(lengthBytes, end)))
    },
  }
}

function bodyOf(key: Buffer, sequence: number) {
  const stream = createCipheriv('chacha20', key.subarray(0, 32), nonce(sequence))
  const mac = createMac('poly1305', stream.update(firstBlock).subarray(0, 32))
  return { stream, mac }
}

function lengthStream(key: Buffer, sequence: number) {
  return createCipheriv('chacha20', key.subarray(32), nonce(sequence))
}

/** OpenSSL's IV: 64 bits of block counter, then D. J. Bernstein's nonce of 64 bits. */
function nonce(sequence: number): Buffer {
  const iv = Buffer.alloc(16)
  iv.writeUInt32BE(sequence, 12)
  return iv
}
