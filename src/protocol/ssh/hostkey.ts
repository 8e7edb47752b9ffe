/**
 * The gateway's own SSH host key: made at the first start, kept in the data folder, shown as `endpoint.host_key`.
 * Clients pin it, so a lost one is never replaced silently: a file that cannot be read stops the start.
 */
import { chmod, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ssh2 from 'ssh2'

export interface HostKey {
  /** OpenSSH PEM. */
  readonly private: string
  /** `ssh-ed25519 AAAA...` */
  readonly public: string
}

export async function loadHostKey(dataFolder: string): Promise<HostKey> {
  const folder = join(dataFolder, 'keys')
  const file = join(folder, 'ssh_host_ed25519')
  const kept = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  return shown(file, kept ?? (await make(folder, file)))
}

async function make(folder: string, file: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment: 'postern' })
  const part = `${file}.${process.pid}`
  await writeFile(part, pair.private, { mode: 0o600, flag: 'wx' })
  await chmod(part, 0o600)
  const written = await open(part, 'r')
  await written.sync().finally(() => written.close())
  await rename(part, file)
  return pair.private
}

function shown(file: string, pem: string): HostKey {
  const key = ssh2.utils.parseKey(pem)
  if (key instanceof Error || !key.isPrivateKey()) throw new Error(`${file} is not an SSH private key`)
  return { private: pem, public: `${key.type} ${key.getPublicSSH().toString('base64')}` }
}
