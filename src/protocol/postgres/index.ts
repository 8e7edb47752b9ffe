/** PostgreSQL: protocol 3.0 and 3.2, judged statement by statement (docs/protocols/postgres.md). */
import { refuse } from '../../denial.ts'
import { createAnalyser } from '../../statement/sql/analyser.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { createLog } from '../../telemetry/log.ts'
import type { Protocol } from '../protocol.ts'
import { createCalls } from './calls.ts'
import { dial } from './dial.ts'
import { createGuard } from './guard.ts'
import { maskWith } from './mask.ts'
import { minting } from './mint.ts'
import { present, psql } from './present.ts'
import { type PostgresLimit, type PostgresScope, postgresScope } from './scope.ts'
import { type GuardFor, serve } from './serve.ts'
import { type PostgresLease, type PostgresTarget, postgresLease, postgresTarget } from './target.ts'
import type { PostgresUpstream } from './upstream.ts'

export const postgres: Protocol<
  PostgresTarget,
  PostgresLease,
  PostgresScope,
  PostgresLimit,
  PostgresUpstream
> = {
  name: 'postgres',
  target: postgresTarget,
  lease: postgresLease,
  scope: postgresScope,
  verifier: 'scram-sha-256',
  serve: (client, door) => serve(client, door, guards()),
  dial: ({ lease, ...at }) =>
    lease.minted === true
      ? Promise.resolve(refuse('internal_error', 'a lease that makes roles opens no session'))
      : dial({ ...at, lease }),
  minting,
  calls: { ...createCalls((scope, own, who) => guards()(scope, own, who)) },
  present,
  client: psql,
  reloaded: () => verdicts.clear(),
  keyed: maskWith,
}

const verdicts = new VerdictCache()
let made: GuardFor | undefined

/** The parser's thread and the verdicts are shared by all sessions, and made when the first client comes. */
function guards(): GuardFor {
  if (made === undefined) {
    const analyser = createAnalyser({ log: createLog() })
    made = (scope, own, who) => createGuard(scope, analyser, verdicts, own, who)
  }
  return made
}
