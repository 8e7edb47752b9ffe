/**
 * The host key that a target is held to: given in the configuration, or looked up in an OpenSSH known_hosts file.
 * A line that cannot be read is passed over, a key marked `@revoked` is never used, and authorities are not trusted:
 * a key is a key (CVE-2025-49825).
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** The safest first, where a host has several. */
const preferred = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
]

interface Pinned {
  readonly host: string
  readonly port: number
  readonly host_key?: string | undefined
  readonly known_hosts?: string | undefined
}

/** The key as a wire blob; nothing where there is none, or the file cannot be read. */
export async function pinnedKey(target: Pinned): Promise<Uint8Array | undefined> {
  if (target.host_key !== undefined) return blobOf(target.host_key.split(' ').slice(0, 2))
  if (target.known_hosts === undefined) return undefined
  const text = await readFile(target.known_hosts, 'utf8').catch(() => '')
  return keyFor(text, target.host, target.port)
}

export function keyFor(text: string, host: string, port: number): Uint8Array | undefined {
  const name = port === 22 ? host : `[${host}]:${port}`
  const revoked = new Set<string>()
  const found = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const words = line.trim().split(/\s+/)
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined
    const [names, type, key] = words
    if (names === undefined || type === undefined || key === undefined || names.startsWith('#')) continue
    if (marker === '@revoked') revoked.add(key)
    else if (marker === undefined && preferred.includes(type) && named(names, name) && !found.has(type))
      found.set(type, key)
  }
  for (const type of preferred) {
    const key = found.get(type)
    if (key !== undefined && !revoked.has(key)) return blobOf([type, key])
  }
  return undefined
}

function named(names: string, name: string): boolean {
  if (!names.startsWith('|1|')) return names.split(',').includes(name)
  const [, , salt, hash] = names.split('|')
  if (salt === undefined || hash === undefined) return false
  const wanted = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest()
  const kept = Buffer.from(hash, 'base64')
  return kept.length === wanted.length && timingSafeEqual(kept, wanted)
}

/** The type named beside the key must be the one inside. */
function blobOf([type, base64]: readonly (string | undefined)[]): Uint8Array | undefined {
  if (type === undefined || base64 === undefined) return undefined
  const blob = Buffer.from(base64, 'base64')
  const size = blob.length > 4 ? blob.readUInt32BE(0) : 0
  return blob.subarray(4, 4 + size).toString('latin1') === type ? blob : undefined
}
