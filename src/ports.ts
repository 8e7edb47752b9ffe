/**
 * Opens what `listen` lists, and nothing else: the HTTP port for agents, the people's own where there is one, and a port
 * for each stream protocol.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { createApi } from './api/app.ts'
import { hostsInForce, isForUs } from './api/host.ts'
import { isLoopback } from './config/address.ts'
import type { HostPort } from './config/config.ts'
import { serveRequest, serveStream } from './doors.ts'
import type { House } from './house.ts'
import { cannotListen } from './listener/cannot-listen.ts'
import { type HttpListening, listenHttp } from './listener/http.ts'
import { originOf } from './listener/source.ts'
import { type Listening, listenStream } from './listener/tcp.ts'
import type { TlsKeys } from './listener/tls.ts'
import type { DoorKeys } from './protocol/protocol.ts'
import { connectionIn } from './statement/http/target.ts'
import type { Workers } from './workers/pool.ts'

export interface Ports {
  /** `http`, `people`, `postgres` ...: where each listens. */
  readonly addresses: Readonly<Record<string, string>>
  /** Another certificate for new connections; those that are open keep theirs. */
  renewed(): void
  /** No new connection from here on. */
  close(): void
  destroy(): void
}

/** Connections: a fleet behind one NAT fits, a single machine cannot take all of them (attack 191). */
const STREAMS = { total: 10_000, perSource: 2_000 }
const REQUESTS = { total: 10_000, perSource: 1_000 }

export async function openPorts(
  house: House,
  /** What is shown at this moment. */
  tls: () => TlsKeys,
  keys: Pick<DoorKeys, 'hostKey' | 'ssh'>,
  workers?: Workers,
): Promise<Ports> {
  const { listen } = house.config()
  const open = new Map<string, Listening>()
  const https: HttpListening[] = []

  const http = async (
    name: 'http' | 'people',
    at: HostPort,
    serves: { agents: boolean; people: boolean },
  ) => {
    const hosts = hostsInForce(() => house.config().publicUrl, at)
    const api = getRequestListener(createApi({ house, hosts, ...serves }).fetch)
    /** The connection whose door this request is at. What is not for us (attack 146), the API refuses. */
    const doorOf = ({ url = '', headers: { host, origin } }: IncomingMessage) =>
      serves.agents && isForUs(host, origin, hosts()) ? connectionIn(url) : undefined
    const sourceOf = ({ socket }: IncomingMessage) => originOf(socket.remoteAddress)?.source ?? 'gone'
    const onRequest = (request: IncomingMessage, response: ServerResponse) => {
      const connection = doorOf(request)
      if (connection === undefined) return api(request, response)
      // Over HTTP/2 a connection has many requests: what is ended with one is its stream.
      const socket = 'stream' in response ? (response.stream as Duplex) : request.socket
      const client = {
        kind: 'request',
        request,
        response,
        socket,
        source: sourceOf(request),
        connection,
      } as const
      return serveRequest(house, client)
    }
    const listening = await listenHttp({
      at,
      tls: tls(),
      insecure: listen.insecure,
      limits: REQUESTS,
      log: house.log,
      onRequest,
      onContinue(request, response) {
        // A door judges before it asks for the body; the API's bodies are small.
        if (doorOf(request) === undefined) response.writeContinue()
        return onRequest(request, response)
      },
      upgrades: request =>
        doorOf(request) !== undefined && request.headers.upgrade?.toLowerCase() === 'websocket',
      onUpgrade(request, socket, head) {
        const connection = doorOf(request)
        if (connection === undefined) return void socket.destroy()
        const source = sourceOf(request)
        void serveRequest(house, { kind: 'upgrade', request, socket, head, source, connection })
      },
    })
    https.push(listening)
    open.set(name, listening)
  }
  const stream = async (name: string, at: HostPort) => {
    const plaintext = listen.insecure || isLoopback(at.host)
    const listening = await listenStream({
      at,
      limits: STREAMS,
      log: house.log,
      unread: workers !== undefined,
      onClient(client) {
        const at = workers === undefined ? house : workers.next()
        const served = at?.protocols.get(name)
        if (at === undefined || served === undefined) return void client.socket.destroy()
        const { loopback } = client
        return serveStream(at, served, client, { tls: tls().context, ...keys, plaintext, loopback })
      },
    })
    open.set(name, listening)
  }

  const close = () => {
    for (const listening of open.values()) void listening.close()
  }
  const destroy = () => {
    for (const listening of open.values()) listening.destroy()
  }
  const renewed = () => {
    for (const listening of https) listening.renew(tls())
  }

  try {
    const own = listen.people
    if (listen.http !== undefined)
      await opens('http', listen.http, http('http', listen.http, { agents: true, people: own === undefined }))
    if (own !== undefined) await opens('people', own, http('people', own, { agents: false, people: true }))
    for (const [name, at] of listen.streams)
      if (house.protocols.has(name)) await opens(name, at, stream(name, at))
  } catch (error) {
    close()
    destroy()
    throw error
  }
  const addresses = Object.fromEntries(
    [...open].map(
      ([
        name,
        {
          address: { host, port },
        },
      ]) => [name, `${host}:${port}`],
    ),
  )
  return { addresses, renewed, close, destroy }
}

function opens(key: string, at: HostPort, opening: Promise<void>): Promise<void> {
  return opening.catch(error => {
    throw cannotListen(key, at, error)
  })
}
