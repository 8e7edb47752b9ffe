/**
 * The HTTP port: TLS, and on loopback (or `insecure: true`) plaintext beside it on the same port, told apart by the first
 * byte. Both go to the same handlers.
 *
 * Each connection waits for its own first byte under a deadline and alone (attack 216, GHSA-78rf). Node's strict parser;
 * HTTP/2 for who asks for it inside TLS; headers and requests under a deadline (attack 190). A PROXY line is not HTTP and is answered 400 (attack 217).
 */
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerOptions,
} from 'node:http'
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import { createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { HostPort } from '../config/config.ts'
import type { Log } from '../telemetry/log.ts'
import { type ConnectionLimits, Connections } from './connections.ts'
import { type Http2Listener, listenHttp2 } from './http2.ts'
import { inTurn } from './in-turn.ts'
import { admit, type Listening, listening } from './tcp.ts'
import type { TlsKeys } from './tls.ts'

export type SwitchListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export interface HttpListener {
  readonly at: HostPort
  readonly tls: TlsKeys
  /** TLS ends in front of us. */
  readonly insecure: boolean
  readonly limits: ConnectionLimits
  readonly deadlines?: Deadlines
  readonly log: Log
  readonly onRequest: RequestListener
  /** Requests that expect a 100 Continue before they send their body; Node gives it unasked otherwise. */
  readonly onContinue?: RequestListener
  readonly onUpgrade?: SwitchListener
  /** Whether a request may ask for it; all others are requests like any other. */
  readonly upgrades?: (request: IncomingMessage) => boolean
  readonly onConnect?: SwitchListener
}

/** Milliseconds. */
export interface Deadlines {
  /** The first byte, and then the TLS handshake. */
  readonly hello: number
  readonly headers: number
  readonly request: number
  readonly idle: number
}

export interface HttpListening extends Listening {
  /** New keys for new connections; those that are open keep theirs. */
  renew(tls: TlsKeys): void
}

const usual: Deadlines = { hello: 10_000, headers: 10_000, request: 60_000, idle: 60_000 }

/** Okta tokens with many groups reach 16 KiB; two of them, and cookies, are somebody's attack. */
const maxHeaderSize = 32 * 1024
const clientHello = 0x16

export async function listenHttp(options: HttpListener): Promise<HttpListening> {
  const { at, tls, insecure, limits, log } = options
  const deadlines = options.deadlines ?? usual
  const connections = new Connections(limits)
  const strict = strictly(deadlines, options.upgrades ?? (() => options.onUpgrade !== undefined))
  const plain = createHttpServer(strict)
  const secure = createHttpsServer({
    ...strict,
    ...tls.options,
    handshakeTimeout: deadlines.hello,
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  for (const server of [plain, secure]) handle(server, options)
  const h2 = listenHttp2({ maxHeaderSize, idle: deadlines.idle }, options.onRequest)
  byProtocol(secure, h2)
  secure.on('tlsClientError', error => log.debug({ err: error }, 'a TLS handshake failed'))
  const port = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, socket => {
    const client = admit(socket, connections, log)
    if (client === undefined) return
    if (client.loopback || insecure) byFirstByte(socket, deadlines.hello, plain, secure)
    // Off loopback nothing but TLS is ever tried.
    else secure.emit('connection', socket)
  })
  const open = await listening(port, at, connections, log)
  return {
    ...open,
    renew: keys => secure.setSecureContext(keys.options),
    close: async () => {
      const closed = open.close()
      // Neither listens itself; this ends their idle connections and their timers.
      for (const server of [plain, secure]) server.close(ignoreNotRunning)
      h2.close()
      await closed
    },
  }
}

function strictly(
  deadlines: Deadlines,
  shouldUpgradeCallback: (request: IncomingMessage) => boolean,
): ServerOptions {
  return {
    shouldUpgradeCallback,
    insecureHTTPParser: false,
    maxHeaderSize,
    headersTimeout: deadlines.headers,
    requestTimeout: deadlines.request,
    keepAliveTimeout: deadlines.idle,
    connectionsCheckingInterval: Math.min(5000, deadlines.headers),
    requireHostHeader: true,
  }
}

function handle(
  server: HttpServer | HttpsServer,
  { onRequest, onContinue, onUpgrade, onConnect }: HttpListener,
): void {
  server.maxHeadersCount = 100
  server.on('request', inTurn(onRequest))
  if (onUpgrade !== undefined) server.on('upgrade', onUpgrade)
  if (onConnect !== undefined) server.on('connect', onConnect)
  if (onContinue !== undefined) server.on('checkContinue', inTurn(onContinue))
  // Node enforces headersTimeout from a timer that it starts when the server listens; this one is only handed sockets.
  server.emit('listening')
}

/** What ALPN has agreed on goes to whom it is for. */
function byProtocol(secure: HttpsServer, h2: Http2Listener): void {
  const [http1] = secure.listeners('secureConnection') as ((socket: TLSSocket) => void)[]
  secure.removeAllListeners('secureConnection')
  secure.on('secureConnection', socket => {
    if (socket.alpnProtocol === 'h2') h2.take(socket)
    else http1?.call(secure, socket)
  })
}

function byFirstByte(socket: Socket, deadline: number, plain: HttpServer, secure: HttpsServer): void {
  const late = setTimeout(() => socket.destroy(), deadline)
  socket.once('close', () => clearTimeout(late))
  socket.once('data', (chunk: Buffer) => {
    clearTimeout(late)
    // Given back before anybody else reads. TLS takes what is buffered by itself; HTTP waits for it to flow.
    socket.pause()
    socket.unshift(chunk)
    const isTls = chunk[0] === clientHello
    ;(isTls ? secure : plain).emit('connection', socket)
    if (!isTls) socket.resume()
  })
}

function ignoreNotRunning(error?: Error): void {
  if (error !== undefined && (error as NodeJS.ErrnoException).code !== 'ERR_SERVER_NOT_RUNNING') throw error
}
