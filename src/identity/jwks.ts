/**
 * A JSON Web Key Set -> the keys that may verify a signature (RFC 7517; attack 31). What is not plainly a public signing
 * key of good size for a pinned algorithm is left out; a set of none is not a key set at all.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { Algorithm } from '../config/config.ts'
import { fits } from './checks/algorithm.ts'
import { isObject, type JsonObject, member } from './json.ts'

export interface Key {
  readonly kid?: string
  /** The one algorithm the issuer publishes it for, if it says. */
  readonly alg?: string
  readonly key: KeyObject
  /** Equal for equal keys: tells a key that was kept from one that was swapped under its kid. */
  readonly thumbprint: string
}

const mostKeys = 64
const smallestRsa = 2048

/** RFC 7518 sections 6.2.2, 6.3.2 and 6.4: members that only a private or symmetric key has. */
const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

export function readKeys(document: unknown, pinned: readonly Algorithm[]): readonly Key[] {
  const listed = isObject(document) ? member(document, 'keys') : undefined
  if (!Array.isArray(listed)) throw new Error('not a key set')
  if (listed.length > mostKeys) throw new Error(`a key set of ${listed.length} keys, more than ${mostKeys}`)
  const keys = listed.map(jwk => readKey(jwk, pinned)).filter(key => key !== undefined)
  if (keys.length === 0) throw new Error('a key set without a usable key')
  return keys
}

function readKey(jwk: unknown, pinned: readonly Algorithm[]): Key | undefined {
  if (!isObject(jwk)) return undefined
  const { kid, alg, use, key_ops: operations } = jwk
  if (secretMembers.some(name => Object.hasOwn(jwk, name))) return undefined
  if (use !== undefined && use !== 'sig') return undefined
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return undefined
  if (kid !== undefined && typeof kid !== 'string') return undefined
  if (alg !== undefined && !pinned.some(one => one === alg)) return undefined
  const key = importKey(jwk)
  if (key === undefined) return undefined
  if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < smallestRsa)
    return undefined
  if (!pinned.some(one => (alg === undefined || one === alg) && fits(one, key))) return undefined
  const thumbprint = key.export({ type: 'spki', format: 'der' }).toString('base64')
  return { key, thumbprint, ...(kid !== undefined && { kid }), ...(typeof alg === 'string' && { alg }) }
}

function importKey(jwk: JsonObject): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' })
  } catch {
    return undefined // of a kind this runtime does not know
  }
}
