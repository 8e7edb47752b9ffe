/**
 * HTTP/2 towards a target that is said to speak it (`target: { http2: true }`): one connection a session, by ALPN inside TLS
 * and by prior knowledge outside it, to the one address that was judged (attack 147). What gRPC needs, and only then: its
 * trailers come back, and its answers may begin before its requests end.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2'
import type { Answering, Outgoing, Sending } from './connection.ts'
import { isGrpc } from './grpc.ts'
import { type FlatHeaders, valuesOf } from './headers.ts'
import { connectTimeout, connectTo, type PoolOptions, patience } from './pool.ts'
import { mostStatus, WireError } from './wire.ts'

export class Pool2 {
  readonly #options: PoolOptions
  #session: ClientHttp2Session | undefined
  #isOver = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  send(outgoing: Outgoing, told: Answering): Sending {
    return new Stream(() => this.#open(), outgoing, told, this.#options)
  }

  destroy(): void {
    this.#isOver = true
    this.#session?.destroy()
  }

  #open(): ClientHttp2Session {
    if (this.#isOver) throw new Error('the session is over')
    if (this.#session !== undefined && !this.#session.closed && !this.#session.destroyed) return this.#session
    const { host, tls } = this.#options
    const made = connectHttp2(`${tls === undefined ? 'http' : 'https'}://${host}`, {
      settings: { enablePush: false, maxHeaderListSize: 64 * 1024 },
      maxSessionMemory: 32,
      createConnection: () => connectTo(this.#options, 'h2'),
    })
    const late = setTimeout(() => made.destroy(new Error('no connection in time')), connectTimeout)
    made.once('connect', (_, socket) => {
      clearTimeout(late)
      const agreed = 'alpnProtocol' in socket ? socket.alpnProtocol : 'h2'
      if (agreed !== 'h2') made.destroy(new Error('the target does not speak HTTP/2'))
    })
    made.once('close', () => clearTimeout(late))
    // Each of its streams is told by itself.
    made.on('error', () => undefined)
    this.#session = made
    return made
  }
}

class Stream implements Sending {
  #stream: ClientHttp2Stream | undefined
  #told: Answering | undefined
  #answered = false

  constructor(open: () => ClientHttp2Session, outgoing: Outgoing, told: Answering, { host }: PoolOptions) {
    this.#told = told
    if (outgoing.upgrade) {
      this.#fail(new Error('no WebSocket over HTTP/2'))
      return
    }
    const { method, path, headers, body, length } = outgoing
    try {
      const grpc = isGrpc(valuesOf(headers, 'content-type')[0])
      const stream = open().request(
        {
          ':method': method,
          ':path': path,
          ':authority': host,
          ...named(headers),
          ...(grpc ? { te: 'trailers' } : {}),
          ...(length === undefined ? {} : { 'content-length': String(length) }),
        },
        { endStream: body === undefined },
      )
      this.#stream = stream
      this.#listen(stream)
      if (Buffer.isBuffer(body)) stream.end(body)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  write(chunk: Buffer): boolean {
    return this.#stream?.write(chunk) ?? false
  }

  end(): void {
    this.#stream?.end()
  }

  pause(): void {
    this.#stream?.pause()
  }

  resume(): void {
    this.#stream?.resume()
  }

  abort(): void {
    this.#told = undefined
    this.#stream?.close(constants.NGHTTP2_CANCEL)
  }

  #listen(stream: ClientHttp2Stream): void {
    const late = setTimeout(() => this.#fail(new Error('the target did not answer in time')), patience)
    stream.on('response', headers => {
      clearTimeout(late)
      this.#answered = true
      const status = headers[':status'] ?? 502
      if (status > mostStatus) return this.#fail(new WireError('a status that is none'))
      this.#told?.onHead(status, flat(headers))
    })
    stream.on('data', (chunk: Buffer) => this.#told?.onData(chunk))
    stream.on('trailers', trailers => this.#told?.onTrailers?.(flat(trailers)))
    stream.on('drain', () => this.#told?.onRoom?.())
    stream.on('error', error => this.#fail(error))
    stream.on('close', () => {
      clearTimeout(late)
      // `end` comes for a stream that was reset, too.
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR)
        return this.#fail(new Error(`reset with ${stream.rstCode}`))
      if (!this.#answered) return this.#fail(new Error('the target closed the stream without an answer'))
      const told = this.#told
      this.#told = undefined
      told?.onEnd()
    })
  }

  #fail(error: Error): void {
    const told = this.#told
    this.abort()
    // Not before whoever sends it knows what it has sent.
    if (told !== undefined) queueMicrotask(() => told.onError(error))
  }
}

/** Node's form: of a name that comes twice, a list. */
export function named(headers: FlatHeaders): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {}
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const [name = '', value = ''] = [headers[at], headers[at + 1]]
    const before = out[name]
    out[name] = before === undefined ? value : [before, value].flat()
  }
  return out
}

function flat(headers: IncomingHttpHeaders): FlatHeaders {
  return Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(':') || value === undefined ? [] : [value].flat().flatMap(one => [name, String(one)]),
  )
}
