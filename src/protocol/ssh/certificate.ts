/**
 * OpenSSH certificates (PROTOCOL.certkeys): written, read, and judged. Pure.
 *
 * Judged as strictly as can be: the authority is one bare key of our own, never another certificate (CVE-2025-49825);
 * principals match whole and exactly (CVE-2026-35414), and none at all means nobody; what is critical and unknown is
 * refused; the validity is a half-open interval in seconds.
 */
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import type { CertificateAuthority } from '../protocol.ts'
import { isSignedBy, keyOf, keyTypes, type PublicKey, publicKeyOf, signatures } from './signature.ts'

const suffix = '-cert-v01@openssh.com'
/** Longest that is read: generous for what anybody issues. */
const maxBytes = 16_384
const maxEntries = 256

export type Kind = 'user' | 'host'

export interface Certificate {
  /** The type of the key inside, without the suffix. */
  readonly type: string
  readonly key: PublicKey
  /** The key inside as a blob of its own. */
  readonly keyBlob: Buffer
  readonly serial: bigint
  readonly kind: Kind
  readonly keyId: string
  readonly principals: readonly string[]
  /** Seconds since 1970: valid from the first, no longer at the second. */
  readonly after: bigint
  readonly before: bigint
  readonly critical: ReadonlyMap<string, string>
  readonly extensions: ReadonlyMap<string, string>
}

export interface CertificateText {
  readonly kind: Kind
  /** The key that it is for, as a blob. */
  readonly keyBlob: Uint8Array
  readonly keyId: string
  readonly serial: bigint
  readonly principals: readonly string[]
  readonly after: number
  readonly before: number
  readonly critical?: Readonly<Record<string, string>>
  readonly extensions?: readonly string[]
}

/** `ssh-ed25519-cert-v01@openssh.com` of `ssh-ed25519`. */
export function certificateType(keyType: string): string {
  return keyType + suffix
}

/** How a key of this type signs when it is shown inside a certificate. */
export function certificateAlgorithms(keyType: string): readonly string[] {
  return signatures(keyType).map(certificateType)
}

/** The signature's own algorithm, of a certificate algorithm's name; nothing where it is not one. */
export function plainAlgorithm(algorithm: string): string | undefined {
  return algorithm.endsWith(suffix) ? algorithm.slice(0, -suffix.length) : undefined
}

export function issue(text: CertificateText, authority: CertificateAuthority, nonce: Uint8Array): Buffer {
  const key = new Reader(text.keyBlob)
  const type = key.bytes().toString('latin1')
  const principals = text.principals.map(name => {
    // CVE-2026-35414: there are no separators in what we sign.
    if (name === '' || /[\s,\0]/.test(name)) throw new TypeError('a principal with a separator')
    return name
  })
  if (principals.length === 0) throw new TypeError('a certificate for nobody, which some take for everybody')
  const unsigned = message(
    0,
    certificateType(type),
    nonce,
    { raw: key.rest() },
    text.serial,
    text.kind === 'user' ? 1 : 2,
    text.keyId,
    strings(principals),
    BigInt(text.after),
    BigInt(text.before),
    options(Object.entries(text.critical ?? {})),
    options((text.extensions ?? []).map(name => [name, ''])),
    '',
    authority.blob,
  ).subarray(1)
  const [algorithm = authority.type] = signatures(authority.type)
  return Buffer.concat([unsigned, message(0, authority.sign(algorithm, unsigned)).subarray(1)])
}

/** Options and extensions stand in the order of their names, each at most once. */
function options(entries: readonly (readonly [string, string])[]): Buffer {
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Buffer.concat(
    sorted.map(([name, value]) =>
      message(0, name, value === '' ? '' : message(0, value).subarray(1)).subarray(1),
    ),
  )
}

function strings(values: readonly string[]): Buffer {
  return Buffer.concat(values.map(value => message(0, value).subarray(1)))
}

/**
 * Reads one of this authority's, a blob, and verifies its signature. Throws {@link Malformed}. Whoever is not trusted is not
 * verified: a stranger's key costs as much as its owner likes (attack 190).
 */
export function readCertificate(blob: Uint8Array, authority: Uint8Array): Certificate {
  if (blob.length > maxBytes) throw new Malformed('certificate')
  const fields = new Reader(blob)
  const type = plainAlgorithm(fields.bytes().toString('latin1'))
  if (type === undefined || !keyTypes.includes(type)) throw new Malformed('certificate type')
  fields.bytes()
  const from = fields.at
  const key = { type, key: keyOf(type, fields) }
  const keyBlob = message(0, type, { raw: blob.subarray(from, fields.at) }).subarray(1)
  const serial = fields.u64()
  const kindNumber = fields.u32()
  if (kindNumber !== 1 && kindNumber !== 2) throw new Malformed('certificate kind')
  const keyId = fields.text()
  const principals = readStrings(fields.bytes())
  const after = fields.u64()
  const before = fields.u64()
  const critical = readOptions(fields.bytes())
  const extensions = readOptions(fields.bytes())
  fields.bytes()
  const named = fields.bytes()
  const signed = blob.subarray(0, fields.at)
  const signature = fields.bytes()
  fields.end()
  if (Buffer.compare(named, authority) !== 0) throw new Malformed('signed by another authority')
  // A certificate cannot be an authority: only a bare key parses here (CVE-2025-49825).
  const signer = publicKeyOf(authority)
  const algorithm = new Reader(signature).bytes().toString('latin1')
  if (!isSignedBy(signer, algorithm, signed, signature)) throw new Malformed('certificate signature')
  const kind = kindNumber === 1 ? 'user' : 'host'
  const names = { serial, kind, keyId, principals, after, before } as const
  return { type, key, keyBlob, ...names, critical, extensions }
}

function readStrings(bytes: Buffer): readonly string[] {
  const fields = new Reader(bytes)
  const found: string[] = []
  while (fields.left > 0) {
    if (found.length >= maxEntries) throw new Malformed('principals')
    found.push(fields.text())
  }
  return found
}

function readOptions(bytes: Buffer): ReadonlyMap<string, string> {
  const fields = new Reader(bytes)
  const found = new Map<string, string>()
  let last: string | undefined
  while (fields.left > 0) {
    const name = fields.text()
    // In order, hence each once: of two that differ nobody could say which one counts.
    if (found.size >= maxEntries || (last !== undefined && name <= last))
      throw new Malformed('certificate options')
    const value = fields.bytes()
    const inside = new Reader(value)
    found.set(name, value.length === 0 ? '' : inside.text())
    if (value.length > 0) inside.end()
    last = name
  }
  return found
}

export interface Wanted {
  readonly kind: Kind
  readonly principal: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** Critical options that the caller sees to; every other is refused. */
  readonly critical: readonly string[]
}

/** Why this certificate is not good for that; nothing where it is. */
export function problemOf(certificate: Certificate, wanted: Wanted): string | undefined {
  if (certificate.kind !== wanted.kind) return `a ${certificate.kind} certificate`
  if (!certificate.principals.includes(wanted.principal)) return 'for other principals'
  const seconds = BigInt(Math.floor(wanted.now / 1000))
  if (seconds < certificate.after) return 'not valid yet'
  if (seconds >= certificate.before) return 'no longer valid'
  for (const name of certificate.critical.keys())
    if (!wanted.critical.includes(name)) return `critical option ${JSON.stringify(name.slice(0, 64))}`
  return undefined
}
