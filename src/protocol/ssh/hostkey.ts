/**
 * The gateway's own SSH host key: made at the first start, kept in the data folder, shown as `endpoint.host_key`.
 * Clients pin it, so a lost one is never replaced silently: a file that cannot be read stops the start.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { message } from '../../statement/sftp/fields.ts'
import { Unfit } from '../../unfit.ts'

export interface HostKey {
  /** OpenSSH PEM. */
  readonly private: string
  /** `ssh-ed25519 AAAA...` */
  readonly public: string
}

export function loadHostKey(dataFolder: string): Promise<HostKey> {
  return loadKey(dataFolder, 'ssh_host_ed25519')
}

/** A key of the data folder's, made where there is none. */
export async function loadKey(dataFolder: string, name: string): Promise<HostKey> {
  const folder = join(dataFolder, 'keys')
  const file = join(folder, name)
  const kept = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return shown(file, kept ?? (await make(folder, file)))
}

async function make(folder: string, file: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const pem = newKey()
  const part = `${file}.${process.pid}`
  await writeFile(part, pem, { mode: 0o600, flag: 'wx' })
  await chmod(part, 0o600)
  const written = await open(part, 'r')
  await written.sync().finally(() => written.close())
  await rename(part, file)
  return pem
}

function shown(file: string, pem: string): HostKey {
  const key = ssh2.utils.parseKey(pem)
  if (key instanceof Error || !key.isPrivateKey())
    throw new Unfit(`${file} is not an SSH private key: restore it from a copy, for clients have pinned it`)
  return { private: pem, public: `${key.type} ${key.getPublicSSH().toString('base64')}` }
}

/** A new key with its public half. */
export function newPair(): HostKey {
  return shown('a new key', newKey())
}

/**
 * A new Ed25519 key as OpenSSH writes one (PROTOCOL.key). Not ssh2's generateKeyPairSync: about one of a hundred that
 * 1.17.0 makes cannot be read again.
 */
export function newKey(comment = 'postern'): string {
  const { privateKey } = generateKeyPairSync('ed25519')
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' })
  const [seed, point] = [Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]
  const type = 'ssh-ed25519'
  const blob = message(0, type, point).subarray(1)
  const check = randomBytes(4).readUInt32BE(0)
  const secret = message(0, check, check, type, point, Buffer.concat([seed, point]), comment).subarray(1)
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, i) => i + 1))
  const head = { raw: Buffer.from('openssh-key-v1\0') }
  const whole = message(0, head, 'none', 'none', '', 1, blob, Buffer.concat([secret, padding])).subarray(1)
  const lines = whole.toString('base64').match(/.{1,70}/g) ?? []
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`
}
