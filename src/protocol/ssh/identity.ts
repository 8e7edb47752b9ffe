/**
 * How a host is known: by a bare key, or by a certificate of an authority. The gateway's own, shown to clients; and what
 * the hosts behind it are held to. There is no trust on first use (attack 129).
 */
import { timingSafeEqual } from 'node:crypto'
import { Malformed } from '../../statement/sftp/fields.ts'
import { certificateAlgorithms, plainAlgorithm, problemOf, readCertificate } from './certificate.ts'
import type { HostProof, HostTrust } from './exchange.ts'
import { isSignedBy, keyTypes, publicKeyOf, type Signer, signatures } from './signature.ts'

/** What the gateway shows: its key, and beside it a certificate for those who trust its authority instead. */
export function proofOf(key: Signer, certificate?: Buffer): HostProof {
  const plain = signatures(key.type)
  return {
    algorithms: certificate === undefined ? plain : [...certificateAlgorithms(key.type), ...plain],
    shown: algorithm =>
      plainAlgorithm(algorithm) === undefined || certificate === undefined ? key.blob : certificate,
    sign: (algorithm, hash) => key.sign(plainAlgorithm(algorithm) ?? algorithm, hash),
  }
}

/** One key, byte for byte. */
export function pinned(blob: Uint8Array): HostTrust {
  const key = publicKeyOf(blob)
  return {
    algorithms: signatures(key.type),
    check(algorithm, shown, hash, signature) {
      if (shown.length !== blob.length || !timingSafeEqual(shown, blob)) throw new Malformed('host key')
      if (!isSignedBy(key, algorithm, hash, signature)) throw new Malformed('host signature')
    },
  }
}

/** Any key with a certificate of this authority's for this name. */
export function certifiedBy(authority: Uint8Array, name: string, now: () => number): HostTrust {
  return {
    algorithms: keyTypes.flatMap(certificateAlgorithms),
    check(algorithm, shown, hash, signature) {
      const certificate = readCertificate(shown)
      const wanted = { kind: 'host', authority, principal: name, now: now(), critical: [] } as const
      const problem = problemOf(certificate, wanted)
      if (problem !== undefined) throw new Malformed(`host certificate: ${problem}`)
      if (!isSignedBy(certificate.key, plainAlgorithm(algorithm) ?? '', hash, signature))
        throw new Malformed('host signature')
    },
  }
}
