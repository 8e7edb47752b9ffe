/**
 * What the folder's tests stand on: a real sshd on loopback, the door's side of the house as a small object, and real
 * clients. Everything is in one folder of its own and gone with {@link World.close}.
 */
import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createSecureContext } from 'node:tls'
import { SecretRef } from '../../config/secret.ts'
import { Refused, refuse } from '../../denial.ts'
import type { Ending, Grant, Narrowed } from '../../words.ts'
import type { Door, Session } from '../protocol.ts'
import { hostCertificates, loadAuthority } from './authority.ts'
import type { SshTarget } from './dial.ts'
import { loadHostKey } from './hostkey.ts'
import { ssh } from './index.ts'
import { MemoryRecorder } from './recorder.fixture.ts'
import type { SshScope } from './scope.ts'
import type { Signer } from './signature.ts'
import type { SshUpstream } from './upstream.ts'

export interface Granted {
  readonly id: string
  readonly password: string
  readonly key?: Uint8Array
  readonly scope: SshScope
  readonly recordValues?: boolean
  readonly refusal?: Refused
}

export class TestSession implements Session<SshScope, SshUpstream> {
  readonly id = `s_${randomBytes(6).toString('hex')}`
  readonly grant: Grant
  readonly scope: Narrowed<SshScope>
  readonly recordValues: boolean
  readonly upstream: SshUpstream
  readonly recorder: MemoryRecorder
  readonly cancelKey = randomBytes(8)
  readonly #abort = new AbortController()
  readonly served: () => Promise<void>
  ending: Ending | undefined
  over: Promise<void> | undefined

  constructor(
    granted: Granted,
    upstream: SshUpstream,
    recorder: MemoryRecorder,
    served: () => Promise<void>,
  ) {
    this.grant = { id: granted.id } as Grant
    this.scope = granted.scope as Narrowed<SshScope>
    this.recordValues = granted.recordValues ?? false
    this.upstream = upstream
    this.recorder = recorder
    this.served = served
  }
  get signal(): AbortSignal {
    return this.#abort.signal
  }
  /** The broker's order, in short. */
  end(ending: Ending): Promise<void> {
    this.over ??= this.#close(ending)
    return this.over
  }
  async #close(ending: Ending): Promise<void> {
    this.ending = ending
    this.#abort.abort(ending)
    if (ending.how === 'cut') await Promise.race([this.served(), wait(500)])
    await Promise.race([this.upstream[Symbol.asyncDispose](), wait(500)])
    this.upstream.destroy()
  }
}

export interface World extends AsyncDisposable {
  readonly folder: string
  readonly port: number
  readonly target: SshTarget
  readonly lease: unknown
  readonly authority: Signer
  readonly keyFile: string
  readonly publicKey: string
  /** The gateway's own host key, as a blob. */
  readonly hostKey: Uint8Array
  readonly sessions: TestSession[]
  /** The newest session, or one before it. */
  last(back?: number): TestSession
  readonly notes: Refused[]
  /** What `serve` rejected with. */
  readonly faults: unknown[]
  readonly shown: unknown[]
  grant(scope: unknown, more?: Partial<Granted>): Granted
  /** Arguments for OpenSSH's clients, host last. */
  args(granted: Granted, port?: '-p' | '-P'): readonly string[]
  close(): Promise<void>
}

export interface HostOptions {
  readonly user?: string
  /** The lease is a certificate by an authority that the host trusts, made for each session. */
  readonly minted?: boolean
  /** More lines of sshd_config. */
  readonly extra?: string | ((folder: string) => string)
  /** A folder with another sshd than the system's, and its parts. */
  readonly openssh?: string
  /** What else sshd needs there; the host's key lies in it already. */
  prepare?(folder: string): void
}

