/** What an agent is told of a PostgreSQL grant, and how `postern connect` runs psql. The password is only ever in `env`. */
import { join } from 'node:path'
import type { AnsweredGrant, ClientProgram, Presented, Presenting } from '../protocol.ts'
import type { PostgresTarget } from './target.ts'

const loopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

export function present({ grant, target, advertised, password, ca }: Presenting<PostgresTarget>): Presented {
  const { host, port } = advertised
  const { database } = target
  const authority = host.includes(':') ? `[${host}]` : host
  return {
    endpoint: { host, port, database, ...(ca === undefined ? {} : { ca }) },
    env: {
      PGHOST: host,
      PGPORT: String(port),
      PGDATABASE: database,
      PGUSER: grant.id,
      ...(password === undefined ? {} : { PGPASSWORD: password }),
      // Off loopback the door takes TLS only; on loopback both.
      ...(loopback(host) ? {} : { PGSSLMODE: 'require' }),
    },
    connect: `psql "postgresql://${grant.id}@${authority}:${port}/${encodeURIComponent(database)}"`,
  }
}

export const psql: ClientProgram = {
  program: 'psql',
  wantsKey: false,
  prepare({ grant, folder, args }) {
    const { ca, host } = grant.endpoint
    // With the gateway's CA at hand the client checks whom it reached.
    const verified = ca !== undefined && !loopback(host)
    const tls = verified ? { PGSSLMODE: 'verify-full', PGSSLROOTCERT: join(folder, 'ca.pem') } : {}
    const env: Readonly<Record<string, string>> = { ...grant.env, ...tls }
    return {
      args,
      // psql reads the others; many programs that `postern run` starts read this one alone.
      env: { ...env, DATABASE_URL: databaseUrl(grant, env) },
      files: verified && ca !== undefined ? { 'ca.pem': ca } : {},
    }
  },
}

function databaseUrl(
  { endpoint, credential }: AnsweredGrant,
  { PGSSLMODE, PGSSLROOTCERT }: Readonly<Record<string, string>>,
): string {
  const { host, port, database = '' } = endpoint
  const { username, password } = credential
  const who = [username, ...(password === undefined ? [] : [password])].map(encodeURIComponent).join(':')
  const query = new URLSearchParams({
    ...(PGSSLMODE === undefined ? {} : { sslmode: PGSSLMODE }),
    ...(PGSSLROOTCERT === undefined ? {} : { sslrootcert: PGSSLROOTCERT }),
  })
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return `postgresql://${who}@${authority}/${encodeURIComponent(database)}${query.size === 0 ? '' : `?${query}`}`
}
