/**
 * A real SSH host for the demo: the machine's sshd where it has one that lets this user in, else a server of ssh2's
 * that runs real commands. Which one it is, is tried by logging in, and said.
 */
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import ssh2 from 'ssh2'
import type { Home } from './home.ts'
import { startBuiltin } from './host/builtin.ts'
import { type HostKeys, makeHostKeys } from './host/keys.ts'
import { startSshd } from './host/sshd.ts'

export interface Host extends HostKeys {
  readonly port: number
  readonly user: string
  readonly kind: 'sshd' | 'ssh2'
}

export async function startHost(home: Home, want?: Host['kind']): Promise<Host> {
  const folder = resolve(await home.folder('host'))
  const keys = await makeHostKeys(folder)
  const user = userInfo().username
  if (want !== 'ssh2') {
    const port = await startSshd(home, folder, keys)
    if (port !== undefined && (await letsIn(port, user, keys))) return { ...keys, port, user, kind: 'sshd' }
  }
  return { ...keys, port: await startBuiltin(home, keys), user, kind: 'ssh2' }
}

/** Some sshds start and then let nobody in: a locked account, a hardened build. */
function letsIn(port: number, username: string, keys: HostKeys): Promise<boolean> {
  const client = new ssh2.Client()
  return new Promise<boolean>(answer => {
    client.once('ready', () =>
      client.exec('true', (error, channel) => {
        if (error) return answer(false)
        channel.once('exit', code => answer(code === 0)).resume()
      }),
    )
    client.once('error', () => answer(false))
    client.connect({ host: '127.0.0.1', port, username, privateKey: keys.leasePrivate, readyTimeout: 3000 })
  }).finally(() => client.end())
}