export async function world(options: HostOptions = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-ssh-'))
  const key = (name: string) => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)])
    return readFileSync(join(folder, `${name}.pub`), 'utf8').trim()
  }
  const hostKey = key('host').split(' ').slice(0, 2).join(' ')
  writeFileSync(join(folder, 'authorized'), `${key('lease')}\n`)
  execFileSync('chmod', ['755', folder])
  const agentKey = key('agent')
  if (options.minted === true) key('user_ca')
  options.prepare?.(folder)
  const sshdPort = await freePort()
  const privsep = '/run/sshd'
  if (process.getuid?.() === 0) mkdirSync(privsep, { recursive: true, mode: 0o755 })
  const config = `Port ${sshdPort}
ListenAddress 127.0.0.1
HostKey ${folder}/host
AuthorizedKeysFile ${folder}/authorized
StrictModes no
PermitRootLogin yes
UsePAM no
PidFile none
MaxStartups 200
AcceptEnv *
SetEnv SHLVL=9
Subsystem sftp internal-sftp
PasswordAuthentication no
${options.minted === true ? `TrustedUserCAKeys ${folder}/user_ca.pub` : ''}
${options.openssh === undefined ? '' : `SshdSessionPath ${options.openssh}/sshd-session\nSshdAuthPath ${options.openssh}/sshd-auth`}
${typeof options.extra === 'function' ? options.extra(folder) : (options.extra ?? '')}
`
  writeFileSync(join(folder, 'sshd_config'), config)
  const sshd = spawn(
    join(options.openssh ?? '/usr/sbin', 'sshd'),
    ['-D', '-f', join(folder, 'sshd_config'), '-E', join(folder, 'sshd.log')],
    {
      stdio: 'ignore',
    },
  )
  await listening(sshdPort)
  const target = ssh.target.parse({ host: '127.0.0.1', port: sshdPort, host_key: hostKey })
  const secret = (name: string) => new SecretRef(`file:${join(folder, name)}`).resolve()
  const lease = {
    user: options.user ?? process.env.USER ?? 'root',
    ...(options.minted === true
      ? { ca_key: await secret('user_ca') }
      : { private_key: await secret('lease') }),
  }
  const grants = new Map<string, Granted>()
  const sessions: TestSession[] = []
  const notes: Refused[] = []
  const faults: unknown[] = []
  const shown: unknown[] = []
  const own = await loadHostKey(folder)
  const authority = await loadAuthority(folder)
  const certificate = hostCertificates({
    hostKey: own.public,
    authority,
    host: () => '127.0.0.1',
    now: Date.now,
  })
  const drain = new AbortController()

  const server = createServer(socket => {
    const served = Promise.withResolvers<void>()
    const door: Door<SshScope, SshUpstream> = {
      signal: drain.signal,
      proof: user => {
        const blob = grants.get(user)?.key
        return Promise.resolve({
          scram: {
            iterations: 1,
            salt: randomBytes(1),
            storedKey: randomBytes(1),
            serverKey: randomBytes(1),
          },
          tokenLogin: false,
          publicKeys: blob === undefined ? [] : [blob],
        })
      },
      enter: async what => {
        shown.push(what)
        const granted = grants.get(what.user)
        const good =
          granted !== undefined &&
          (what.how === 'secret'
            ? digest(what.secret) === digest(granted.password)
            : what.how === 'key' && granted.key !== undefined && Buffer.compare(what.key, granted.key) === 0)
        if (!good) return refuse('grant_unknown', 'no such grant or credential')
        if (granted.refusal !== undefined) return granted.refusal
        const up = await ssh.dial({
          target,
          lease: lease as never,
          scope: granted.scope as Narrowed<SshScope>,
          grant: { id: granted.id, expiresAt: Date.now() + 600_000 } as Grant,
          session: 's_1',
          signal: drain.signal,
        })
        if (up instanceof Refused) return up
        const session = new TestSession(
          granted,
          up as SshUpstream,
          new MemoryRecorder(),
          () => served.promise,
        )
        sessions.push(session)
        return session
      },
      cancel: async () => undefined,
      note: refused => void notes.push(refused),
    }
    void ssh
      .serve(
        {
          kind: 'stream',
          socket,
          source: '127.0.0.1',
          keys: {
            tls: createSecureContext(),
            hostKey: own.private,
            ssh: { authority: authority.blob, certificate },
            plaintext: true,
            loopback: true,
          },
        },
        door,
      )
      .catch((error: unknown) => void faults.push(error))
      .then(() => {
        served.resolve()
        socket.destroy()
      })
  })
  const port = await listen(server)
  writeFileSync(join(folder, 'known_hosts'), `[127.0.0.1]:${port} ${own.public}\n`)

  const close = async () => {
    for (const session of sessions)
      await session.end({ how: 'close', why: 'shutting_down', text: 'the test is over' })
    server.close()
    sshd.kill()
    rmSync(folder, { recursive: true, force: true })
  }
  return {
    folder,
    port,
    target,
    lease,
    authority,
    keyFile: join(folder, 'agent'),
    publicKey: agentKey,
    hostKey: Buffer.from(own.public.split(' ')[1] ?? '', 'base64'),
    sessions,
    notes,
    faults,
    shown,
    last: (back = 1) => {
      const session = sessions.at(-back)
      if (session === undefined) throw new Error('there is no such session')
      return session
    },
    grant: (scope, more = {}) => {
      const granted: Granted = {
        id: `g_${randomBytes(6).toString('hex')}`,
        password: `pst_${randomBytes(16).toString('hex')}`,
        key: Buffer.from(agentKey.split(' ')[1] ?? '', 'base64'),
        scope: ssh.scope.schema.parse(scope),
        ...more,
      }
      grants.set(granted.id, granted)
      return granted
    },
    args: (granted, flag = '-p') => [
      ...['-F', 'none', '-i', join(folder, 'agent'), flag, String(port)],
      ...['-o', `UserKnownHostsFile=${folder}/known_hosts`, '-o', 'IdentitiesOnly=yes'],
      ...['-o', 'BatchMode=yes', '-o', `User=${granted.id}`],
    ],
    close,
    [Symbol.asyncDispose]: close,
  }
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a client to its end. */
export function run(
  program: string,
  args: readonly string[],
  input = '',
  env: NodeJS.ProcessEnv = {},
): Promise<Ran> {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  child.stdin.on('error', () => child.stdin.destroy())
  child.stdin.end(input)
  return new Promise(resolve => child.once('close', code => resolve({ code, stdout, stderr })))
}

export async function until(done: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await done()) return
    await wait(25)
  }
  throw new Error(`did not come to pass: ${what}`)
}

/** Processes whose command line is exactly this. */
export function processes(commandLine: string): number {
  const out = execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' })
  return out.split('\n').filter(line => line === commandLine).length
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  await new Promise(resolve => server.close(resolve))
  return port
}

function listen(server: Server): Promise<number> {
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
}

async function listening(port: number): Promise<void> {
  await until(
    () =>
      new Promise(resolve => {
        const socket = connect(port, '127.0.0.1')
        socket.once('data', () => {
          socket.destroy()
          resolve(true)
        })
        socket.once('error', () => resolve(false))
      }),
    'sshd listens',
  )
}
