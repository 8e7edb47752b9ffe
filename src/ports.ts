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

export interface PortsAt {
  readonly house: House
  /** What is shown inside TLS at this moment. */
  readonly tls: () => TlsKeys
  readonly keys: Pick<DoorKeys, 'hostKey' | 'ssh'>
  readonly workers?: Workers | undefined
}

export async function openPorts(at: PortsAt): Promise<Ports> {
  const { house, tls } = at
  const { http, people, streams } = house.config().listen
  const https = new Map<string, HttpListening>()
  const others = new Map<string, Listening>()
  const all = () => new Map<string, Listening>([...https, ...others])
  const close = () => {
    for (const listening of all().values()) void listening.close()
  }
  const destroy = () => {
    for (const listening of all().values()) listening.destroy()
  }
  try {
    if (http !== undefined)
      https.set(
        'http',
        await opens('http', http, openHttp(at, http, { agents: true, people: people === undefined })),
      )
    if (people !== undefined)
      https.set(
        'people',
        await opens('people', people, openHttp(at, people, { agents: false, people: true })),
      )
    for (const [name, where] of streams)
      if (house.protocols.has(name)) others.set(name, await opens(name, where, openStream(at, name, where)))
  } catch (error) {
    close()
    destroy()
    throw error
  }
  const addresses = Object.fromEntries(
    [...all()].map(([name, { address }]) => [name, `${address.host}:${address.port}`]),
  )
  const renewed = () => {
    for (const listening of https.values()) listening.renew(tls())
  }
  return { addresses, renewed, close, destroy }
}

/** A request for a connection's door goes there, any other to the API. */
function openHttp(
  { house, tls }: PortsAt,
  at: HostPort,
  serves: { readonly agents: boolean; readonly people: boolean },
): Promise<HttpListening> {
  const hosts = hostsInForce(() => house.config().publicUrl, at)
  const api = getRequestListener(createApi({ house, hosts, ...serves }).fetch)
  /** The connection whose door this request is at. What is not for us (attack 146), the API refuses. */
  const doorOf = ({ url = '', headers: { host, origin } }: IncomingMessage) =>
    serves.agents && isForUs(host, origin, hosts()) ? connectionIn(url) : undefined
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const connection = doorOf(request)
    if (connection === undefined) return api(request, response)
    // Over HTTP/2 a connection has many requests: what is ended with one is its stream.
    const socket = 'stream' in response ? (response.stream as Duplex) : request.socket
    const source = sourceOf(request)
    return serveRequest(house, { kind: 'request', request, response, socket, source, connection })
  }
  return listenHttp({
    at,
    tls: tls(),
    insecure: house.config().listen.insecure,
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
}

const sourceOf = ({ socket }: IncomingMessage) => originOf(socket.remoteAddress)?.source ?? 'gone'

/** A client is served here, or by the worker that has fewest. */
function openStream(
  { house, tls, keys, workers }: PortsAt,
  protocol: string,
  at: HostPort,
): Promise<Listening> {
  const plaintext = house.config().listen.insecure || isLoopback(at.host)
  return listenStream({
    at,
    limits: STREAMS,
    log: house.log,
    unread: workers !== undefined,
    onClient(client) {
      const by = workers === undefined ? house : workers.next()
      const served = by?.protocols.get(protocol)
      if (by === undefined || served === undefined) return void client.socket.destroy()
      const { loopback } = client
      return serveStream(by, served, client, { tls: tls().context, ...keys, plaintext, loopback })
    },
  })
}

function opens<Open>(key: string, at: HostPort, opening: Promise<Open>): Promise<Open> {
  return opening.catch(error => {
    throw cannotListen(key, at, error)
  })
}
