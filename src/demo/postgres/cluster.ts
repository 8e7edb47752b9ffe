/**
 * One throw-away PostgreSQL server on loopback: initdb, start, stop. Fast and unsafe on purpose (`fsync=off`): its data
 * lives for one demo or one test. Passwords are SCRAM and random, also for the superuser.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { Home } from '../home.ts'
import { freePort } from '../ports.ts'
import type { Binaries } from './binaries.ts'

export interface Cluster {
  readonly port: number
  readonly password: string
  /** Where the superuser's statements go. */
  run(database: string, sql: string): Promise<pg.QueryResult>
  /** A superuser's address of a database. */
  url(database: string): string
}

/** PostgreSQL refuses to run as root; this is who it runs as then. */
export interface User {
  readonly uid: number
  readonly gid: number
}

export async function unprivileged(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find(l => l.startsWith('nobody:'))
  const [, , uid, gid] = (line ?? '').split(':')
  return { uid: Number(uid ?? 65534), gid: Number(gid ?? 65534) }
}

const quick = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', shared_buffers: '32MB' }

export async function startCluster(
  home: Home,
  folder: string,
  { bin, env }: Binaries,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<Cluster> {
  const user = await unprivileged()
  const data = join(folder, 'data')
  const passwordFile = join(folder, 'password')
  const password = randomBytes(18).toString('base64url')
  await mkdir(data, { mode: 0o700 })
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (user !== undefined)
    for (const path of [folder, data, passwordFile]) await chown(path, user.uid, user.gid)

  const options = {
    cwd: '/',
    env: { PATH: process.env['PATH'], LC_ALL: 'C', ...env },
    detached: true,
    ...user,
  }
  const how = [
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'scram-sha-256',
    `--pwfile=${passwordFile}`,
    '-E',
    'UTF8',
    '--locale=C',
  ]
  await finished(
    spawn(join(bin, 'initdb'), [...how, '--no-sync', '--no-instructions'], options),
    'initdb',
    home,
  )
  await rm(passwordFile)

  const port = await freePort()
  const all = { listen_addresses: '127.0.0.1', port, unix_socket_directories: folder, ...quick, ...settings }
  const set = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const server = spawn(join(bin, 'postgres'), ['-D', data, ...set], {
    ...options,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  home.keep(server, 'SIGQUIT')
  await accepting(server.stderr, server)

  const url = (database: string): string => `postgresql://postgres:${password}@127.0.0.1:${port}/${database}`
  return {
    port,
    password,
    url,
    async run(database, sql) {
      const client = new pg.Client({ connectionString: url(database) })
      await client.connect()
      try {
        return await client.query(sql)
      } finally {
        await client.end()
      }
    },
  }
}

type Child = ReturnType<typeof spawn>

async function finished(child: Child, name: string, home: Home): Promise<void> {
  home.keep(child, 'SIGKILL')
  let said = ''
  child.stdout?.resume()
  child.stderr?.on('data', chunk => (said = `${said}${chunk}`.slice(-2000)))
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) throw new Error(`${name} failed (${code}): ${said}`)
}

/** The server says so itself; nothing is tried again and again. */
function accepting(stderr: NodeJS.ReadableStream, server: Child): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = ''
    stderr.on('data', chunk => {
      said = `${said}${chunk}`.slice(-4000)
      if (said.includes('database system is ready to accept connections')) resolve()
    })
    server.once('error', reject)
    server.once('exit', code => reject(new Error(`postgres ended (${code}): ${said}`)))
  })
}
