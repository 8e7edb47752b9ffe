/**
 * The one OpenSSH public key of a grant, read strictly: a type, base64, perhaps a comment. Pure.
 *
 * Refuses options and `cert-authority` before the key, several keys, certificates, DSA and RSA under 2048 bits (attack
 * 62), and a key that is not exactly what its type says, byte for byte.
 */
import { createPublicKey } from 'node:crypto'
import ssh2 from 'ssh2'
import { type Refused, refuse } from '../../denial.ts'
import { Malformed, Reader } from '../../statement/sftp/fields.ts'
import { maxRsaBits } from './signature.ts'

const types = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa']
const line = /^([a-z0-9-]+) ([A-Za-z0-9+/]+={0,2})(?: [^\r\n\0]{0,256})?$/
const minRsaBits = 2048

/** The key as the blob that crosses the wire. */
export function publicKey(text: string): Uint8Array | Refused {
  const wrong = (why: string) =>
    refuse('request_invalid', `public_key: ${why}`, { say: `public_key: ${why}` })
  if (text.length > 8192) return wrong('too long')
  const found = line.exec(text.replace(/\r?\n$/, ''))
  if (found === null) return wrong('one OpenSSH public key is expected, "type base64", without options')
  const [, type = '', base64 = ''] = found
  if (!types.includes(type))
    return wrong(`${type} is not accepted; use ssh-ed25519, ecdsa-sha2-nistp256 or ssh-rsa`)
  const blob = Buffer.from(base64, 'base64')
  if (blob.toString('base64') !== base64) return wrong('the base64 is not exact')
  return shapeProblem(type, blob) ?? blob
  function shapeProblem(name: string, bytes: Buffer): Refused | undefined {
    try {
      const fields = new Reader(bytes)
      if (fields.text() !== name) return wrong('the key is of another type than it says')
      for (let left = name === 'ssh-ed25519' ? 1 : 2; left > 0; left--) fields.bytes()
      fields.end()
    } catch (error) {
      if (error instanceof Malformed) return wrong('the key is not whole')
      throw error
    }
    const key = ssh2.utils.parseKey(bytes)
    if (key instanceof Error) return wrong('the key cannot be read')
    if (name !== 'ssh-rsa') return undefined
    const { modulusLength: bits = 0, publicExponent = 0n } =
      createPublicKey(key.getPublicPEM()).asymmetricKeyDetails ?? {}
    if (bits < minRsaBits || bits > maxRsaBits)
      return wrong(`an RSA key of ${bits} bits is not accepted; ${minRsaBits} to ${maxRsaBits}`)
    if (publicExponent > 0xffff_ffffn) return wrong('an RSA exponent of over 32 bits is not accepted')
    return undefined
  }
}
