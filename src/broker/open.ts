/**
 * The steps that open a session, each of which pushes its own undo: register, recording, lease, dial (invariants 6, 7).
 *
 * After each wait the session is looked at again: what ended its grant meanwhile wins (attacks 47, 49, 63).
 */
import type { AuditLog } from '../audit/audit.ts'
import type { Connection, Rule } from '../config/config.ts'
import type { Leased } from '../config/secret.ts'
import { Refused, refuse } from '../denial.ts'
import { refusedBy } from '../ending.ts'
import type { Use } from '../grant/redeem.ts'
import type { AnyProtocol, Upstream } from '../protocol/protocol.ts'
import { type Recorder, RecordingLost } from '../recording/record.ts'
import type { Clock, Ending, Grant, Narrowed, Source } from '../words.ts'
import { mintLease } from './leases/minted.ts'
import { takeStaticLease } from './leases/static.ts'
import type { LiveSessions } from './live.ts'
import { LiveSession } from './session.ts'
import type { SharedSessions } from './shared.ts'
import type { TokenGrants } from './tokens.ts'

/** Reaching a target, handshake and all, takes no longer than this. */
const DIAL_DEADLINE = 15_000

export interface Broker {
  readonly audit: AuditLog
  readonly clock: Clock
  readonly live: LiveSessions
  readonly shared: SharedSessions
  /** Grants that tokens have made at request doors, by token and connection. */
  readonly tokenGrants: TokenGrants
  /** Marks what this gateway leaves in a target: the same as long as its data folder lives. */
  readonly gateway: string
  newSessionId(): string
  randomBytes(size: number): Uint8Array
  record: (session: LiveSession, at: Admitted) => Promise<Recorder>
  /** Whether recordings have taken all the room that they may. */
  readonly room: { readonly isShort: boolean }
  /**
   * Whether the grant is still good from there this very moment, and the gateway still opens sessions: synchronous, so nothing
   * slips between the look and the use.
   */
  stillGood(grant: Grant, source: Source): true | Refused
  /** Told when a session is entered. */
  opened(session: LiveSession): void
  /** Told when a part of a session's end went wrong. */
  failed(session: LiveSession, error: unknown): void
  /** Told when a session has closed for good. */
  closed(session: LiveSession, ending: Ending, tookMs: number): void
}

/** What the pipeline knows once a grant was redeemed and confirmed. */
export interface Admitted {
  readonly grant: Grant
  readonly rule: Rule
  readonly connection: Connection
  readonly protocol: AnyProtocol
  readonly source: Source
  readonly client: { destroy(): void }
  /** The place among the grant's sessions that was taken for this one. */
  readonly use: Use
}

export function openSession(
  at: Admitted,
  { broker }: { broker: Broker },
): { session: LiveSession } | Refused {
  const good = broker.stillGood(at.grant, at.source)
  if (good !== true) return good
  const facts = {
    id: broker.newSessionId(),
    grant: at.grant,
    scope: at.grant.scope as Narrowed<unknown>,
    recordValues: at.rule.recordValues,
    source: at.source,
    cancelKey: broker.randomBytes(8),
  }
  const session = new LiveSession(facts, broker.clock, {
    destroyClient: () => at.client.destroy(),
    failed: broker.failed,
    closed: broker.closed,
  })
  session.undo(() => at.use.close())
  broker.live.add(session)
  broker.opened(session)
  session.undo(() => broker.live.remove(session))
  return { session }
}

export async function openRecording(
  at: Admitted & { session: LiveSession },
  { broker }: { broker: Broker },
): Promise<Record<never, never> | Refused> {
  const { session, grant } = at
  if (broker.room.isShort)
    return refuse('recording_unavailable', 'the disk is nearly full, and what is left is kept for the audit')
  try {
    session.recordWith(await broker.record(session, at))
  } catch (error) {
    if (!(error instanceof RecordingLost)) throw error
    return refuse('recording_unavailable', `the recording cannot be opened: ${String(error.cause)}`)
  }
  const { id: grantId, connection, rule, identity } = grant
  broker.audit.noted({
    type: 'session.opened',
    session: session.id,
    grant: grantId,
    connection,
    rule,
    identity,
    source: at.source,
    // A state that is rolled back counts uses again from here: a grant for one use stays used.
    facts: { use: at.use.ordinal },
  })
  return overMeanwhile(session) ?? {}
}

export async function takeLease(
  at: Admitted & { session: LiveSession },
  { broker }: { broker: Broker },
): Promise<{ lease: Leased<object> } | Refused> {
  const { session, protocol } = at
  const standing = await takeStaticLease(at.connection.lease as object, session.recorder)
  const over = overMeanwhile(session)
  if (over !== undefined) return over
  const { minting } = protocol
  if (!minting?.wanted(standing)) return { lease: standing }
  const minted = await mintLease(at, { minting, standing, gateway: broker.gateway })
  const late = overMeanwhile(session)
  if (minted instanceof Refused) return late ?? minted
  if (late === undefined) {
    session.undo(() => minted.release())
    return { lease: minted.lease }
  }
  // The session's own undoing is over. Where this fails too, the sweep finds it.
  await minted.release().catch(error => broker.failed(session, error))
  return late
}

export async function dial(
  at: Admitted & { session: LiveSession; lease: Leased<object> },
): Promise<Record<never, never> | Refused> {
  const { session, lease, grant, connection, protocol } = at
  const signal = AbortSignal.any([session.signal, AbortSignal.timeout(DIAL_DEADLINE)])
  const { target } = connection
  const upstream: Upstream | Refused = await protocol.dial({
    target,
    lease,
    scope: session.scope,
    grant,
    session: session.id,
    signal,
  })
  if (upstream instanceof Refused) return overMeanwhile(session) ?? upstream
  const over = overMeanwhile(session)
  if (over !== undefined) {
    // Attack 63: a lock that arrived while we dialled closes the connection unread.
    upstream.destroy()
    return over
  }
  session.reached(upstream)
  return {}
}

function overMeanwhile({ ending }: LiveSession): Refused | undefined {
  return ending && refusedBy(ending)
}
