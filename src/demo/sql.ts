/** An agent's PostgreSQL client on a grant: psql where the machine has it, else the pg library. */
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { Agent, Granted } from './agent.ts'
import { has, run, transcript } from './command.ts'

export interface Answered {
  /** Columns by `|`, rows by newlines, as `psql -At` prints them. */
  readonly rows: string
  /** How long the statement took, as the client measured it. */
  readonly ms?: number
  /** The SQLSTATE and the words of what was refused. */
  readonly error?: { readonly sqlstate: string; readonly text: string }
}

export interface SqlClient {
  readonly program: 'psql' | 'pg'
  query(sql: string): Promise<Answered>
  /** Stays connected and asks again and again until it is cut off; says when and in which words. */
  untilCut(sql: string): Promise<{ readonly at: number; readonly sqlstate: string; readonly text: string }>
}

export async function sqlClient(agent: Agent, grant: Granted): Promise<SqlClient> {
  const { endpoint } = grant
  if (!has('psql')) return library(grant)
  const ca = join(agent.folder, 'ca.pem')
  if (endpoint.ca !== undefined) await writeFile(ca, endpoint.ca)
  const tls = endpoint.ca === undefined ? {} : { PGSSLMODE: 'verify-full', PGSSLROOTCERT: ca }
  return psql({ LC_ALL: 'C', ...grant.env, ...tls, PGCONNECT_TIMEOUT: '10' })
}

const quiet = ['-X', '-A', '-t', '-q', '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=1']
/** psql's \watch, and the resolution of what is measured with it. */
const every = 0.02

function psql(env: Readonly<Record<string, string>>): SqlClient {
  return {
    program: 'psql',
    async query(sql) {
      const { status, stdout, stderr } = await run('psql', [...quiet, '-c', '\\timing on', '-c', sql], {
        env,
      })
      const time = /^Time: ([\d.]+) ms.*$/m.exec(stdout)
      return {
        rows: stdout.replace(time?.[0] ?? '', '').trimEnd(),
        ...(time === null ? {} : { ms: Number(time[1]) }),
        ...(status === 0 ? {} : { error: errorIn(stderr) }),
      }
    },
    untilCut: sql =>
      new Promise((resolve, reject) => {
        const child = spawn('psql', quiet, {
          env: { ...process.env, ...env },
          stdio: ['pipe', 'ignore', 'pipe'],
        })
        let [stderr, at] = ['', 0]
        child.stderr.on('data', chunk => {
          at ||= Date.now()
          stderr += chunk
        })
        child.once('error', reject)
        child.once('close', () => {
          transcript.push(stderr)
          resolve({ at, ...errorIn(stderr) })
        })
        child.stdin.on('error', () => undefined).end(`${sql} \\watch ${every}\n`)
      }),
  }
}

/** "ERROR:  42501: this grant allows select": psql in its verbose mode. */
function errorIn(stderr: string): { sqlstate: string; text: string } {
  const found = /(?:ERROR|FATAL): +(?:([0-9A-Z]{5}): +)?(.*)/.exec(stderr)
  return { sqlstate: found?.[1] ?? '', text: found?.[2] ?? stderr.trim() }
}

function library({ endpoint, env, credential }: Granted): SqlClient {
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({
      host: endpoint.host,
      port: endpoint.port,
      user: credential.username,
      password: credential.password,
      database: env['PGDATABASE'],
      ...(endpoint.ca === undefined ? {} : { ssl: { ca: endpoint.ca } }),
    })
    await client.connect()
    return client
  }
  const told = (error: unknown): { sqlstate: string; text: string } => {
    const { code, message } = error as { code?: string; message: string }
    transcript.push(message)
    return { sqlstate: code ?? '', text: message }
  }
  return {
    program: 'pg',
    async query(sql) {
      try {
        const client = await connect()
        try {
          const start = performance.now()
          const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
          const text = rows.map(row => row.join('|')).join('\n')
          transcript.push(text)
          return { rows: text, ms: performance.now() - start }
        } finally {
          await client.end()
        }
      } catch (error) {
        return { rows: '', error: told(error) }
      }
    },
    async untilCut() {
      const client = await connect()
      // The first error is the server's word; a second follows when the socket closes, and is the same news.
      return new Promise(resolve => client.on('error', error => resolve({ at: Date.now(), ...told(error) })))
    },
  }
}
