/**
 * An API as one session has it: a pool of connections to the one address that was judged, and the lease's headers, which
 * are set last and by nobody else. Redirects are not followed: a dispatcher hands them on (attack 140).
 */
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import { hostOf } from '../../config/address.ts'
import type { Upstream } from '../protocol.ts'
import type { Address } from './address.ts'
import { Secrets } from './scrub.ts'

/** What the lease adds. Made by a protocol's `dial.ts`, the only file that sees the secrets. */
export interface Credential {
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Every value that must not come back, in any answer. */
  readonly secrets: readonly string[]
  readonly certificate?: { readonly cert: string; readonly key: string }
}

export interface UpstreamOptions {
  /** `http:` or `https:`; the path is what requests are below. */
  readonly url: URL
  readonly address: Address
  /** PEM; without it the system's CAs. */
  readonly ca?: string
  readonly serverName?: string
  readonly credential: Credential
}

/** A model may think for minutes before it says a word. */
const headersTimeout = 300_000
const connectTimeout = 10_000
const maxHeaderSize = 64 * 1024
/** What one agent may have under way at once on one API. */
const connections = 128

export class HttpUpstream implements Upstream {
  readonly url: URL
  /** The url's path without a slash at its end: what stands before every path. */
  readonly base: string
  readonly credential: Pick<Credential, 'headers'>
  readonly secrets: Secrets
  readonly #pool: Pool
  readonly #sockets = new Set<Duplex>()

  constructor({ url, address, ca, serverName, credential }: UpstreamOptions) {
    this.url = url
    this.base = url.pathname.replace(/\/+$/, '')
    this.credential = { headers: credential.headers }
    this.secrets = new Secrets(credential.secrets)
    const connect = buildConnector({
      allowH2: false,
      timeout: connectTimeout,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...credential.certificate,
    })
    // An address has no place in SNI; the certificate is then held against the address that is dialled, which is the same.
    const name = serverName ?? hostOf(url)
    const server = url.protocol === 'https:' && isIP(name) === 0 ? { servername: name } : {}
    this.#pool = new Pool(url.origin, {
      // Attack 147: the name is for the certificate alone; where to connect was decided before.
      connect: ({ servername: _, ...options }, callback) =>
        connect({ ...options, hostname: address.address, ...server }, callback),
      connections,
      pipelining: 1,
      allowH2: false,
      headersTimeout,
      // Streams of events may be silent for long; the grant's end is their deadline.
      bodyTimeout: 0,
      maxHeaderSize,
    })
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#pool.dispatch(options, handler)
  }

  /** A connection that has become something else leaves the pool, and is ended here. */
  keep(socket: Duplex): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  /** HTTP/1.1 has no word for it: closing is how a request is stopped. */
  async cancel(): Promise<void> {
    this.destroy()
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
    if (!this.#pool.destroyed) void this.#pool.destroy().catch(() => undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (!this.#pool.destroyed) await this.#pool.destroy()
  }
}
