/**
 * What is kept of a password: its SHA-256, and for protocols whose clients prove it without sending it a SCRAM verifier
 * too. PBKDF2 runs in the thread pool, never on the loop. Both are useless to log in with.
 */
import { createHmac, hash, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { ScramVerifier } from '../words.ts'
import type { RandomBytes } from './id.ts'

export type VerifierKind = 'scram-sha-256' | 'sha-256'

export interface Verifier {
  readonly digest: Uint8Array
  readonly scram?: ScramVerifier
}

/** RFC 7677 section 4 and PostgreSQL's own default. The password's 256 random bits are what protects it, not the rounds. */
export const ITERATIONS = 4096

const derive = promisify(pbkdf2)
const sha256 = (data: string | Uint8Array) => hash('sha256', data, 'buffer')

export async function makeVerifier(
  password: string,
  kind: VerifierKind,
  random: RandomBytes,
): Promise<Verifier> {
  const digest = sha256(password)
  if (kind === 'sha-256') return { digest }
  const salt = random(16)
  const salted = await derive(password, salt, ITERATIONS, 32, 'sha256')
  const key = (name: string) => createHmac('sha256', salted).update(name).digest()
  const scram = {
    iterations: ITERATIONS,
    salt,
    storedKey: sha256(key('Client Key')),
    serverKey: key('Server Key'),
  }
  return { digest, scram }
}

/** Constant time (attack 46): both sides are digests of equal length. */
export function fits(verifier: Verifier, secret: string): boolean {
  return timingSafeEqual(verifier.digest, sha256(secret))
}

/** Names a password in an index without holding it. */
export const digestOf = (secret: string): string => sha256(secret).toString('hex')

const b64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))

export function verifierToText({ digest, scram }: Verifier): string {
  if (scram === undefined) return JSON.stringify({ digest: b64(digest) })
  const { iterations, salt, storedKey, serverKey } = scram
  return JSON.stringify({
    digest: b64(digest),
    scram: { iterations, salt: b64(salt), storedKey: b64(storedKey), serverKey: b64(serverKey) },
  })
}

export function verifierFromText(text: string): Verifier {
  const { digest, scram } = JSON.parse(text) as {
    digest: string
    scram?: { iterations: number; salt: string; storedKey: string; serverKey: string }
  }
  if (scram === undefined) return { digest: bytes(digest) }
  return {
    digest: bytes(digest),
    scram: {
      iterations: scram.iterations,
      salt: bytes(scram.salt),
      storedKey: bytes(scram.storedKey),
      serverKey: bytes(scram.serverKey),
    },
  }
}
