/**
 * Removes what a crash, or a target that could not be reached at a session's end, has left of minted leases: at start and
 * then a minute after each round, one connection after the other. Only what this gateway marked as its own, and no live session's.
 */
import type { Connection } from '../../config/config.ts'
import { Refused } from '../../denial.ts'
import type { AnyProtocol } from '../../protocol/protocol.ts'
import type { Log } from '../../telemetry/log.ts'
import type { LiveSessions } from '../live.ts'
import { takeStaticLease } from './static.ts'

const BETWEEN = 60_000
const DEADLINE = 30_000

export interface Sweeping {
  /** The connections in force. */
  readonly connections: () => Iterable<Connection>
  readonly protocols: ReadonlyMap<string, AnyProtocol>
  readonly live: LiveSessions
  /** The mark on what this gateway makes. */
  readonly gateway: string
  readonly log: Log
}

/** The first round begins at once, and nobody waits for it: a target that is down keeps no door shut. */
export function startSweep(at: Sweeping): Disposable {
  const stopped = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const round = async () => {
    await sweepAll(at, stopped.signal)
    // Only now: targets that answer nothing make a round longer than the time between two.
    if (!stopped.signal.aborted) timer = setTimeout(() => void round(), BETWEEN).unref()
  }
  void round()
  return {
    [Symbol.dispose]() {
      clearTimeout(timer)
      stopped.abort()
    },
  }
}

async function sweepAll(at: Sweeping, stopped: AbortSignal): Promise<void> {
  for (const connection of at.connections()) {
    if (stopped.aborted) return
    try {
      await sweepOne(connection, at, stopped)
    } catch (error) {
      at.log.error({ err: error, connection: connection.name }, 'minted leases could not be swept')
    }
  }
}

async function sweepOne({ name, protocol, target, lease }: Connection, at: Sweeping, stopped: AbortSignal) {
  const minting = at.protocols.get(protocol)?.minting
  if (!minting?.wanted(lease)) return
  const standing = await takeStaticLease(lease as object, { hide: () => undefined })
  const swept = await minting.sweep({
    target,
    lease: standing,
    gateway: at.gateway,
    isLive: session => at.live.get(session) !== undefined,
    signal: AbortSignal.any([stopped, AbortSignal.timeout(DEADLINE)]),
  })
  if (stopped.aborted) return
  if (swept instanceof Refused)
    at.log.warn({ connection: name, why: swept.denial.detail }, 'minted leases could not be swept')
  else if (swept.length > 0)
    at.log.info({ connection: name, sessions: swept }, 'minted leases of ended sessions are gone')
}
