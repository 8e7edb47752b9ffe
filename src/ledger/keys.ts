/**
 * The key that seals: `data/keys/audit.key` (0600) and `data/keys/audit.pub.pem`, made at first start. Whoever holds the
 * private key can rewrite history; whoever holds the public one can show that nobody did.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Unfit } from '../unfit.ts'
import { keyId, type SealKey } from './seal.ts'

export function openSealKey(data: string): SealKey {
  const folder = join(data, 'keys')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const privateFile = join(folder, 'audit.key')
  const publicFile = join(folder, 'audit.pub.pem')
  if (!existsSync(privateFile)) {
    // A new key under an old audit would make the old seals worthless without anyone being told.
    if (hasAudit(data))
      throw new Unfit(
        `${privateFile} is gone, but ${join(data, 'audit')} was sealed with it: restore it, or move the old data away`,
      )
    const pair = generateKeyPairSync('ed25519')
    writeWhole(
      folder,
      'audit.key',
      pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      0o600,
    )
  }
  const privateKey = readKey(privateFile)
  if (privateKey?.asymmetricKeyType !== 'ed25519') throw new Unfit(`${privateFile} is not an Ed25519 key`)
  const publicKey = createPublicKey(privateKey)
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  if (!existsSync(publicFile)) writeWhole(folder, 'audit.pub.pem', pem, 0o644)
  return { id: keyId(publicKey), privateKey, publicKey }
}

/** Undefined for what is no key. */
function readKey(file: string): KeyObject | undefined {
  const text = readFileSync(file)
  try {
    return createPrivateKey(text)
  } catch {
    return undefined
  }
}

/** Under its name it is there as a whole or not at all: half a key, after a crash, would be in the way for ever. */
function writeWhole(folder: string, name: string, text: string, mode: number): void {
  const fresh = join(folder, `.${name}.new`)
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants
  const file = openSync(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode)
  try {
    writeFileSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(fresh, join(folder, name))
}

function hasAudit(data: string): boolean {
  const folder = join(data, 'audit')
  return existsSync(folder) && readdirSync(folder).some(name => name.endsWith('.jsonl'))
}
