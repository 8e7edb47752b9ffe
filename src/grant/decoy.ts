/**
 * What a stranger gets instead of a verifier, so that knocking tells nobody which grants exist (attack 42): the same
 * shape, the same work, the same answer each time it is asked for, also after a restart. No password fits it.
 */
import { createHmac } from 'node:crypto'
import type { ScramVerifier } from '../words.ts'
import { ITERATIONS } from './verifier.ts'

export function decoyFor(user: string, secret: Uint8Array): ScramVerifier {
  const part = (name: string) => createHmac('sha256', secret).update(name).update('\0').update(user).digest()
  return {
    iterations: ITERATIONS,
    salt: part('salt').subarray(0, 16),
    storedKey: part('stored key'),
    serverKey: part('server key'),
  }
}
