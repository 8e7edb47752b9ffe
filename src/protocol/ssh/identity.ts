/**
 * How a host is known: by a bare key, or by a certificate of an authority. The gateway's own, shown to clients; and what
 * the hosts behind it are held to. There is no trust on first use (attack 129).
 */
import { createHash, timingSafeEqual } from 'node:crypto'
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

/** Not broken bytes but another host: the alarm of a man in the middle. The client is told none of it, the audit all. */
class StrangeHost extends Error {
  constructor(shown: string) {
    super(`the host showed ${shown}: another host, or somebody in between`)
    this.name = 'StrangeHost'
  }
}

/** As `ssh-keygen -l` prints it. */
const fingerprint = (blob: Uint8Array) =>
  `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`

/** One key, byte for byte. `where`: the key of the configuration that says so. */
export function pinned(blob: Uint8Array, where = 'target.host_key'): HostTrust {
  const key = publicKeyOf(blob)
  return {
    algorithms: signatures(key.type),
    check(algorithm, shown, hash, signature) {
      if (shown.length !== blob.length || !timingSafeEqual(shown, blob))
        throw new StrangeHost(`${fingerprint(shown)} where ${where} is ${fingerprint(blob)}`)
      if (!isSignedBy(key, algorithm, hash, signature)) throw new Malformed('host signature')
    },
  }
}

/** Any key with a certificate of this authority's for this name. */
export function certifiedBy(authority: Uint8Array, name: string, now: () => number): HostTrust {
  return {
    algorithms: keyTypes.flatMap(certificateAlgorithms),
    check(algorithm, shown, hash, signature) {
      const certificate = readCertificate(shown, authority)
      const wanted = { kind: 'host', principal: name, now: now(), critical: [] } as const
      const problem = problemOf(certificate, wanted)
      if (problem !== undefined)
        throw new StrangeHost(`a certificate that target.host_ca does not vouch for (${problem})`)
      if (!isSignedBy(certificate.key, plainAlgorithm(algorithm) ?? '', hash, signature))
        throw new Malformed('host signature')
    },
  }
}
