/** PostgreSQL: protocol 3.0 and 3.2, judged statement by statement (docs/protocols/postgres.md). */
import type { Protocol } from '../protocol.ts'
import { dial } from './dial.ts'
import { present, psql } from './present.ts'
import { type PostgresLimit, type PostgresScope, postgresScope } from './scope.ts'
import { type GuardFor, serve } from './serve.ts'
import { type PostgresLease, type PostgresTarget, postgresLease, postgresTarget } from './target.ts'
import type { PostgresUpstream } from './upstream.ts'

export type Postgres = Protocol<PostgresTarget, PostgresLease, PostgresScope, PostgresLimit, PostgresUpstream>

/** The guard is handed in: it owns the parser's worker and the verdict cache. */
export function createPostgres(parts: { readonly guardFor: GuardFor }): Postgres {
  return {
    name: 'postgres',
    target: postgresTarget,
    lease: postgresLease,
    scope: postgresScope,
    verifier: 'scram-sha-256',
    serve: (client, door) => serve(client, door, parts.guardFor),
    dial,
    present,
    client: psql,
  }
}
