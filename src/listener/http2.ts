/**
 * HTTP/2 on the TLS port, for who asks for it by ALPN. Requests look to the handlers as they do over HTTP/1.1: a Host,
 * names in lower case, a body; extended CONNECT is not offered, so nothing can become something else.
 *
 * Streams, headers, resets and what waits are capped (CVE-2023-44487 rapid reset, CVE-2024-27983 CONTINUATION, settings and
 * ping floods): a client that goes beyond is sent away with its whole connection, and others do not notice.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { FewATurn } from './few-a-turn.ts'

/** One agent's requests at once on one connection; what waits upstream is the door's affair. */
const maxConcurrentStreams = 128
const maxHeaderListPairs = 128

export interface Http2Listener {
  /** A connection that has agreed on h2. */
  take(socket: TLSSocket): void
  close(): void
}

export function listenHttp2(
  { maxHeaderSize, idle }: { readonly maxHeaderSize: number; readonly idle: number },
  onRequest: RequestListener,
): Http2Listener {
  const server: Http2Server = createServer({
    settings: { maxConcurrentStreams, maxHeaderListSize: maxHeaderSize, enablePush: false },
    maxHeaderListPairs,
    maxSettings: 16,
    // A target may send two of a header that has one: that is between it and its client.
    strictSingleValueFields: false,
    maxOutstandingPings: 10,
    maxSessionInvalidFrames: 10,
    maxSessionRejectedStreams: 100,
    // Resets that may come at once, and each second after.
    streamResetBurst: 200,
    streamResetRate: 20,
    // MiB of everything that waits in one connection.
    maxSessionMemory: 16,
  })
  const sessions = new Set<ServerHttp2Session>()
  const turns = new FewATurn()
  server.on('session', session => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    session.setTimeout(idle, () => session.close())
  })
  // What one client does wrong is told to nobody else.
  server.on('sessionError', () => undefined)
  server.on('request', (request, response) => {
    const { authority, rawHeaders, headers } = request
    // What nghttp2 lets through is twice what HTTP/1.1 may have.
    if (rawHeaders.reduce((bytes, text) => bytes + text.length, 0) > maxHeaderSize) {
      response.stream.respond({ ':status': 431 }, { endStream: true })
      return
    }
    // Of the two an upstream, a log and a check may each read the other (attack 136).
    if (authority === undefined || authority === '' || headers.host !== undefined) {
      response.stream.respond({ ':status': 400 }, { endStream: true })
      return
    }
    headers.host = authority
    rawHeaders.push('host', authority)
    const begin = () => {
      if (request.stream.destroyed) return
      onRequest(
        request as unknown as IncomingMessage,
        response as unknown as ServerResponse & { req: IncomingMessage },
      )
    }
    turns.begin(request.stream.session ?? request, begin)
  })
  return {
    take: socket => void server.emit('connection', socket),
    close: () => sessions.forEach(session => void session.close()),
  }
}
