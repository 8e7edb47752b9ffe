/**
 * A worker as the first process sees it: protocols whose clients are served there and whose targets are dialled from there,
 * and a house whose sessions are recorded there. Everything is decided here, by the very ways of a single process.
 */
import { Refused, refuse } from '../denial.ts'
import type { House } from '../house.ts'
import type { SealKey } from '../ledger/seal.ts'
import type { AnyProtocol, Dialling, Upstream } from '../protocol/protocol.ts'
import type { Channel, Handlers } from './channel.ts'
import { createGuests } from './guests.ts'
import { carry } from './lease.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { createRecordings } from './recordings.ts'

type Out = Channel<ToWorker, FromWorker>

export interface Remote {
  readonly channel: Out
  readonly house: House
  /** Clients that are being served. */
  readonly clients: number
  /** The worker is dead and its channel closed: what it had is ended here. */
  gone(): void
}

/** `mustHear`: what was said last is heard soon, or the worker is killed. */
export function createRemote(
  house: House,
  key: SealKey,
  join: (hears: Handlers<FromWorker>) => Out,
  mustHear: () => void,
): Remote {
  const guests = createGuests(() => channel)
  const recordings = createRecordings({ house, key, channel: () => channel, mustHear })
  const channel: Out = join({ ...guests.hears, ...recordings.hears })
  const protocols = new Map(
    [...house.protocols].map(([name, protocol]: [string, AnyProtocol]) => [
      name,
      {
        ...protocol,
        serve: (client, door) => guests.serve(name, client, door),
        dial: at => dial(name, at, channel),
      } satisfies AnyProtocol,
    ]),
  )
  return {
    channel,
    house: {
      ...house,
      protocols,
      policy: () => ({ ...house.policy(), protocols }),
      broker: { ...house.broker, record: recordings.record },
    },
    get clients() {
      return guests.count
    },
    gone() {
      recordings.gone()
      guests.gone()
    },
  }
}

async function dial(
  protocol: string,
  { lease, signal, ...at }: Dialling<unknown, object, unknown>,
  channel: Out,
): Promise<Upstream | Refused> {
  const { session } = at
  if (signal.aborted) return refuse('upstream_unreachable', 'the session ended before it was dialled')
  const abandon = () => channel.tell('abandon', { session })
  signal.addEventListener('abort', abandon, { once: true })
  try {
    const { refused } = await channel.call('dial', { protocol, lease: carry(lease), ...at })
    return refused === undefined ? upstreamOf(session, channel) : new Refused(refused)
  } finally {
    signal.removeEventListener('abort', abandon)
  }
}

/** A worker that is gone has nothing open any more. */
function upstreamOf(session: string, channel: Out): Upstream {
  const said = async (what: 'cancel' | 'dispose') => {
    if (!channel.closed) await channel.call(what, { session }).catch(() => undefined)
  }
  return {
    cancel: () => said('cancel'),
    destroy: () => channel.tell('destroy', { session }),
    [Symbol.asyncDispose]: () => said('dispose'),
  }
}
