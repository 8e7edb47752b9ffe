/**
 * Seals: Ed25519 over `postern-seal-v1\n<file>\n<seq>\n<prev>`, base64. A seal's `prev` covers every line before it, so
 * one good seal vouches for all of them. `head.json` signs the seal line itself in the same words, with its hash in the
 * place of `prev`; as a seal's `prev` is never its own hash, neither can pass for the other.
 */
import { createHash, type KeyObject, sign, verify } from 'node:crypto'
import type { Tip } from './chain.ts'
import { json, members } from './text.ts'

export interface SealKey {
  /** {@link keyId} of the public key. */
  readonly id: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** Names a key in seals: the hex SHA-256 of its SPKI DER. `openssl pkey -pubin -outform der | sha256sum` says the same. */
export function keyId(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}

const sealed = (file: string, seq: number, hash: string) =>
  Buffer.from(`postern-seal-v1\n${file}\n${seq}\n${hash}`)

export interface Seal {
  readonly key: string
  readonly signature: string
}

/** The seal that follows `tip`. `file` is relative to `data/`. */
export function sealOf(key: SealKey, file: string, tip: Tip): Seal {
  const signature = sign(null, sealed(file, tip.seq + 1, tip.hash), key.privateKey).toString('base64')
  return { key: key.id, signature }
}

/** Its line's members. */
export const sealMembers = (seal: Seal) => members({ key: seal.key, signature: seal.signature })

export function sealHolds(
  key: KeyObject,
  file: string,
  seq: number,
  hash: string,
  signature: string,
): boolean {
  const bytes = Buffer.from(signature, 'base64')
  // Base64 has several spellings of the same bytes; only ours counts.
  if (bytes.toString('base64') !== signature) return false
  return verify(null, sealed(file, seq, hash), key, bytes)
}

/** `data/audit/head.json`: the last seal line of the audit, signed. Copied elsewhere, it proves a roll-back. */
export interface Head {
  readonly file: string
  readonly seq: number
  readonly hash: string
  readonly time: string
  readonly key: string
  readonly signature: string
}

export function headText(key: SealKey, file: string, tip: Tip, time: string): string {
  const signature = sign(null, sealed(file, tip.seq, tip.hash), key.privateKey).toString('base64')
  const head: Head = { file, seq: tip.seq, hash: tip.hash, time, key: key.id, signature }
  return `${json(head)}\n`
}

/** A head from its file's text, or what is wrong with it. Byte for byte: nothing in it may vary unnoticed. */
export function readHead(text: string, key: KeyObject): Head | string {
  let head: Head
  try {
    head = JSON.parse(text) as Head
  } catch {
    return 'is not JSON'
  }
  const { file, seq, hash, time, key: id, signature } = head ?? {}
  if (`${json({ file, seq, hash, time, key: id, signature })}\n` !== text)
    return 'is not written as a head is'
  if (id !== keyId(key)) return `is signed with another key (${String(id).slice(0, 16)})`
  if (typeof signature !== 'string' || !sealHolds(key, file, seq, hash, signature))
    return 'has a signature that does not verify'
  return head
}
