/**
 * One HTTP/1.1 connection to a target, one request at a time. Read into one buffer that all share, without a stream in
 * between: what is passed on is copied once, and nothing is read while nobody takes it.
 */
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import type { FlatHeaders } from './headers.ts'
import { type AnswerHead, Answers, keptFor, requestHead, WireError } from './wire.ts'

/** A request as it goes out, everything in it judged. */
export interface Outgoing {
  readonly method: string
  /** Whole, with its query. */
  readonly path: string
  readonly headers: FlatHeaders
  /** `stream`: {@link Sending.write} brings it, with its length among the headers or in chunks. */
  readonly body: Buffer | 'stream' | undefined
  readonly length?: number | undefined
  readonly upgrade?: true
  /** More header lines, ready. */
  readonly last?: string
}

/** A request on its way, as its exchange holds it. */
export interface Sending {
  /** False: no more until {@link Answering.onRoom}. */
  write(chunk: Buffer): boolean
  /** The streamed body is whole. */
  end(): void
  pause(): void
  resume(): void
  /** Nobody waits for the answer any more. */
  abort(): void
}

/** From the moment it waits for a connection. */
export class Queued implements Sending {
  readonly outgoing: Outgoing
  readonly told: Answering
  readonly #owner: Pick<Owner, 'left'>
  #connection: Connection | undefined
  #isOver = false

