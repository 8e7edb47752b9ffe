/**
 * The connections that one session has to its target: kept alive, at most {@link mostConnections}, each with one request.
 * All go to the one address that was judged when the session was opened (attack 147).
 */
import { connect as connectTcp, type OnReadOpts, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { connect as connectTls } from 'node:tls'
import { copyOf, reading } from './buffers.ts'
import { type Answering, Connection, type Outgoing, type Owner, Queued } from './connection.ts'

export interface PoolOptions {
  readonly address: string
  readonly port: number
  /** What the Host header says. */
  readonly host: string
  /** TLS, where the target's url says https. */
  readonly tls?: {
    readonly servername?: string
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
  }
}

/** What one agent may have under way at once on one API. */
const mostConnections = 128
export const connectTimeout = 10_000
/** A model may think for minutes before it says a word. */
export const patience = 300_000
const lookEvery = 1000

export class Pool implements Owner {
  readonly #options: PoolOptions
  readonly #all = new Set<Connection>()
  readonly #idle: Connection[] = []
  /** In turn. At most what a session may have under way (`upstream.ts`): what is aborted leaves at once. */
  readonly #waiting = new Set<Queued>()
  readonly #looking: NodeJS.Timeout
  #isOver = false

  constructor(options: PoolOptions) {
    this.#options = options
    this.#looking = setInterval(() => this.#look(), lookEvery).unref()
  }

  send(outgoing: Outgoing, told: Answering): Queued {
    const sending = new Queued(outgoing, told, this)
    // A connection that turns into something else is read differently from its first byte on.
    const idle = outgoing.upgrade ? undefined : this.#idle.pop()
    if (idle !== undefined) idle.carry(sending)
    else this.#begin(sending)
    return sending
  }

  free(connection: Connection): void {
    const next = this.#next()
    if (next === undefined) this.#idle.push(connection)
    else connection.carry(next)
  }

  gone(connection: Connection): void {
    if (!this.#all.delete(connection)) return
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    const next = this.#next()
    if (next !== undefined) this.#begin(next)
  }

  again(sending: Queued): void {
    if (!sending.isOver) this.#begin(sending)
  }

  left(sending: Queued): void {
    this.#waiting.delete(sending)
  }

  #next(): Queued | undefined {
    const [next] = this.#waiting
    if (next !== undefined) this.#waiting.delete(next)
    return next
  }

  destroy(): void {
    this.#isOver = true
    clearInterval(this.#looking)
    for (const sending of this.#waiting) {
      this.#waiting.delete(sending)
      sending.told.onError(over)
    }
    for (const connection of this.#all) connection.expire(over)
  }

  #begin(sending: Queued): void {
    if (this.#isOver) return void sending.told.onError(over)
    if (this.#all.size >= mostConnections && !sending.outgoing.upgrade) return void this.#waiting.add(sending)
    const direct = sending.outgoing.upgrade !== true
    const onread = {
      buffer: reading,
      callback: (size: number) => {
        connection.push(copyOf(size))
        return true
      },
    }
    let socket: Socket
    try {
      socket = this.#connect(direct ? { onread } : {})
    } catch (error) {
      // A certificate that is none: thrown at once, and maybe into another connection's end.
      return void sending.told.onError(error as Error)
    }
    const connection = new Connection(socket, this.#options.host, this)
    if (!direct) socket.on('data', (chunk: Buffer) => connection.push(chunk))
    this.#all.add(connection)
    connection.carry(sending)
  }

  #connect(how: { onread?: OnReadOpts }): Socket {
    const socket = connectTo(this.#options, 'http/1.1', how)
    const late = setTimeout(() => socket.destroy(new Error('no connection in time')), connectTimeout)
    socket.once(this.#options.tls === undefined ? 'connect' : 'secureConnect', () => clearTimeout(late))
    socket.once('close', () => clearTimeout(late))
    return socket
  }

  #look(): void {
    const now = performance.now()
    for (const connection of this.#all) {
      if (connection.isLate(now, patience)) connection.expire(new Error('the target did not answer in time'))
    }
  }
}

/** A socket to the address that was judged, and to nothing that cannot prove its name. */
export function connectTo(
  { address, port, tls }: PoolOptions,
  protocol: 'http/1.1' | 'h2',
  how: { onread?: OnReadOpts } = {},
): Socket {
  const to = { host: address, port, noDelay: true, keepAlive: true, ...how }
  if (tls === undefined) return connectTcp(to)
  const verified = { rejectUnauthorized: true, minVersion: 'TLSv1.2' } as const
  return connectTls({ ...to, ...tls, ...verified, ALPNProtocols: [protocol] })
}

const over = new Error('the session is over')
