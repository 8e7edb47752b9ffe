/**
 * The gateway's own certificate authority: it certifies the gateway's host key, and the key of a grant for as long as the
 * grant lives. A certificate opens nothing by itself: at the door the grant is looked up, and must name this very key.
 */
import { randomBytes } from 'node:crypto'
import { type Refused, refuse } from '../../denial.ts'
import { Malformed } from '../../statement/sftp/fields.ts'
import type { Grant } from '../../words.ts'
import type { CertificateAuthority } from '../protocol.ts'
import { certificateType, issue, problemOf, readCertificate } from './certificate.ts'
import { loadKey } from './hostkey.ts'
import { publicKey } from './publickey.ts'
import type { SshScope } from './scope.ts'
import { type Signer, signerOf } from './signature.ts'
import { isWithin } from './sources.ts'

const day = 86_400_000
/** A host certificate lives a week and is renewed every day; clients' clocks may be an hour behind. */
const hostMillis = 7 * day
const slack = 3_600_000

export async function loadAuthority(dataFolder: string): Promise<Signer> {
  const key = signerOf((await loadKey(dataFolder, 'ssh_ca_ed25519')).private)
  if (key === undefined) throw new Error('data/keys/ssh_ca_ed25519 is not an SSH private key')
  return key
}

interface HostCertificates {
  /** `type base64`. */
  readonly hostKey: string
  readonly authority: CertificateAuthority
  /** The name by which clients know the door. */
  readonly host: () => string | undefined
  readonly now: () => number
}

export function hostCertificates({ hostKey, authority, host, now }: HostCertificates): () => Buffer {
  const keyBlob = Buffer.from(hostKey.split(' ')[1] ?? '', 'base64')
  let made: { readonly at: number; readonly name: string; readonly certificate: Buffer } | undefined
  return () => {
    const name = host() ?? 'localhost'
    const at = now()
    if (made === undefined || made.name !== name || at - made.at > day || at < made.at) {
      const certificate = issue(
        {
          kind: 'host',
          keyBlob,
          keyId: `postern ${name}`,
          serial: randomBytes(8).readBigUInt64BE(),
          principals: [name],
          after: seconds(at - slack),
          before: seconds(at + hostMillis),
        },
        authority,
        randomBytes(32),
      )
      made = { at, name, certificate }
    }
    return made.certificate
  }
}

/** For the key that the grant was asked for with; nothing where that cannot be read any more. */
export function userCertificate(
  grant: Grant,
  scope: SshScope,
  authority: CertificateAuthority,
  sources: readonly string[] | undefined,
): string | undefined {
  const keyBlob = publicKey(grant.request.publicKey ?? '')
  if (!(keyBlob instanceof Uint8Array)) return undefined
  const certificate = issue(
    {
      kind: 'user',
      keyBlob,
      keyId: grant.id,
      serial: randomBytes(8).readBigUInt64BE(),
      principals: [grant.id],
      after: seconds(grant.activatedAt ?? grant.issuedAt),
      before: Math.ceil(grant.expiresAt / 1000),
      ...(sources === undefined ? {} : { critical: { 'source-address': sources.join(',') } }),
      extensions: [
        ...(scope.pty ? ['permit-pty'] : []),
        ...(scope.forward.length > 0 ? ['permit-port-forwarding'] : []),
      ],
    },
    authority,
    randomBytes(32),
  )
  const [type = ''] = (grant.request.publicKey ?? '').split(' ')
  return `${certificateType(type)} ${certificate.toString('base64')} ${grant.id}`
}

export interface Showing {
  /** The authority's bare key; nothing where the door takes no certificates. */
  readonly authority: Uint8Array | undefined
  readonly user: string
  readonly source: string
  readonly now: number
}

/** The key inside a certificate that is good for this user, here and now; its signature is the caller's to check. */
export function certified(blob: Uint8Array, at: Showing): Uint8Array | Refused {
  const no = (why: string) => refuse('grant_unknown', `certificate: ${why}`)
  if (at.authority === undefined) return no('none is taken here')
  try {
    const certificate = readCertificate(blob, at.authority)
    const problem = problemOf(certificate, {
      kind: 'user',
      principal: at.user,
      now: at.now,
      critical: ['source-address'],
    })
    if (problem !== undefined) return no(problem)
    const sources = certificate.critical.get('source-address')
    if (sources !== undefined && !isWithin(at.source, sources.split(','))) return no(`not from ${at.source}`)
    return certificate.keyBlob
  } catch (error) {
    if (error instanceof Malformed) return no(error.message)
    throw error
  }
}

function seconds(millis: number): number {
  return Math.floor(millis / 1000)
}
