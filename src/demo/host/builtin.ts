/**
 * A real SSH host where the machine has no sshd: ssh2's server, running real commands as whoever started the demo.
 * It knows exec and a shell without a terminal; files (sftp) it does not serve.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { timingSafeEqual } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { homedir } from 'node:os'
import ssh2, { type PublicKeyAuthContext, type ServerChannel } from 'ssh2'
import type { Home } from '../home.ts'
import type { HostKeys } from './keys.ts'

export async function startBuiltin(home: Home, keys: HostKeys): Promise<number> {
  const lease = ssh2.utils.parseKey(keys.leasePublic)
  if (lease instanceof Error) throw lease
  const server = new ssh2.Server({ hostKeys: [keys.hostPrivate] }, client => {
    client.on('error', () => client.end())
    client.on('authentication', context => {
      if (context.method === 'publickey' && proves(lease, context)) context.accept()
      else context.reject(['publickey'])
    })
    client.on('session', accept => {
      const session = accept()
      session.on('pty', take => take?.())
      session.on('exec', (take, _refuse, { command }) => run(home, take(), ['-c', command]))
      session.on('shell', take => run(home, take(), []))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  home.onEnd(() => new Promise(resolve => server.close(() => resolve())))
  return (server.address() as AddressInfo).port
}

/** An offer without a signature may go on, and proves nothing by itself: ssh2 asks again with the signature. */
function proves(lease: ssh2.ParsedKey, context: PublicKeyAuthContext): boolean {
  const own = lease.getPublicSSH()
  if (own.length !== context.key.data.length || !timingSafeEqual(own, context.key.data)) return false
  if (context.signature === undefined || context.blob === undefined) return true
  return lease.verify(context.blob, context.signature, context.hashAlgo) === true
}

function run(home: Home, channel: ServerChannel, args: readonly string[]): void {
  const shell = process.env['SHELL'] ?? '/bin/sh'
  const child: ChildProcess = spawn(shell, args, {
    cwd: homedir(),
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  home.keep(child, 'SIGHUP')
  const hangUp = (): void => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGHUP')
  }
  child.once('error', () => channel.close())
  child.stdin?.on('error', () => undefined)
  channel.pipe(child.stdin as NodeJS.WritableStream)
  child.stdout?.pipe(channel, { end: false })
  child.stderr?.pipe(channel.stderr, { end: false })
  channel.on('error', hangUp)
  channel.once('close', hangUp)
  child.once('close', (code, signal) => {
    if (code !== null) channel.exit(code)
    else channel.exit((signal ?? 'SIGKILL').slice(3))
    channel.end()
  })
}
