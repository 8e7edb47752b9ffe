/**
 * A worker as the first process sees it: protocols whose clients are served there and whose targets are dialled from there,
 * and a house whose sessions are recorded there. Everything is decided here, by the very ways of a single process.
 */
import type { Socket } from 'node:net'
import type { Admitted } from '../broker/open.ts'
import type { LiveSession } from '../broker/session.ts'
import { openedRecord } from '../build.ts'
import { Refused, refuse } from '../denial.ts'
import { endings } from '../ending.ts'
import type { House } from '../house.ts'
import type { Heads } from '../ledger/heads.ts'
import type { SealKey } from '../ledger/seal.ts'
import type { AnyProtocol, Client, Dialling, Door, Proof, Shown, Upstream } from '../protocol/protocol.ts'
import { type Recorder, RecordingLost } from '../recording/record.ts'
import type { Channel, Handlers } from './channel.ts'
import { Checkpoints } from './checkpoints.ts'
import { carry } from './lease.ts'
import type { FromWorker, ShownThere, ToWorker } from './messages.ts'
import { RemoteRecording } from './recording.ts'

type Out = Channel<ToWorker, FromWorker>

export interface Remote {
  readonly channel: Out
  readonly house: House
  /** Clients that are being served. */
  readonly clients: number
  /** The worker is dead and its channel closed: what it had is ended here. */
  gone(): void
}

/** A client that a worker serves. */
interface Guest {
  readonly door: Door<unknown, Upstream>
  /** The verifier that this client's SCRAM exchange runs against: compared by identity, so it does not cross. */
  against?: Proof['scram']
  served(): void
  failed(error: Error): void
}

/** `mustHear`: what was said last is heard soon, or the worker is killed. */
export function createRemote(
  house: House,
  key: SealKey,
  join: (hears: Handlers<FromWorker>) => Out,
  mustHear: () => void,
): Remote {
  const guests = new Map<number, Guest>()
  /** What is left here of the sockets that were handed over: as long as one stands, the client counts as connected. */
  const shells = new Map<number, Socket>()
  const recordings = new Map<string, RemoteRecording>()
  let last = 0

  const guest = (client: number): Guest => {
    const found = guests.get(client)
    if (found === undefined) throw new Error('the client has been served')
    return found
  }
  const heads: Heads = {
    opened: (recording, tip) => house.audit.opened(recording, tip),
    closed(session, tip, seal) {
      recordings.delete(session)
      house.audit.closed(session, tip, seal)
    },
  }

  const channel = join({
    async proof({ client, user }) {
      const at = guest(client)
      const proof = await at.door.proof(user)
      at.against = proof.scram
      return proof
    },
    async enter({ client, shown }) {
      const at = guest(client)
      const session = await at.door.enter(shownHere(shown, at))
      if (session instanceof Refused) return { refused: session.denial }
      const { id, grant, cancelKey, recordValues } = session
      return { session: id, grant, cancelKey, recordValues }
    },
    cancelBy: ({ client, key }) => guests.get(client)?.door.cancel(key),
    note: ({ client, denial, user }) => guests.get(client)?.door.note(new Refused(denial), user),
    served({ client, failed }) {
      const at = guests.get(client)
      guests.delete(client)
      if (failed === undefined) at?.served()
      else at?.failed(new Error(failed))
    },
    left: ({ client }) => {
      const shell = shells.get(client)
      shells.delete(client)
      shell?.destroy()
    },
    end: async ({ session, ending }) => {
      // A worker ends its own sessions, and no others.
      if (recordings.has(session)) await house.broker.live.get(session)?.end(ending)
    },
    placed({ session, tip }) {
      const recording = recordings.get(session)
      if (recording !== undefined) heads.opened(recording, tip)
    },
    grown(sessions) {
      for (const session of sessions) {
        const recording = recordings.get(session)
        if (recording !== undefined) recording.grown = true
      }
    },
    sealed: ({ session, tip, seal }) => heads.closed(session, tip, seal),
  })

  const checkpoints = new Checkpoints(channel)

  function serve(protocol: string, at: Client, door: Door<unknown, Upstream>): Promise<void> {
    if (at.kind !== 'stream') throw new TypeError('a worker serves streams')
    const { socket, source, keys } = at
    const { plaintext, loopback } = keys
    const client = ++last
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    guests.set(client, { door, served: resolve, failed: reject })
    shells.set(client, socket)
    // Whoever destroys what is left of it here means the socket there.
    socket.once('close', () => shells.delete(client) && channel.tell('destroyClient', client))
    channel.tell('client', { client, protocol, source, plaintext, loopback }, socket)
    return promise
  }

  async function dial(protocol: string, { lease, signal, ...at }: Dialling<unknown, object, unknown>) {
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

  async function record(session: LiveSession, at: Admitted): Promise<Recorder> {
    const { id } = session
    const { data } = house.config()
    const { clock, log } = house
    const recording = new RemoteRecording({
      session: id,
      channel,
      checkpoints,
      data,
      key,
      heads,
      clock,
      log,
    })
    recordings.set(id, recording)
    const cut = () => {
      channel.tell('cut', { session: id, ending: session.signal.reason })
      mustHear()
    }
    session.signal.addEventListener('abort', cut, { once: true })
    try {
      const { lost } = await channel.call('record', { session: id, opened: openedRecord(session, at) })
      if (lost === undefined) return recording
      recordings.delete(id)
      throw new RecordingLost(new Error(lost.cause), lost.why)
    } catch (error) {
      // Begun perhaps by a worker that died before it could say so.
      if (channel.closed) await recording.close(endings.failed)
      throw error
    }
  }

  const protocols = new Map(
    [...house.protocols].map(([name, protocol]: [string, AnyProtocol]) => [
      name,
      {
        ...protocol,
        serve: (client, door) => serve(name, client, door),
        dial: at => dial(name, at),
      } satisfies AnyProtocol,
    ]),
  )
  return {
    channel,
    house: {
      ...house,
      protocols,
      policy: () => ({ ...house.policy(), protocols }),
      broker: { ...house.broker, record },
    },
    get clients() {
      return guests.size
    },
    gone() {
      for (const recording of recordings.values()) recording.orphaned()
      for (const at of guests.values()) at.failed(new Error('its worker is gone'))
      guests.clear()
      for (const shell of shells.values()) shell.destroy()
    },
  }
}

function shownHere(shown: ShownThere, { against }: Guest): Shown {
  if (shown.how !== 'scram') return shown
  if (against === undefined) throw new Error('a SCRAM exchange without a verifier')
  return { ...shown, against }
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
