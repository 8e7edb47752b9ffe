/**
 * Keys and signatures as SSH writes them (RFC 4253 section 6.6, 5656, 8332, 8709), on Node's own cryptography. A public
 * key is read strictly: its type, exactly its parts, nothing after them. RSA signs with SHA-2 alone.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import ssh2 from 'ssh2'
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import { mpint } from './agreement.ts'

/** The safest first. */
export const keyTypes = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
]

/** To verify by a key takes longer the longer it is and its exponent: 1 ms at these, 6 ms at OpenSSL's own. */
export const maxRsaBits = 8192
const maxExponentBytes = 4

const curves: Readonly<Record<string, { readonly curve: string; readonly bytes: number }>> = {
  nistp256: { curve: 'P-256', bytes: 32 },
  nistp384: { curve: 'P-384', bytes: 48 },
  nistp521: { curve: 'P-521', bytes: 66 },
}

const digests: Readonly<Record<string, string>> = {
  'rsa-sha2-512': 'sha512',
  'rsa-sha2-256': 'sha256',
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
}

/** The signature algorithms that a key of this type may sign with. */
export function signatures(keyType: string): readonly string[] {
  return keyType === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [keyType]
}

export interface PublicKey {
  readonly type: string
  readonly key: KeyObject
}

/** Throws {@link Malformed} for anything that is not exactly one public key. */
export function publicKeyOf(blob: Uint8Array): PublicKey {
  const fields = new Reader(blob)
  const type = fields.bytes().toString('latin1')
  if (!keyTypes.includes(type)) throw new Malformed('key type')
  const key = keyOf(type, fields)
  fields.end()
  return { type, key }
}

/** Reads a key's own parts, after its type: also inside a certificate. */
export function keyOf(type: string, fields: Reader): KeyObject {
  try {
    if (type === 'ssh-ed25519')
      return createPublicKey({ key: fields.bytes(), format: 'raw-public', asymmetricKeyType: 'ed25519' })
    if (type === 'ssh-rsa') {
      const [e, n] = [fields.bytes(), fields.bytes()]
      const [exponent, modulus] = [unsigned(e), unsigned(n)]
      if (modulus.length > maxRsaBits / 8 || exponent.length > maxExponentBytes)
        throw new Malformed('RSA key')
      const jwk = { kty: 'RSA', e: exponent.toString('base64url'), n: modulus.toString('base64url') }
      return createPublicKey({ key: jwk, format: 'jwk' })
    }
    return ecdsaKey(type, fields)
  } catch (error) {
    if (error instanceof Malformed) throw error
    throw new Malformed('public key')
  }
}

function ecdsaKey(type: string, fields: Reader): KeyObject {
  const name = fields.bytes().toString('latin1')
  const known = curves[name]
  const point = fields.bytes()
  if (known === undefined || type !== `ecdsa-sha2-${name}` || point.length !== 1 + 2 * known.bytes)
    throw new Malformed('ECDSA key')
  if (point[0] !== 4) throw new Malformed('ECDSA point')
  const x = point.subarray(1, 1 + known.bytes).toString('base64url')
  const y = point.subarray(1 + known.bytes).toString('base64url')
  return createPublicKey({ key: { kty: 'EC', crv: known.curve, x, y }, format: 'jwk' })
}

/** `signature` is the whole string of the message: an algorithm and a value. Whether it is good, and of this algorithm. */
export function isSignedBy(
  { type, key }: PublicKey,
  algorithm: string,
  covered: Uint8Array,
  signature: Uint8Array,
): boolean {
  const fields = new Reader(signature)
  if (!signatures(type).includes(algorithm) || fields.bytes().toString('latin1') !== algorithm) return false
  const value = fields.bytes()
  fields.end()
  if (!type.startsWith('ecdsa-')) return verify(digests[algorithm], covered, key, value)
  const size = curves[type.slice('ecdsa-sha2-'.length)]?.bytes ?? 0
  const parts = new Reader(value)
  const raw = Buffer.concat([fixed(parts.bytes(), size), fixed(parts.bytes(), size)])
  parts.end()
  return verify(digests[algorithm], covered, { key, dsaEncoding: 'ieee-p1363' }, raw)
}

export interface Signer {
  readonly type: string
  /** The public key as it crosses the wire. */
  readonly blob: Buffer
  /** The whole string: algorithm and value. */
  sign(algorithm: string, covered: Uint8Array): Buffer
}

/** A private key in OpenSSH's, PEM's or PuTTY's form; nothing where it cannot be read with this passphrase. */
export function signerOf(text: string, passphrase?: string): Signer | undefined {
  const parsed = ssh2.utils.parseKey(text, passphrase)
  if (parsed instanceof Error) return undefined
  const [key] = [parsed].flat()
  if (key === undefined || !key.isPrivateKey() || !keyTypes.includes(key.type)) return undefined
  return new KeySigner(key.type, key.getPublicSSH(), createPrivateKey(key.getPrivatePEM()))
}

class KeySigner implements Signer {
  readonly type: string
  readonly blob: Buffer
  readonly #key: KeyObject

  constructor(type: string, blob: Buffer, key: KeyObject) {
    this.type = type
    this.blob = blob
    this.#key = key
  }

  sign(algorithm: string, covered: Uint8Array): Buffer {
    if (!signatures(this.type).includes(algorithm))
      throw new TypeError(`${this.type} does not sign ${algorithm}`)
    return message(0, algorithm, this.#value(algorithm, covered)).subarray(1)
  }

  #value(algorithm: string, covered: Uint8Array): Buffer {
    if (!this.type.startsWith('ecdsa-')) return sign(digests[algorithm], covered, this.#key)
    const raw = sign(digests[algorithm], covered, { key: this.#key, dsaEncoding: 'ieee-p1363' })
    const half = raw.length / 2
    return Buffer.concat([mpint(raw.subarray(0, half)), mpint(raw.subarray(half))])
  }
}

function unsigned(number: Buffer): Buffer {
  return number[0] === 0 ? number.subarray(1) : number
}

/** An mpint at a fixed length. */
function fixed(number: Buffer, size: number): Buffer {
  const short = unsigned(number)
  if (short.length > size) throw new Malformed('signature')
  return Buffer.concat([Buffer.alloc(size - short.length), short])
}