  constructor(outgoing: Outgoing, told: Answering, owner: Pick<Owner, 'left'>) {
    this.outgoing = outgoing
    this.told = told
    this.#owner = owner
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Undefined once nobody waits for it any more. */
  on(connection: Connection | undefined): void {
    this.#connection = connection
  }

  write(chunk: Buffer): boolean {
    return this.#connection?.write(chunk) ?? false
  }

  end(): void {
    this.#connection?.end()
  }

  pause(): void {
    this.#connection?.pause()
  }

  resume(): void {
    this.#connection?.resume()
  }

  abort(): void {
    this.#isOver = true
    if (this.#connection === undefined) this.#owner.left(this)
    else this.#connection.abort()
  }
}

/** Who waits for an answer, and never throws. Told nothing more after `onEnd`, `onError`, `onSwitched` or its own abort. */
export interface Answering {
  onHead(status: number, headers: FlatHeaders): void
  onData(chunk: Buffer): void
  onEnd(): void
  onError(error: Error): void
  /** There is room for (more of) a streamed body. */
  onRoom?(): void
  /** HTTP/2 alone. Before `onEnd`. */
  onTrailers?(trailers: FlatHeaders): void
  onSwitched?(headers: FlatHeaders, socket: Duplex): void
}

export interface Owner {
  free(connection: Connection): void
  gone(connection: Connection): void
  /** It ended before its answer began, on a connection that the target may have closed long before: sent on a new one. */
  again(sending: Queued): void
  /** Nobody waits for it any more, and it has no connection. */
  left(sending: Queued): void
}

/** Below what servers keep theirs: Node's own is 5 s, so a request seldom meets a connection that is being closed. */
const keepsUsually = 4000
/** A request whose answer may come twice (RFC 9110 section 9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

export class Connection {
  readonly #socket: Socket
  readonly #host: string
  readonly #owner: Owner
  readonly #answers: Answers
  #sending: Queued | undefined
  #answered = false
  #sent = false
  #served = 0
  #keeps = keepsUsually
  #error: Error | undefined
  /** Since when it is idle, or has waited for an answer's head; monotonic milliseconds. */
  since = 0

  constructor(socket: Socket, host: string, owner: Owner) {
    this.#socket = socket
    this.#host = host
    this.#owner = owner
    this.#answers = new Answers({
      onHead: head => this.#onHead(head),
      onData: chunk => this.#sending?.told.onData(chunk),
      onEnd: () => this.#onEnd(),
    })
    socket.on('error', error => {
      this.#error = error
    })
    socket.on('end', () => this.#onClose())
    socket.on('close', () => this.#onClose())
    socket.on('drain', () => this.#sending?.told.onRoom?.())
  }

  carry(sending: Queued): void {
    const { method, path, headers, body, length, upgrade, last } = sending.outgoing
    this.#sending = sending
    sending.on(this)
    this.#answered = false
    this.#sent = body !== 'stream'
    this.since = performance.now()
    let head: string
    try {
      head = requestHead(
        method,
        path,
        this.#host,
        headers,
        (last ?? '') + (upgrade ? upgrading : framing(body, length)),
      )
    } catch (error) {
      return void this.#fail(error as Error)
    }
    this.#answers.expect(method)
    // One string is one write: two pieces would be gathered first.
    if (typeof body === 'object') head += body.toString('latin1')
    this.#socket.write(head, 'latin1')
    if (body === 'stream') sending.told.onRoom?.()
  }

  /** False: no more until {@link Answering.onRoom}. */
  write(chunk: Buffer): boolean {
    if (this.#sending?.outgoing.length !== undefined) return this.#socket.write(chunk)
    this.#socket.cork()
    this.#socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
    this.#socket.write(chunk)
    const more = this.#socket.write('\r\n', 'latin1')
    this.#socket.uncork()
    return more
  }

  end(): void {
    this.since = performance.now()
    this.#sent = true
    if (this.#sending?.outgoing.length === undefined) this.#socket.write('0\r\n\r\n', 'latin1')
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** HTTP/1.1 has no word for it: closing is how a request is stopped. */
  abort(): void {
    this.#release()
    this.#socket.destroy()
  }

  /** Whether it has been idle, or has let its client wait, for too long. */
  isLate(now: number, patience: number): boolean {
    const waited = now - this.since
    if (this.#sending === undefined) return waited > this.#keeps
    return !this.#answered && waited > patience
  }

  expire(error: Error): void {
    this.#fail(error)
  }

  /** What the socket has read; the buffer is its owner's again when this returns. */
  push(bytes: Buffer): void {
    if (this.#socket.destroyed) return
    try {
      const rest = this.#answers.push(bytes)
      if (rest.length > 0) this.#socket.unshift(rest)
    } catch (error) {
      // Of any kind: who reads a socket has nobody above that catches.
      this.#fail(error as Error)
    }
  }

  #onHead({ status, headers }: AnswerHead): void {
    this.#answered = true
    if (status === 101) return void this.#switch(headers)
    if (status < 200) return
    this.#keeps = Math.min(keepsUsually, (keptFor(headers) ?? Number.POSITIVE_INFINITY) - 1000)
    this.#sending?.told.onHead(status, headers)
  }

  #onEnd(): void {
    const told = this.#release()
    this.#served += 1
    this.since = performance.now()
    // An answer that came before the whole body leaves a connection that nobody can use.
    const isFree = this.#answers.isFree && this.#sent && this.#keeps > 0 && !this.#socket.destroyed
    if (isFree) {
      // The end of an answer that its client took slowly leaves the socket paused, and the next answer would never be read.
      this.#socket.resume()
      // Before the end is told: whoever waits for a connection has it in the same turn.
      this.#owner.free(this)
    } else this.#socket.destroy()
    told?.onEnd()
  }

  #switch(headers: FlatHeaders): void {
    if (this.#sending?.told.onSwitched === undefined || !this.#sending.outgoing.upgrade)
      return void this.#fail(new WireError('a 101 nobody asked for'))
    for (const event of ['end', 'close', 'drain', 'data']) this.#socket.removeAllListeners(event)
    this.#socket.pause()
    this.#owner.gone(this)
    this.#release()?.onSwitched?.(headers, this.#socket)
  }

  #onClose(): void {
    let error: Error | undefined
    try {
      // `end` and `close` both come here; the second finds nothing left to say.
      this.#answers.close()
    } catch (early) {
      error = this.#error ?? (early as Error)
    }
    const sending = this.#sending
    if (error !== undefined && sending !== undefined && this.#isStale(sending.outgoing)) {
      this.#release()
      this.#owner.again(sending)
    }
    this.#fail(error ?? this.#error ?? new Error('the target closed the connection'))
  }

  #isStale({ method, body }: Outgoing): boolean {
    return this.#served > 0 && !this.#answered && body !== 'stream' && idempotent.has(method)
  }

  /** Ends it; whoever still waits is told. */
  #fail(error: Error): void {
    const told = this.#release()
    this.#socket.destroy()
    this.#owner.gone(this)
    told?.onError(error)
  }

  /** It has nobody's request any more. */
  #release(): Answering | undefined {
    const sending = this.#sending
    this.#sending = undefined
    sending?.on(undefined)
    return sending?.told
  }
}

const upgrading = 'connection: upgrade\r\nupgrade: websocket\r\n'

function framing(body: Outgoing['body'], length: number | undefined): string {
  if (body === undefined) return ''
  if (body !== 'stream') return `content-length: ${body.length}\r\n`
  return length === undefined ? 'transfer-encoding: chunked\r\n' : `content-length: ${length}\r\n`
}
