/**
 * The machine's own OpenSSH server on a high port of loopback, run as whoever started the demo. Only the lease's key
 * opens it: commands run as that user, so no other user of the machine may get in.
 */
import { spawn } from 'node:child_process'
import { access, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Home } from '../home.ts'
import { freePort } from '../ports.ts'
import type { HostKeys } from './keys.ts'

const program = '/usr/sbin/sshd'
/** sshd refuses to start as root without it; packages make it when their service starts. */
const separation = '/run/sshd'

export async function startSshd(home: Home, folder: string, keys: HostKeys): Promise<number | undefined> {
  if (!(await there(program))) return undefined
  if (process.getuid?.() === 0 && !(await there(separation))) {
    await mkdir(separation, { mode: 0o755 })
    home.outside(separation)
  }
  const port = await freePort()
  const config = join(folder, 'sshd_config')
  // SHLVL: bash reads ~/.bashrc under sshd unless it is a shell within a shell. What an account's own start-up files do
  // is no part of the story, and a lock that one of them leaves when its session is cut would hang all later ones.
  await writeFile(
    config,
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${keys.hostKeyFile}
AuthorizedKeysFile ${join(folder, 'authorized_keys')}
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
PrintMotd no
MaxStartups 200
MaxSessions 100
AcceptEnv LANG LC_*
AllowTcpForwarding yes
SetEnv SHLVL=9
Subsystem sftp internal-sftp
`,
    { mode: 0o600 },
  )
  const sshd = spawn(program, ['-D', '-e', '-f', config], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  home.keep(sshd)
  const listening = await new Promise<boolean>(resolve => {
    let said = ''
    sshd.stderr.on('data', chunk => {
      said = `${said}${chunk}`.slice(-4000)
      if (said.includes('Server listening on')) resolve(true)
    })
    sshd.once('error', () => resolve(false))
    sshd.once('exit', () => resolve(false))
  })
  return listening ? port : undefined
}

async function there(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
