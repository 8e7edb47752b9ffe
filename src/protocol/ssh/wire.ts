/**
 * One SSH connection on a socket: the transport of `transport.ts` with what a socket brings along, which is time, an end,
 * and a peer that does not read. Messages above the transport come and go as plain payloads.
 *
 * Trusts nothing: what the transport throws ends the connection, with nothing of the cause told to the peer.
 */
import type { Socket } from 'node:net'
import { finished } from 'node:stream'
import { Malformed, message } from '../../statement/sftp/fields.ts'
import { disconnectReason, msg, type Payload } from './messages.ts'
import { Unsafe } from './negotiation.ts'
import { Outbox } from './outbox.ts'
import { type Role, Transport } from './transport.ts'
import { currentTurn } from './turn.ts'

/** A peer that changes keys more often than once a MiB, a few spared, is at work on our CPU (attack 126). */
const spareKeyExchanges = 8
const keyExchangeMillis = 30_000
const lingerMillis = 2000
/** With this much unsent, the other side is not read from (attack 192). */
const highWater = 1 << 20
/**
 * Packets that one connection may bring in a turn of the event loop: some ten milliseconds of the smallest, and never as
 * many as a transfer has. The rest waits, so that nobody's cut is late for one who pours (attack 192).
 */
const mostInTurn = 1024
/** Before login; a ring of keys is offered in a few dozen. IGNORE counts, and goes nowhere else (attack 190). */
const mostBeforeLogin = 512
/** One for all sockets: what is read is opened at once, into buffers of its own, before the next read. */
export const readBuffer = Buffer.alloc(256 * 1024)

export interface WireOptions {
  readonly role: Role
  /** Keys are changed after so much; RFC 4253 section 9 says a GiB or an hour, and that is what is done if nothing is said. */
  readonly rekey?: { readonly bytes?: number; readonly millis?: number }
  /** The first key exchange is done. */
  onReady(): void
  onMessage(type: number, payload: Buffer): void
  /** All that one read brought has been handed over: the moment to record, then to send. */
  onTurn(): void
  /** The peer has caught up, or the key change is over: {@link Wire.blocked} is false again. */
  onDrain(): void
  /** Once, when nothing more will come. `error` says why, where it was not a goodbye. */
  onEnd(error?: Error): void
}

export class Wire {
  readonly #socket: Socket
  readonly #options: WireOptions
  readonly #transport: Transport
  readonly #outbox: Outbox
  readonly #rekeyBytes: number
  readonly #rekeyMillis: number
  #ready = false
  #ended = false
  #paused = false
  #admitted = false
  #turn = 0
  #inTurn = 0
  /** What was read and is another turn's. */
  #rest: Buffer | undefined
  #bytes = 0
  #bytesAtKex = 0
  #exchanges = 0
  #rekeyTimer: NodeJS.Timeout | undefined

