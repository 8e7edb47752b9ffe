/**
 * An API as one session has it: a pool of connections to the one address that was judged, and the lease's headers, which
 * are set last and by nobody else.
 */
import { isIP } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import { hostOf } from '../../config/address.ts'
import { type Refused, refuse } from '../../denial.ts'
import type { Upstream } from '../protocol.ts'
import type { Address } from './address.ts'
import type { Answering, Outgoing, Sending } from './connection.ts'
import type { FlatHeaders } from './headers.ts'
import { Pool } from './pool.ts'
import { Pool2 } from './pool2.ts'
import { Secrets } from './scrub.ts'
import { type AwsKey, signature, signatureHeaders } from './sigv4.ts'
import { KeptToken, type TokenSource } from './token.ts'
import { headerLines } from './wire.ts'

/** What the lease adds. Made by a protocol's `dial.ts`, the only file that sees the secrets. */
export interface Credential {
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Every value that must not come back, in any answer. */
  readonly secrets: readonly string[]
  readonly certificate?: { readonly cert: string; readonly key: string }
  /** A query parameter, where an API takes its key nowhere else. */
  readonly query?: { readonly name: string; readonly value: string }
  /** AWS: each request is signed. */
  readonly aws?: AwsKey
  /** Bearer tokens that are renewed: `headers` are without. */
  readonly token?: TokenSource
}

export interface UpstreamOptions {
  /** `http:` or `https:`; the path is what requests are below. */
  readonly url: URL
  readonly address: Address
  /** PEM; without it the system's CAs. */
  readonly ca?: string
  readonly serverName?: string
  /** It speaks HTTP/2; without it HTTP/1.1. */
  readonly http2?: boolean
  readonly credential: Credential
}

/** What one session may have under way at once, WebSockets and one-shots among it: each holds memory, and a connection. */
const mostUnderWay = 256

export class HttpUpstream implements Upstream {
  readonly url: URL
  /** The url's path without a slash at its end: what stands before every path. */
  readonly base: string
  readonly secrets: Secrets
  readonly #pool: Pool | Pool2
  readonly #names: ReadonlySet<string>
  readonly #credential: Credential
  readonly #token: KeptToken | undefined
  #last: FlatHeaders = []
  #lastLines = ''
  readonly #sockets = new Set<Duplex>()
  #underWay = 0
  /** The same for all of them: it only counts. */
  readonly #place: Disposable = {
    [Symbol.dispose]: () => {
      this.#underWay -= 1
    },
  }

  constructor({ url, address, ca, serverName, credential, http2 }: UpstreamOptions) {
    this.url = url
    this.base = url.pathname.replace(/\/+$/, '')
    this.secrets = new Secrets(credential.secrets)
    this.#credential = credential
    this.#names = new Set(namesOf(credential))
    this.#set(credential.headers)
    this.#token = credential.token && new KeptToken(credential.token, one => this.#renew(one), monotonic)
    // An address has no place in SNI; the certificate is then held against the address that is dialled, which is the same.
    const name = serverName ?? hostOf(url)
    const tls = {
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(ca === undefined ? {} : { ca }),
      ...credential.certificate,
    }
    const secure = url.protocol === 'https:'
    this.#pool = new (http2 ? Pool2 : Pool)({
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

  /** Undefined where a request may be sent now; else what to wait for. */
  ready(): Promise<Refused | undefined> | undefined {
    return this.#token?.ready()
  }

  /** A place for one more request, until it is disposed of. */
  place(): Disposable | Refused {
    if (this.#underWay >= mostUnderWay) return tooMany
    this.#underWay += 1
    return this.#place
  }

  /** The query parameter that is the lease's: no client may bring its own. */
  get parameter(): string | undefined {
    return this.#credential.query?.name
  }

  /** The signature covers the body: it is read whole first. */
  get wantsBody(): boolean {
    return this.#credential.aws?.unsignedPayload === false
  }

  /** The credential comes after everything a client could have put or struck out (attack 137). */
  send(outgoing: Outgoing, told: Answering): Sending {
    const sent = { ...outgoing, path: this.#withKey(this.base + outgoing.path) }
    const signed = this.#signed(sent)
    // HTTP/1.1 takes what is always the same as text.
    if (this.#pool instanceof Pool)
      return this.#pool.send({ ...sent, last: this.#lastLines + headerLines(signed) }, told)
    return this.#pool.send({ ...sent, headers: [...sent.headers, ...this.#last, ...signed] }, told)
  }

  #withKey(path: string): string {
    const { query } = this.#credential
    if (query === undefined) return path
    const pair = `${encodeURIComponent(query.name)}=${encodeURIComponent(query.value)}`
    return `${path}${path.includes('?') ? '&' : '?'}${pair}`
  }

  #signed({ method, path, headers, body }: Outgoing): FlatHeaders {
    const { aws } = this.#credential
    if (aws === undefined) return []
    const whole = Buffer.isBuffer(body) ? body : undefined
    return signature({ method, path, host: this.url.host, headers, body: whole }, aws, Date.now())
  }

  /** Only identity is asked for: what is packed cannot be looked through (attacks 141, 145). */
  #set(headers: Credential['headers']): void {
    this.#last = [...headers.flat(), 'accept-encoding', 'identity']
    this.#lastLines = headerLines(this.#last)
  }

  /** The new token is hidden before the first request has it; what the old one was is still hidden too. */
  #renew(token: string): void {
    this.secrets.add(token)
    this.#set([...this.#credential.headers, ['authorization', `Bearer ${token}`]])
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

function namesOf({ headers, aws, token }: Credential): readonly string[] {
  const own = headers.map(([name]) => name.toLowerCase())
  return [
    ...own,
    ...(aws === undefined ? [] : signatureHeaders),
    ...(token === undefined ? [] : ['authorization']),
  ]
}

const monotonic = () => performance.now()

const say = `this grant has ${mostUnderWay} requests under way, which is as many as it may have at once`
const tooMany = refuse('limit_exceeded', say, { say })
