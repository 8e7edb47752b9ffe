/** The stages joined into a {@link House}: how a session is recorded, how its end is told, who is fit for work. */

import project from '../package.json' with { type: 'json' }
import { createApprovals } from './approval/approval.ts'
import type { AuditLog } from './audit/audit.ts'
import type { LiveSessions } from './broker/live.ts'
import type { Admitted, Broker } from './broker/open.ts'
import type { LiveSession } from './broker/session.ts'
import { createSharedSessions } from './broker/shared.ts'
import { createTokenGrants } from './broker/tokens.ts'
import type { Config } from './config/config.ts'
import { recordingLost } from './ending.ts'
import type { Grants } from './grant/grants.ts'
import { newSessionId } from './grant/id.ts'
import type { House, Rate } from './house.ts'
import type { Verifier } from './identity/verify.ts'
import type { SealKey } from './ledger/seal.ts'
import { RateLimiter } from './listener/limits.ts'
import { countedAs } from './listener/source.ts'
import { stillGood } from './policy/still-good.ts'
import type { AnyProtocol } from './protocol/protocol.ts'
import { openRecorder } from './recording/recorder.ts'
import type { Store } from './store/store.ts'
import type { Log } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics.ts'
import type { Clock, Ending } from './words.ts'

export interface Stages {
  readonly config: () => Config
  readonly protocols: ReadonlyMap<string, AnyProtocol>
  readonly verifier: Verifier
  readonly grants: Grants
  readonly store: Store
  readonly audit: AuditLog
  readonly live: LiveSessions
  readonly key: SealKey
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly shows: House['shows']
  readonly room: Broker['room']
  readonly draining: AbortSignal
  readonly randomBytes: (size: number) => Uint8Array
  /** Whether there is a process that serves streams. */
  readonly serving: () => boolean
}

/** Refused tries of one source: enough for a fleet behind one address, far too few to guess with (attacks 46, 199). */
const FAILURES = { burst: 100, perSecond: 5 }

export function buildHouse(stages: Stages): House {
  const { config, protocols, verifier, grants, store, audit, clock, log, metrics, shows, draining } = stages
  let requests = requestsOf(config())
  return {
    version: project.version,
    config,
    policy: () => ({ ...config(), protocols }),
    protocols,
    verifier,
    grants,
    approvals: createApprovals({ store, audit, clock }),
    audit,
    broker: buildBroker(stages),
    clock,
    log,
    metrics,
    failures: byNetwork(new RateLimiter(FAILURES)),
    refusals: byNetwork(new RateLimiter(FAILURES), named),
    requests() {
      if (requests.of !== config().limits.requestsPerSecond) requests = requestsOf(config())
      return requests.limiter
    },
    shows,
    get metadata() {
      return new URL('/.well-known/oauth-protected-resource', config().publicUrl)
    },
    draining,
    newRequestId: () => Buffer.from(stages.randomBytes(8)).toString('hex'),
    readiness: () => ({
      issuers: verifier.ready(),
      store: store.healthy(),
      audit: audit.healthy,
      room: !stages.room.isShort,
      open: !draining.aborted && stages.serving(),
    }),
    told(refused, { identity, grant, call }) {
      audit.noted({
        type: call === undefined ? 'grant.refused' : 'people.refused',
        reason: refused.denial.code,
        detail: refused.denial.detail,
        ...(identity && { identity }),
        ...(grant === undefined ? {} : { grant }),
        ...(call === undefined ? {} : { facts: { call } }),
      })
      return refused
    },
  }
}

/** An IPv6 client owns a whole /64, and must not have 2^64 first tries. */
function byNetwork(rate: RateLimiter, keyOf = countedAs): Rate {
  return {
    take: (from, now) => rate.take(keyOf(from), now),
    has: (from, now) => rate.has(keyOf(from), now),
  }
}

/** Of a source, a space and a name. */
function named(from: string): string {
  const at = from.indexOf(' ')
  return countedAs(from.slice(0, at)) + from.slice(at)
}

/** A second's worth may come at once. */
function requestsOf({ limits: { requestsPerSecond: of } }: Config) {
  return { of, limiter: new RateLimiter({ burst: of, perSecond: of }) }
}

function buildBroker({
  config,
  protocols,
  draining,
  grants,
  audit,
  live,
  room,
  key,
  clock,
  log,
  metrics,
  randomBytes,
}: Stages): Broker {
  return {
    audit,
    room,
    clock,
    live,
    shared: createSharedSessions(),
    gateway: key.id.slice(0, 16),
    tokenGrants: createTokenGrants(),
    randomBytes,
    newSessionId: () => newSessionId(clock.now(), randomBytes),
    record: (session, at) =>
      openRecorder({
        data: config().data,
        session: session.id,
        opened: openedRecord(session, at),
        clock,
        key,
        heads: audit,
        log,
        onLost: lost => void session.end(recordingLost(lost)),
      }),
    stillGood: ({ id }, source) =>
      stillGood({
        grant: grants.usable(id),
        source,
        now: clock.now(),
        policy: { ...config(), protocols },
        draining: draining.aborted,
      }),
    opened: session => metrics.sessions.inc({ protocol: session.grant.protocol }),
    failed: (session, error) =>
      log.error({ err: error, session: session.id }, 'a session did not end cleanly'),
    closed(session, ending, tookMs) {
      tellEnd(session, ending, tookMs, { audit, metrics })
    },
  }
}

/** Who, what and why, at the top of the recording. No credential is among it. */
export function openedRecord(
  { id, grant }: LiveSession,
  { source, connection }: Admitted,
): Record<string, unknown> {
  const { identity, request, scope, rule, protocol, expiresAt } = grant
  const { reason, task } = request
  const stated = { ...(reason === undefined ? {} : { reason }), ...(task === undefined ? {} : { task }) }
  const expires_at = new Date(expiresAt).toISOString()
  return {
    session: id,
    grant: grant.id,
    identity,
    source,
    connection: connection.name,
    protocol,
    rule,
    scope,
    expires_at,
    ...stated,
  }
}

function tellEnd(
  session: LiveSession,
  ending: Ending,
  tookMs: number,
  { audit, metrics }: Pick<Stages, 'audit' | 'metrics'>,
): void {
  const { id, grant } = session
  const { how, why, text } = ending
  metrics.sessions.dec({ protocol: grant.protocol })
  metrics.endings.inc({ how, why })
  if (how === 'cut') metrics.cut.observe(tookMs / 1000)
  audit.noted({
    type: how === 'cut' ? 'session.cut' : 'session.closed',
    detail: text,
    session: id,
    grant: grant.id,
    connection: grant.connection,
    rule: grant.rule,
    identity: grant.identity,
    facts: { why, took_ms: Math.round(tookMs) },
  })
}
