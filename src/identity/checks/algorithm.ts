/**
 * The algorithm is ours, not the token's: `alg` must be one that the configuration pins, and the key must be of its kind
 * (RFC 8725 section 3.1; attacks 1-3; [J1]: a header's alg never chooses the verifier).
 */
import type { KeyObject } from 'node:crypto'
import type { Algorithm } from '../../config/config.ts'
import { type Refused, refuse } from '../../denial.ts'
import { type JsonObject, member } from '../json.ts'
import { shown } from '../shown.ts'

export function checkAlgorithm(header: JsonObject, pinned: readonly Algorithm[]): Algorithm | Refused {
  const alg = member(header, 'alg')
  const found = pinned.find(one => one === alg)
  return found ?? refuse('token_algorithm', `alg ${shown(alg)} is none of ${shown(pinned)}`)
}

const curves = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' } as const

/** Whether a key can have made such a signature at all. */
export function fits(alg: Algorithm, key: KeyObject): boolean {
  const type = key.asymmetricKeyType
  if (alg === 'EdDSA') return type === 'ed25519'
  if (alg === 'ES256' || alg === 'ES384' || alg === 'ES512') {
    return type === 'ec' && key.asymmetricKeyDetails?.namedCurve === curves[alg]
  }
  return type === 'rsa'
}

/** An issuer may pin several algorithms and publish a key that names none: then the key's kind decides (attack 2). */
export function checkFits(alg: Algorithm, key: KeyObject): Refused | undefined {
  if (fits(alg, key)) return undefined
  return refuse('token_algorithm', `alg ${alg}, but the key is of kind ${key.asymmetricKeyType}`)
}