  constructor(socket: Socket, options: WireOptions) {
    this.#socket = socket
    this.#options = options
    this.#rekeyBytes = options.rekey?.bytes ?? 1 << 30
    this.#rekeyMillis = options.rekey?.millis ?? 3_600_000
    this.#outbox = new Outbox(socket)
    this.#transport = new Transport(options.role, {
      write: piece => this.#outbox.add(piece),
      message: (type, payload) => this.#message(type, payload),
      offered: () => this.#offered(),
      exchanged: () => this.#exchanged(),
    })
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 15_000)
    socket.on('data', (chunk: Buffer) => this.take(chunk))
    socket.on('drain', () => this.#drained())
    finished(socket, { writable: false }, error => this.#end(error ?? undefined))
    this.#transport.start()
  }

  /** The exchange hash of the first key exchange: what signatures are bound to. */
  get sessionId(): Buffer {
    return this.#transport.sessionId
  }
  /** The peer asked for EXT_INFO (RFC 8308); to be sent in `onReady`. */
  get wantsExtInfo(): boolean {
    return this.#transport.wantsExtInfo
  }
  /** How often keys have been exchanged. */
  get exchanges(): number {
    return this.#exchanges
  }
  /** The peer does not read, or a key change holds messages back: do not read what would be sent here. */
  get blocked(): boolean {
    return !this.#ended && (this.#outbox.waiting > highWater || this.#transport.exchanging)
  }
  get ended(): boolean {
    return this.#ended
  }

  send(payload: Payload): void {
    if (this.#ended) return
    this.#transport.send(payload)
    this.#count(payload instanceof Uint8Array ? payload.length : payload[1].length)
  }

  /**
   * Reads no more, but for a key exchange under way: two wires that exchange keys at once, and each of which waits for the
   * other, would never read their ends. What else comes meanwhile is bounded by the windows that were given.
   */
  pause(): void {
    this.#paused = true
    if (!this.#transport.exchanging) this.#socket.pause()
  }
  resume(): void {
    this.#paused = false
    this.#readOn()
  }

  /** The peer has logged in, or we have: from now on it may send as much as it likes. */
  admit(): void {
    this.#admitted = true
  }

  /** Says goodbye and closes our half. The peer may take its time; who must be sure calls {@link destroy}. */
  disconnect(reason: number, why: string): void {
    if (this.#ended) return
    this.#lastWord(reason, why)
    this.#socket.end()
    this.#end()
  }

  #lastWord(reason: number, why: string): void {
    this.#transport.sendNow(message(msg.disconnect, reason, why.slice(0, 1000), ''))
    this.#outbox.flush()
  }

  destroy(): void {
    this.#socket.destroy()
    this.#end()
  }

  /** The peer broke the protocol: one word of goodbye, and no more is read. */
  fail(error: Error): void {
    if (this.#ended) return
    const why = error instanceof Unsafe ? error.said : 'protocol error'
    if (this.#transport.identified) this.#lastWord(disconnectReason.protocolError, why)
    this.#outbox.flush()
    this.#socket.destroySoon()
    this.#end(error)
  }

  /** What was read, where the socket hands it over past its stream. Nothing of it is kept. */
  take(chunk: Buffer): void {
    if (this.#ended) return
    const rest = this.#rest === undefined ? this.#feed(chunk) : chunk
    if (rest.length === 0) return
    this.#socket.pause()
    this.#wait(this.#rest === undefined ? Buffer.from(rest) : Buffer.concat([this.#rest, rest]))
  }

  #wait(rest: Buffer): void {
    this.#rest = rest
    setImmediate(() => this.#goOn())
  }

  /** What it does not take in this turn. */
  #feed(chunk: Buffer): Buffer {
    const turn = currentTurn()
    if (turn !== this.#turn) this.#inTurn = 0
    this.#turn = turn
    const before = this.#transport.opened
    let taken = chunk.length
    try {
      taken = this.#transport.feed(chunk, mostInTurn - this.#inTurn)
      if (!this.#admitted && this.#transport.opened > mostBeforeLogin)
        throw new Malformed('too many packets before login')
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
    this.#inTurn += this.#transport.opened - before
    this.#count(taken)
    this.#options.onTurn()
    return this.#ended ? chunk.subarray(chunk.length) : chunk.subarray(taken)
  }

  #goOn(): void {
    const rest = this.#rest
    // Who paused meanwhile will resume, and comes here again.
    if (rest === undefined || this.#ended || (this.#paused && !this.#transport.exchanging)) return
    this.#rest = undefined
    const left = this.#feed(rest)
    if (left.length > 0) this.#wait(left)
    else if (!this.#paused || this.#transport.exchanging) this.#socket.resume()
  }

  #readOn(): void {
    if (this.#rest === undefined) this.#socket.resume()
    else setImmediate(() => this.#goOn())
  }

  #message(type: number, payload: Buffer): void {
    if (this.#ended) return
    if (type === msg.disconnect) {
      this.#socket.end()
      this.#end()
    } else this.#options.onMessage(type, payload)
  }

  #offered(): void {
    const earned = Math.floor(this.#bytes / (1 << 20))
    if (++this.#exchanges > spareKeyExchanges + earned) throw new Malformed('too many key exchanges')
    this.#watchExchange()
  }

  #exchanged(): void {
    this.#bytesAtKex = this.#bytes
    clearTimeout(this.#rekeyTimer)
    if (this.#ended) return
    if (this.#paused) this.#socket.pause()
    this.#rekeyTimer = setTimeout(() => this.#rekey(), this.#rekeyMillis)
    this.#rekeyTimer.unref()
    if (this.#ready) {
      setImmediate(() => this.#drained())
    } else {
      this.#ready = true
      this.#options.onReady()
    }
  }

  #rekey(): void {
    if (this.#ended || !this.#ready || this.#transport.exchanging) return
    this.#transport.rekey()
    this.#readOn()
    this.#watchExchange()
  }

  /** A key exchange that never ends would hold messages for ever (attack 126). */
  #watchExchange(): void {
    clearTimeout(this.#rekeyTimer)
    this.#rekeyTimer = setTimeout(() => this.fail(new Error('key exchange timed out')), keyExchangeMillis)
    this.#rekeyTimer.unref()
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes - this.#bytesAtKex > this.#rekeyBytes || this.#transport.worn) this.#rekey()
  }

  #drained(): void {
    if (!this.#ended && !this.blocked) this.#options.onDrain()
  }

  #end(error?: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#rest = undefined
    this.#transport.stop()
    clearTimeout(this.#rekeyTimer)
    // What still comes is thrown away unread, so that our last words can leave.
    this.#socket.resume()
    this.#socket.on('error', () => this.#socket.destroy())
    // A peer that does not close its half is not waited for.
    const lingering = setTimeout(() => this.#socket.destroy(), lingerMillis)
    lingering.unref()
    this.#socket.once('close', () => clearTimeout(lingering))
    this.#options.onEnd(error)
  }
}
