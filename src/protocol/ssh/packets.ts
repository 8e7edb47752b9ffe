/**
 * Packets (RFC 4253 section 6) under a cipher: AES-GCM (RFC 5647, as OpenSSH does it), ChaCha20-Poly1305 (`chacha.ts`),
 * AES-CTR with a MAC over the ciphertext, and nothing at all until the first keys are there. Sizes are checked before
 * anything is gathered.
 *
 * Made for data that passes through: what is sealed is never copied together first, and comes out in pieces.
 */
import { createCipheriv, createDecipheriv, createHmac, type Decipheriv, timingSafeEqual } from 'node:crypto'
import { Malformed } from '../../statement/sftp/fields.ts'
import { chacha, openChaCha, sealChaCha } from './chacha.ts'
import { laidOut, lengthBytes, measured, type Opener, payloadOf, type Sealer } from './layout.ts'
import type { Payload } from './messages.ts'

const tagBytes = 16

export interface CipherKind {
  readonly keyBytes: number
  readonly ivBytes: number
  /** With one of {@link macs} beside it. */
  readonly mac: boolean
}

const gcm = (keyBytes: number): CipherKind => ({ keyBytes, ivBytes: 12, mac: false })
const ctr = (keyBytes: number): CipherKind => ({ keyBytes, ivBytes: 16, mac: true })

export const ciphers: Readonly<Record<string, CipherKind>> = {
  'aes128-gcm@openssh.com': gcm(16),
  'aes256-gcm@openssh.com': gcm(32),
  [chacha]: { keyBytes: 64, ivBytes: 0, mac: false },
  'aes128-ctr': ctr(16),
  'aes192-ctr': ctr(24),
  'aes256-ctr': ctr(32),
}

export const macs: Readonly<Record<string, { readonly digest: string; readonly bytes: number }>> = {
  'hmac-sha2-256-etm@openssh.com': { digest: 'sha256', bytes: 32 },
  'hmac-sha2-512-etm@openssh.com': { digest: 'sha512', bytes: 64 },
}

export interface Keys {
  readonly cipher: string
  readonly mac: string
  readonly key: Buffer
  readonly iv: Buffer
  readonly macKey: Buffer
}

export function sealerOf(keys: Keys): Sealer {
  if (keys.cipher === chacha) return sealChaCha(keys.key)
  return ciphers[keys.cipher]?.mac === true ? new CtrSealer(keys) : new GcmSealer(keys)
}

export function openerOf(keys: Keys): Opener {
  if (keys.cipher === chacha) return openChaCha(keys.key)
  return ciphers[keys.cipher]?.mac === true ? new CtrOpener(keys) : new GcmOpener(keys)
}

/** Until the first key exchange. */
export const plain: Sealer & Opener = {
  seal(payload, _sequence, out) {
    const { length, pieces } = laidOut(payload, 8, lengthBytes)
    out(length)
    for (const piece of pieces) out(piece)
  },
  measure(length) {
    return measured(length, length + lengthBytes, 8)
  },
  open: packet => payloadOf(packet.subarray(lengthBytes)),
}

class GcmSealer implements Sealer {
  readonly #name: 'aes-128-gcm' | 'aes-256-gcm'
  readonly #key: Buffer
  readonly #iv: Buffer

  constructor({ key, iv }: Keys) {
    this.#name = key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm'
    this.#key = key
    this.#iv = Buffer.from(iv)
  }

  seal(payload: Payload, _sequence: number, out: (piece: Uint8Array) => void): void {
    const { length, pieces } = laidOut(payload, 16, 0)
    const cipher = createCipheriv(this.#name, this.#key, this.#iv)
    cipher.setAAD(length)
    out(length)
    for (const piece of pieces) out(cipher.update(piece))
    cipher.final()
    out(cipher.getAuthTag())
    countUp(this.#iv)
  }
}

class GcmOpener implements Opener {
  readonly #name: 'aes-128-gcm' | 'aes-256-gcm'
  readonly #key: Buffer
  readonly #iv: Buffer

  constructor({ key, iv }: Keys) {
    this.#name = key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm'
    this.#key = key
    this.#iv = Buffer.from(iv)
  }

  measure(length: number): number {
    return measured(length, length, 16) + tagBytes
  }

  open(packet: Buffer): Buffer {
    const end = packet.length - tagBytes
    const decipher = createDecipheriv(this.#name, this.#key, this.#iv, { authTagLength: tagBytes })
    decipher.setAAD(packet.subarray(0, lengthBytes))
    decipher.setAuthTag(packet.subarray(end))
    const opened = decipher.update(packet.subarray(lengthBytes, end))
    decipher.final()
    countUp(this.#iv)
    return payloadOf(opened)
  }
}

class CtrSealer implements Sealer {
  readonly #cipher
  readonly #keys: Keys

  constructor(keys: Keys) {
    this.#keys = keys
    this.#cipher = createCipheriv(`aes-${keys.key.length * 8}-ctr`, keys.key, keys.iv)
  }

  seal(payload: Payload, sequence: number, out: (piece: Uint8Array) => void): void {
    const { length, pieces } = laidOut(payload, 16, 0)
    const mac = macOf(this.#keys, sequence)
    const send = (piece: Uint8Array) => {
      mac.update(piece)
      out(piece)
    }
    send(length)
    for (const piece of pieces) send(this.#cipher.update(piece))
    out(mac.digest())
  }
}

class CtrOpener implements Opener {
  readonly #decipher: Decipheriv
  readonly #keys: Keys
  readonly #macBytes: number

  constructor(keys: Keys) {
    this.#keys = keys
    this.#macBytes = macs[keys.mac]?.bytes ?? 0
    this.#decipher = createDecipheriv(`aes-${keys.key.length * 8}-ctr`, keys.key, keys.iv)
  }

  measure(length: number): number {
    return measured(length, length, 16) + this.#macBytes
  }

  open(packet: Buffer, sequence: number): Buffer {
    const end = packet.length - this.#macBytes
    const wanted = macOf(this.#keys, sequence).update(packet.subarray(0, end)).digest()
    if (!timingSafeEqual(wanted, packet.subarray(end))) throw new Malformed('MAC')
    return payloadOf(this.#decipher.update(packet.subarray(lengthBytes, end)))
  }
}

function macOf({ mac, macKey }: Keys, sequence: number) {
  const number = Buffer.allocUnsafe(4)
  number.writeUInt32BE(sequence)
  return createHmac(macs[mac]?.digest ?? '', macKey).update(number)
}

/** RFC 5647 section 7.1: the last eight bytes are a counter. A key is changed long before it could come round. */
function countUp(iv: Buffer): void {
  for (let at = 11; at >= 4; at--) {
    const next = ((iv[at] ?? 0) + 1) & 0xff
    iv[at] = next
    if (next !== 0) return
  }
}
