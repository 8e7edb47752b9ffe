/**
 * How two sides come to a secret that nobody else knows: X25519 (RFC 8731), X25519 with ML-KEM-768 beside it
 * (mlkem768x25519-sha256: safe as long as either holds), ECDH over NIST's curves (RFC 5656). All of it is Node's own
 * cryptography; here is only what goes where.
 *
 * A public value of the wrong size, off its curve, or one that forces the secret to zero is refused.
 */
import {
  createECDH,
  createPublicKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  generateKeyPairSync,
  hash,
  type KeyObject,
} from 'node:crypto'
import { Malformed, message } from '../../statement/sftp/fields.ts'

export interface Agreed {
  /** What goes back to whoever asked. */
  readonly answer: Buffer
  /** K as it enters the exchange hash and the keys: an mpint, or a string with the hybrid. */
  readonly secret: Buffer
}

export interface Agreement {
  readonly digest: 'sha256' | 'sha384' | 'sha512'
  /** The client's first step: what it sends, and how it turns the answer into the secret. */
  ask(): { readonly offer: Buffer; finish(answer: Buffer): Buffer }
  /** The server's one step. */
  answer(offer: Buffer): Agreed
}

const x25519Bytes = 32
const mlkemKeyBytes = 1184
const mlkemTextBytes = 1088

const curve25519: Agreement = {
  digest: 'sha256',
  ask() {
    const own = generateKeyPairSync('x25519')
    return { offer: rawOf(own.publicKey), finish: theirs => mpint(x25519(own.privateKey, theirs)) }
  },
  answer(theirs) {
    const own = generateKeyPairSync('x25519')
    return { answer: rawOf(own.publicKey), secret: mpint(x25519(own.privateKey, theirs)) }
  },
}

/** draft-ietf-sshm-mlkem-hybrid-kex: both secrets, ML-KEM's first, hashed into one. */
const mlkem768x25519: Agreement = {
  digest: 'sha256',
  ask() {
    const classic = generateKeyPairSync('x25519')
    const lattice = generateKeyPairSync('ml-kem-768')
    return {
      offer: Buffer.concat([rawOf(lattice.publicKey), rawOf(classic.publicKey)]),
      finish(answer) {
        const [text, point] = halves(answer, mlkemTextBytes)
        return both(decapsulate(lattice.privateKey, text), x25519(classic.privateKey, point))
      },
    }
  },
  answer(offer) {
    const [theirs, point] = halves(offer, mlkemKeyBytes)
    const key = imported(theirs, 'ml-kem-768')
    const { sharedKey, ciphertext } = encapsulate(key)
    const classic = generateKeyPairSync('x25519')
    return {
      answer: Buffer.concat([ciphertext, rawOf(classic.publicKey)]),
      secret: both(sharedKey, x25519(classic.privateKey, point)),
    }
  },
}

export const agreements: Readonly<Record<string, Agreement>> = {
  'mlkem768x25519-sha256': mlkem768x25519,
  'curve25519-sha256': curve25519,
  'curve25519-sha256@libssh.org': curve25519,
  'ecdh-sha2-nistp256': ecdh('prime256v1', 'sha256'),
  'ecdh-sha2-nistp384': ecdh('secp384r1', 'sha384'),
  'ecdh-sha2-nistp521': ecdh('secp521r1', 'sha512'),
}

function ecdh(curve: string, digest: Agreement['digest']): Agreement {
  return {
    digest,
    ask() {
      const own = createECDH(curve)
      return { offer: own.generateKeys(), finish: theirs => mpint(own.computeSecret(theirs)) }
    },
    answer(theirs) {
      const own = createECDH(curve)
      return { answer: own.generateKeys(), secret: mpint(own.computeSecret(theirs)) }
    },
  }
}

function halves(bytes: Buffer, first: number): readonly [Buffer, Buffer] {
  if (bytes.length !== first + x25519Bytes) throw new Malformed('hybrid key exchange')
  return [bytes.subarray(0, first), bytes.subarray(first)]
}

/** OpenSSL refuses a point of small order, whose secret would be zero. */
function x25519(own: KeyObject, theirs: Buffer): Buffer {
  if (theirs.length !== x25519Bytes) throw new Malformed('X25519 point')
  return diffieHellman({ privateKey: own, publicKey: imported(theirs, 'x25519') })
}

function both(lattice: Buffer, classic: Buffer): Buffer {
  return message(0, hash('sha256', Buffer.concat([lattice, classic]), 'buffer')).subarray(1)
}

function rawOf(key: KeyObject): Buffer {
  return key.export({ format: 'raw-public' })
}

function imported(raw: Buffer, type: 'x25519' | 'ml-kem-768'): KeyObject {
  return createPublicKey({ key: raw, format: 'raw-public', asymmetricKeyType: type })
}

/** RFC 4251 section 5: the shortest form that cannot be read as negative. */
export function mpint(value: Uint8Array): Buffer {
  let from = 0
  while (from < value.length && value[from] === 0) from++
  const short = value.subarray(from)
  const sign = (short[0] ?? 0) & 0x80 ? [0] : []
  return message(0, Buffer.concat([Buffer.from(sign), short])).subarray(1)
}
