/**
 * Channel binding `tls-server-end-point` (RFC 5929 section 4): the hash of the certificate that the TLS server showed. Who
 * sits in between shows another one, and SCRAM then fails on both sides (attacks 98, 222).
 */
import { createHash, type X509Certificate } from 'node:crypto'

/** Null where the certificate's signature has no hash of its own (Ed25519), or tells it elsewhere (RSA-PSS). */
export function endPointOf(certificate: X509Certificate | undefined): Buffer | null {
  if (certificate === undefined) return null
  const found = /(md5|sha1|sha224|sha256|sha384|sha512)(?=with|$)|with-(sha\d+)$/i.exec(
    certificate.signatureAlgorithm ?? '',
  )
  const name = (found?.[1] ?? found?.[2])?.toLowerCase()
  if (name === undefined) return null
  // MD5 and SHA-1 are replaced by SHA-256.
  const hash = name === 'md5' || name === 'sha1' ? 'sha256' : name
  return createHash(hash).update(certificate.raw).digest()
}
