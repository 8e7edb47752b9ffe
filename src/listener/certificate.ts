/** Makes certificates: a CA of the gateway's own, and the server certificate it signs. ECDSA P-256 throughout. */
import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'
import type { Millis } from '../words.ts'
import type { Issued } from './keyfile.ts'

x509.cryptoProvider.set(webcrypto)

/** Clients' clocks may be behind ours. */
const backdate = 86_400_000

const curve = { name: 'ECDSA', namedCurve: 'P-256' } as const
const signing = { name: 'ECDSA', hash: 'SHA-256' } as const

export async function issueAuthority(now: Millis, life: Millis): Promise<Issued> {
  const keys = await webcrypto.subtle.generateKey(curve, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    // Two gateways' CAs must not look the same to a client that trusts both.
    name: [{ CN: [`Postern CA ${randomBytes(4).toString('hex')}`] }],
    notBefore: new Date(now - backdate),
    notAfter: new Date(now + life),
    keys,
    signingAlgorithm: signing,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { cert: pem(certificate), key: await exportKey(keys.privateKey) }
}

export async function issueServer(
  ca: Issued,
  names: readonly string[],
  now: Millis,
  life: Millis,
): Promise<Issued> {
  const authority = new x509.X509Certificate(ca.cert)
  const [der] = x509.PemConverter.decode(ca.key)
  if (der === undefined) throw new Error('ca.key holds no key')
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, curve, false, ['sign'])
  const keys = await webcrypto.subtle.generateKey(curve, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: [{ CN: ['Postern'] }],
    issuer: authority.subjectName,
    notBefore: new Date(now - backdate),
    notAfter: new Date(now + life),
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: signing,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map(name => ({ type: isIP(name) === 0 ? 'dns' : 'ip', value: name })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { cert: pem(certificate), key: await exportKey(keys.privateKey) }
}

/** RFC 5280 section 4.1.2.2: positive, at most 20 octets. */
function serial(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`
}
