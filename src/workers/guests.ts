/** The clients that a worker serves: their doors are in the first process, their sockets in the worker. */
import type { Socket } from 'node:net'
import { Refused } from '../denial.ts'
import type { Client, Door, Proof, Shown, Upstream } from '../protocol/protocol.ts'
import type { Channel, Handlers } from './channel.ts'
import type { FromWorker, ShownThere, ToWorker } from './messages.ts'

export interface Guests {
  readonly hears: Pick<Handlers<FromWorker>, 'proof' | 'enter' | 'cancelBy' | 'note' | 'served' | 'left'>
  /** How many are being served. */
  readonly count: number
  /** Resolves when the worker has served it. */
  serve(protocol: string, at: Client, door: Door<unknown, Upstream>): Promise<void>
  /** The worker is dead. */
  gone(): void
}

interface Guest {
  readonly door: Door<unknown, Upstream>
  /** The verifier that this client's SCRAM exchange runs against: compared by identity, so it does not cross. */
  against?: Proof['scram']
  served(): void
  failed(error: Error): void
}

export function createGuests(channel: () => Channel<ToWorker, FromWorker>): Guests {
  const guests = new Map<number, Guest>()
  /** What is left here of the sockets that were handed over: as long as one stands, the client counts as connected. */
  const shells = new Map<number, Socket>()
  let last = 0

  const guest = (client: number): Guest => {
    const found = guests.get(client)
    if (found === undefined) throw new Error('the client has been served')
    return found
  }

  return {
    hears: {
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
      left({ client }) {
        const shell = shells.get(client)
        shells.delete(client)
        shell?.destroy()
      },
    },
    get count() {
      return guests.size
    },
    serve(protocol, at, door) {
      if (at.kind !== 'stream') throw new TypeError('a worker serves streams')
      const { socket, source, keys } = at
      const { plaintext, loopback } = keys
      const client = ++last
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      guests.set(client, { door, served: resolve, failed: reject })
      shells.set(client, socket)
      // Whoever destroys what is left of it here means the socket there.
      socket.once('close', () => shells.delete(client) && channel().tell('destroyClient', client))
      channel().tell('client', { client, protocol, source, plaintext, loopback }, socket)
      return promise
    },
    gone() {
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
