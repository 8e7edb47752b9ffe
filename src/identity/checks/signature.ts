/**
 * The signature, by `jose`, over the token's own bytes, with the one algorithm that was pinned. Nothing in the header
 * (`jku`, `x5u`, `jwk`, `x5c`) is looked at: the key is the issuer's published one (attack 6).
 */
import type { KeyObject } from 'node:crypto'
import { compactVerify, errors } from 'jose'
import type { Algorithm } from '../../config/config.ts'
import { type Refused, refuse } from '../../denial.ts'

export async function checkSignature(
  token: string,
  key: KeyObject,
  alg: Algorithm,
): Promise<Refused | undefined> {
  try {
    await compactVerify(token, key, { algorithms: [alg] })
    return undefined
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed)
      return refuse('token_signature', 'the signature does not verify')
    return refuse(
      'token_signature',
      `the signature cannot be verified: ${error instanceof errors.JOSEError ? error.code : String(error)}`,
    )
  }
}
