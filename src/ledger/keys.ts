/**
 * The key that seals: `data/keys/audit.key` (0600) and `data/keys/audit.pub.pem`, made at first start. Whoever holds the
 * private key can rewrite history; whoever holds the public one can show that nobody did.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { keyId, type SealKey } from './seal.ts'

export function openSealKey(data: string): SealKey {
  const folder = join(data, 'keys')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const privateFile = join(folder, 'audit.key')
  const publicFile = join(folder, 'audit.pub.pem')
  if (!existsSync(privateFile)) {
    // A new key under an old audit would make the old seals worthless without anyone being told.
    if (hasAudit(data))
      throw new Error(
        `${privateFile} is gone, but ${join(data, 'audit')} was sealed with it: restore it, or move the old data away`,
      )
    const pair = generateKeyPairSync('ed25519')
    writeFileSync(privateFile, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
      flag: 'wx',
    })
  }
  const privateKey = createPrivateKey(readFileSync(privateFile))
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error(`${privateFile} is not an Ed25519 key`)
  const publicKey = createPublicKey(privateKey)
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  if (!existsSync(publicFile)) writeFileSync(publicFile, pem, { mode: 0o644, flag: 'wx' })
  return { id: keyId(publicKey), privateKey, publicKey }
}

function hasAudit(data: string): boolean {
  const folder = join(data, 'audit')
  return existsSync(folder) && readdirSync(folder).some(name => name.endsWith('.jsonl'))
}
