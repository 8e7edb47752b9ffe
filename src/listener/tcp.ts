/**
 * A stream door's port. Accepts, counts and hands over; it waits for no peer, so that one silent client stalls nobody
 * (attack 216, GHSA-78rf), and what a socket does wrong never leaves it.
 *
 * Bytes are left alone: protocols greet on their own terms, with their own deadlines.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { HostPort } from '../config/config.ts'
import type { Log } from '../telemetry/log.ts'
import type { Source } from '../words.ts'
import { type ConnectionLimits, Connections } from './connections.ts'
import { originOf } from './source.ts'

export interface StreamClient {
  readonly socket: Socket
  readonly source: Source
  /** The client is on this machine. */
  readonly loopback: boolean
}

export interface Listening {
  /** Where it listens: with port 0 the port that the system chose. */
  readonly address: HostPort
  /** Stops accepting at once; resolves when the last connection is gone. Call {@link destroy} for those that stay. */
  close(): Promise<void>
  destroy(): void
}

export interface StreamListener {
  readonly at: HostPort
  readonly limits: ConnectionLimits
  readonly log: Log
  /** Nothing is read of a client here: another process will. */
  readonly unread?: boolean
  /** May throw or reject: the socket is then destroyed and the failure logged. */
  onClient(client: StreamClient): void | Promise<void>
}

export async function listenStream(listener: StreamListener): Promise<Listening> {
  const { at, limits, log, unread, onClient } = listener
  const connections = new Connections(limits)
  const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000, pauseOnConnect: unread }
  const server = createServer(options, socket => {
    const client = admit(socket, connections, log)
    if (client === undefined) return
    const fail = (error: unknown) => {
      log.error({ err: error, source: client.source }, 'a door failed')
      socket.destroy()
    }
    try {
      Promise.resolve(onClient(client)).catch(fail)
    } catch (error) {
      fail(error)
    }
  })
  return listening(server, at, connections, log)
}

/** Counts a new socket and says whose it is, or destroys it. */
export function admit(socket: Socket, connections: Connections, log: Log): StreamClient | undefined {
  // Before anything else: an 'error' that nobody hears ends the process.
  socket.on('error', error => log.debug({ err: error }, 'a client socket failed'))
  const origin = originOf(socket.remoteAddress)
  if (origin !== undefined && connections.admit(socket, origin.source)) return { socket, ...origin }
  const refused = origin && connections.turnedAway(performance.now())
  if (refused !== undefined)
    log.warn(
      { source: origin?.source, open: connections.size, refused },
      'too many connections: some refused',
    )
  socket.destroy()
  return undefined
}

export async function listening(
  server: Server,
  at: HostPort,
  connections: Connections,
  log: Log,
): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: at.host, port: at.port, backlog: 1024 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  // Out of file descriptors, say: this connection is lost, the listener is not.
  server.on('error', error => log.error({ err: error }, 'a listener failed'))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('a TCP listener has an address')
  return {
    address: { host: at.host, port: address.port },
    close: () => new Promise(resolve => server.close(() => resolve())),
    destroy: () => connections.destroyAll(),
  }
}
