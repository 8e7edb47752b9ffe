/**
 * One judged and recorded request on its way: sent, its answer streamed back through the filters, its end recorded.
 * Backpressure both ways; nothing is gathered. Whatever ends it early ends both sides, and never cleanly towards the
 * client once the answer has begun (attack 143).
 */
import { createHash, type Hash, hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { performance } from 'node:perf_hooks'
import { type Denial, GatewayError, Refused, refuse } from '../../denial.ts'
import { refusedBy } from '../../ending.ts'
import type { Result, Seq, StreamRecorder } from '../../recording/record.ts'
import type { Ending } from '../../words.ts'
import type { Session } from '../protocol.ts'
import { answerHeaders, trailersFor } from './answer.ts'
import type { Body } from './body.ts'
import { release } from './buffers.ts'
import type { Answering, Sending } from './connection.ts'
import { isGrpc, perMessage } from './grpc.ts'
import { answerTooLarge } from './guard.ts'
import { type FlatHeaders, headersByName, valuesOf } from './headers.ts'
import { runningOf } from './running.ts'
import { type Filter, inTurn } from './scrub.ts'
import type { HttpUpstream } from './upstream.ts'

/** A request as it goes on. The lease's headers are added here, last. */
export interface Onward {
  readonly method: string
  /** Below the target's url, in its one form, with its query. */
  readonly path: string
  readonly headers: FlatHeaders
  readonly body: Buffer | Body | undefined
  /** Of a streamed body, where it is known. */
  readonly length?: number | undefined
  readonly maxResponse: number
  /** `/c/<connection>`. */
  readonly door: string
  /** Where the body's digests are recorded, for bodies that are not in the statement's record. */
  readonly recorded?: StreamRecorder | undefined
  /** What else must happen to the answer's bytes; undefined for nothing. */
  answer?(status: number, headers: IncomingHttpHeaders): Filter | Refused | undefined
}

/** Where an answer goes: a client's response, or a one-shot's. */
export interface Sink {
  start(status: number, headers: FlatHeaders): void
  /** False: no more until {@link Exchange.drained}. `written` is called when nobody needs the bytes any more, if ever. */
  write(chunk: Buffer, written?: () => void): boolean
  end(trailers?: FlatHeaders): void
  /** There is no answer. */
  refuse(denial: Denial): void
  /** The answer ends here, and must not look whole. */
  cut(denial: Denial): void
}

type Live = Pick<Session<unknown, HttpUpstream>, 'upstream' | 'recorder' | 'signal'>

/** Up to here an answer is hashed in one call, at its end. */
const mostPieces = 32 * 1024

export class Exchange implements Answering {
  /** Resolves when nothing of it is left, however it ended. Rejects where a defect of ours ended it. */
  readonly over: Promise<void>
  readonly #session: Live
  readonly #of: Seq
  readonly #onward: Onward
  readonly #sink: Sink
  readonly #startedAt = performance.now()
  #done: () => void = () => undefined
  #failed: (defect: unknown) => void = () => undefined
  #sending: Sending | undefined
  #filter: Filter | undefined
  /** The protocol's own. */
  #own: Filter | undefined
  /** The head of an answer that may still be refused. */
  #held: FlatHeaders | undefined
  #started = false
  #trailers: FlatHeaders | undefined
  #status = 0
  #bytes = 0
  #pieces: Buffer[] = []
  #hash: Hash | undefined
  #isOver = false

  constructor(session: Live, of: Seq, onward: Onward, sink: Sink) {
    this.#session = session
    this.#of = of
    this.#onward = onward
    this.#sink = sink
    this.over = new Promise((resolve, reject) => {
      this.#done = resolve
      this.#failed = reject
    })
  }

  run(): void {
    this.#contained(() => this.#begin())
  }

  #begin(): void {
    const { upstream, signal } = this.#session
    const { method, path, headers, body, length } = this.#onward
    // The client may have left while the record was written.
    if (this.#isOver) return
    if (signal.aborted) return void this.cut()
    runningOf(signal).add(this)
    const streams = body !== undefined && !Buffer.isBuffer(body)
    this.#sending = upstream.send({ method, path, headers, body: streams ? 'stream' : body, length }, this)
    // It may have failed at once, or found its connection ready before it was known here.
    if (this.#isOver) this.#sending.abort()
    else this.onRoom()
  }

  drained(): void {
    this.#contained(() => {
      if (!this.#isOver) this.#sending?.resume()
    })
  }

  /** The client has gone: what nobody waits for does not go on. */
  abandon(): void {
    const error = { code: 'client_closed', message: 'the client left before the end' } as const
    this.#contained(() => this.#finish({ error }))
  }

  /** The session has ended: nothing of it goes on. */
  cut(): void {
    this.#contained(() => this.#stop(refusedBy(this.#session.signal.reason as Ending).denial))
  }

  /** Ends it for a reason that the client is told, where it can still be told. */
  refuse(denial: Denial): void {
    this.#contained(() => this.#stop(denial))
  }

  onRoom(): void {
    this.#contained(() => {
      const { body } = this.#onward
      if (this.#sending !== undefined && body !== undefined && !Buffer.isBuffer(body))
        body.flow(this.#sending)
    })
  }

  onHead(status: number, headers: FlatHeaders): void {
    this.#contained(() => this.#head(status, headers))
  }

  onData(chunk: Buffer): void {
    this.#contained(() => this.#data(chunk))
  }

  onTrailers(trailers: FlatHeaders): void {
    this.#contained(() => {
      this.#trailers = trailersFor(trailers, this.#session.upstream.secrets)
    })
  }

  onEnd(): void {
    this.#contained(() => this.#end())
  }

  onError(error: Error): void {
    // Programmer errors, of whatever reads the target: no word of the target's.
    if (error instanceof TypeError || error instanceof RangeError) return void this.fail(error)
    this.#contained(() => this.#stop(unreachable(error, this.#status === 0)))
  }

  /**
   * Sockets, timers and signals call all of the above, and nothing stands over them that catches: what one exchange throws
   * would end the process, and everybody's sessions with it (a stream that its client reset, a status Node will not send).
   */
  #contained(step: () => void): void {
    try {
      step()
    } catch (defect) {
      this.fail(defect)
    }
  }

  /** A defect of ours ends this exchange and no other; who waits for {@link over} is told, and writes it down. */
  fail(defect: unknown): void {
    this.#failed(defect)
    const { denial } = refuse('internal_error', `a defect: ${String(defect).slice(0, 200)}`)
    try {
      if (this.#isOver) this.#sink.cut(denial)
      else this.#stop(denial)
    } catch {
      // What has failed once may fail again: the client's socket is ended by who waits for us.
    }
    this.#isOver = true
    runningOf(this.#session.signal).delete(this)
    this.#sending?.abort()
  }

  #head(status: number, headers: FlatHeaders): void {
    if (this.#isOver) return
    const { upstream } = this.#session
    const { method, path, door, maxResponse } = this.#onward
    const hasBody = method !== 'HEAD' && status !== 204 && status !== 304
    const coding = [...valuesOf(headers, 'content-encoding'), ...valuesOf(headers, 'grpc-encoding')].find(
      isEncoded,
    )
    if (hasBody && coding !== undefined) return void this.#stop(unasked(coding))
    if (hasBody && Number(valuesOf(headers, 'content-length')[0]) > maxResponse)
      return void this.#stop(answerTooLarge(maxResponse))
    const own = hasBody ? this.#onward.answer?.(status, headersByName(headers)) : undefined
    if (own instanceof Refused) return void this.#stop(own.denial)
    this.#own = own
    const found = upstream.secrets.filter()
    const scrub = isGrpc(valuesOf(headers, 'content-type')[0]) ? perMessage(found) : found
    this.#filter = own === undefined ? scrub : inTurn(scrub, own)
    this.#status = status
    const place = {
      at: upstream.base + path,
      target: upstream.url,
      base: upstream.base,
      door,
    }
    // Of a HEAD and a 304 too: the length and the digests are those of what would have been changed.
    const isChanged = hasBody ? own !== undefined : this.#onward.answer !== undefined
    const answer = answerHeaders(headers, { place, secrets: upstream.secrets, isChanged })
    if (own?.whole) this.#held = answer
    else this.#start(answer)
  }

  #start(headers: FlatHeaders): void {
    this.#started = true
    this.#sink.start(this.#status, headers)
  }

  #data(chunk: Buffer): void {
    if (this.#isOver || this.#filter === undefined) return
    const bytes = this.#filtered(filter => filter.push(chunk))
    if (bytes !== undefined) this.#pass(bytes, chunk)
  }

  #end(): void {
    if (this.#isOver || this.#filter === undefined) return
    const bytes = this.#filtered(filter => filter.end())
    if (bytes === undefined) return
    if (this.#held !== undefined) this.#start(this.#held)
    this.#pass(bytes)
    if (this.#isOver) return
    this.#sink.end(this.#trailers)
    this.#finish({})
  }

  /** Undefined where a filter of the protocol's own refuses the answer: it is over then. */
  #filtered(by: (filter: Filter) => Buffer): Buffer | undefined {
    try {
      return this.#filter && by(this.#filter)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      this.#stop(error.denial)
      return undefined
    }
  }

  /** `from` is the memory they may be a view of. */
  #pass(bytes: Buffer, from?: Buffer): void {
    if (bytes.length === 0) return
    this.#bytes += bytes.length
    if (this.#bytes > this.#onward.maxResponse)
      return void this.#stop(answerTooLarge(this.#onward.maxResponse))
    const isKept = this.#digest(bytes)
    // A filter of the protocol's own may hold on to what it was shown.
    const written = from === undefined || isKept || this.#own !== undefined ? undefined : () => release(from)
    if (!this.#sink.write(bytes, written)) this.#sending?.pause()
  }

  /** True where the bytes are looked at once more, at the end. */
  #digest(bytes: Buffer): boolean {
    if (this.#hash === undefined && this.#bytes <= mostPieces) {
      this.#pieces.push(bytes)
      return true
    }
    this.#hash ??= createHash('sha256')
    for (const piece of this.#pieces) this.#hash.update(piece)
    this.#pieces = []
    this.#hash.update(bytes)
    return false
  }

  #digested(): string | undefined {
    if (this.#hash !== undefined) return this.#hash.digest('hex')
    const [first, ...more] = this.#pieces
    if (first === undefined) return undefined
    return hash('sha256', more.length === 0 ? first : Buffer.concat(this.#pieces), 'hex')
  }

  #stop(denial: Denial): void {
    this.#finish({ error: { code: denial.code, message: denial.detail } }, () => {
      if (!this.#started) this.#sink.refuse(denial)
      else this.#break(denial)
    })
  }

  #break(denial: Denial): void {
    const last = this.#own?.farewell?.(denial)
    if (last === undefined) return void this.#sink.cut(denial)
    this.#sink.write(last)
    this.#sink.end()
  }

  /** `tell` is for the client, once; a failure of it is part of this exchange. */
  #finish(more: Pick<Result, 'error'>, tell: () => void = () => undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    const { signal, recorder } = this.#session
    runningOf(signal).delete(this)
    const digest = this.#digested()
    const counted = { ...more, bytes: this.#bytes, ms: performance.now() - this.#startedAt }
    const named = this.#status === 0 ? counted : { ...counted, tag: String(this.#status) }
    const result: Result = digest === undefined ? named : { ...named, digest }
    if (this.#onward.recorded === undefined) recorder.result(this.#of, result)
    else this.#onward.recorded.end(result)
    if (more.error !== undefined) this.#sending?.abort()
    tell()
    this.#done()
  }
}

/** Only `identity` was asked for: what is packed could hold the lease's value unseen (attacks 141, 145). */
const isEncoded = (coding: string) => coding !== '' && coding.toLowerCase() !== 'identity'

function unasked(coding: string): Denial {
  const say =
    'the target packed its answer though nothing but identity was asked for, so it cannot be looked through'
  return refuse('upstream_refused', `content-encoding ${coding.slice(0, 64)}`, { say }).denial
}

function unreachable(error: Error, before: boolean): Denial {
  const code = (error as NodeJS.ErrnoException).code ?? error.name
  return refuse('upstream_unreachable', `${code}: ${error.message}`.slice(0, 500), {
    say: before ? 'the target cannot be reached, or did not answer' : 'the target broke off its answer',
  }).denial
}
