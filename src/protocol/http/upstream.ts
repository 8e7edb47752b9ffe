/**
 * An API as one session has it: a pool of connections to the one address that was judged, and the lease's headers, which
 * are set last and by nobody else.
 */
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { hostOf } from '../../config/address.ts'
import type { Upstream } from '../protocol.ts'
import type { Address } from './address.ts'
import type { Answering, Outgoing, Sending } from './connection.ts'
import { Pool } from './pool.ts'
import { Secrets } from './scrub.ts'
import { headerLines } from './wire.ts'

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

export class HttpUpstream implements Upstream {
  readonly url: URL
  /** The url's path without a slash at its end: what stands before every path. */
  readonly base: string
  readonly credential: Pick<Credential, 'headers'>
  readonly secrets: Secrets
  readonly #pool: Pool
  readonly #names: ReadonlySet<string>
  readonly #last: string
  readonly #sockets = new Set<Duplex>()

  constructor({ url, address, ca, serverName, credential }: UpstreamOptions) {
    this.url = url
    this.base = url.pathname.replace(/\/+$/, '')
    this.credential = { headers: credential.headers }
    this.secrets = new Secrets(credential.secrets)
    this.#names = new Set(credential.headers.map(([name]) => name.toLowerCase()))
    // Only identity is asked for: what is packed cannot be looked through (attacks 141, 145).
    this.#last = headerLines([...credential.headers, ['accept-encoding', 'identity']].flat())
    // An address has no place in SNI; the certificate is then held against the address that is dialled, which is the same.
    const name = serverName ?? hostOf(url)
    const tls = {
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(ca === undefined ? {} : { ca }),
      ...credential.certificate,
    }
    const secure = url.protocol === 'https:'
    this.#pool = new Pool({
      // Attack 147: the name is for the certificate alone; where to connect was decided before.
      address: address.address,
      port: Number(url.port || (secure ? 443 : 80)),
      host: url.host,
      ...(secure ? { tls } : {}),
    })
  }

  /** Whether the lease sets this header: a client's own is not passed on. */
  sets(name: string): boolean {
    return this.#names.has(name)
  }

  /** The credential's headers come after everything a client could have put or struck out (attack 137). */
  send(outgoing: Outgoing, told: Answering): Sending {
    return this.#pool.send({ ...outgoing, path: this.base + outgoing.path, last: this.#last }, told)
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
    this.#pool.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy()
  }
}
