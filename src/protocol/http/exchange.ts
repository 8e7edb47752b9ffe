/**
 * One judged and recorded request on its way: sent, its answer streamed back through the filters, its end recorded.
 * Backpressure both ways; nothing is gathered. Whatever ends it early ends both sides, and never cleanly towards the
 * client once the answer has begun (attack 143).
 */
import { createHash, type Hash, hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { performance } from 'node:perf_hooks'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { type Denial, GatewayError, refuse } from '../../denial.ts'
import type { Result, Seq, StreamRecorder } from '../../recording/record.ts'
import type { Ending } from '../../words.ts'
import type { Session } from '../protocol.ts'
import { answerHeaders } from './answer.ts'
import { denialOf } from './ending.ts'
import { answerTooLarge } from './guard.ts'
import type { FlatHeaders } from './headers.ts'
import { type Filter, inTurn } from './scrub.ts'
import type { HttpUpstream } from './upstream.ts'

/** A request as it goes on. The lease's headers are added here, last. */
export interface Onward {
  readonly method: string
  /** Below the target's url, in its one form, with its query. */
  readonly path: string
  readonly headers: FlatHeaders
  readonly body: Buffer | Readable | null
  /** Of a streamed body, where it is known. */
  readonly length?: number | undefined
  readonly maxResponse: number
  /** `/c/<connection>`. */
  readonly door: string
  /** Where the body's digests are recorded, for bodies that are not in the statement's record. */
  readonly recorded?: StreamRecorder | undefined
  /** What else must happen to the answer's bytes; undefined for nothing. */
  answer?(status: number, headers: IncomingHttpHeaders): Filter | undefined
}

/** Where an answer goes: a client's response, or a one-shot's. */
export interface Sink {
  start(status: number, headers: FlatHeaders): void
  /** False: no more until {@link Exchange.drained}. */
  write(chunk: Buffer): boolean
  end(): void
  /** There is no answer. */
  refuse(denial: Denial): void
  /** The answer ends here, and must not look whole. */
  cut(): void
}

type Live = Pick<Session<unknown, HttpUpstream>, 'upstream' | 'recorder' | 'signal'>

export class Exchange implements Dispatcher.DispatchHandler {
  /** Resolves when nothing of it is left, however it ended. */
  readonly over: Promise<void>
  readonly #session: Live
  readonly #of: Seq
  readonly #onward: Onward
  readonly #sink: Sink
  readonly #startedAt = performance.now()
  readonly #cut = () => this.#stop(denialOf(this.#session.signal.reason as Ending))
  #done: () => void = () => undefined
  #controller: Dispatcher.DispatchController | undefined
  #filter: Filter | undefined
  #status = 0
  #bytes = 0
  #first: Buffer | undefined
  #hash: Hash | undefined
  #isOver = false

  constructor(session: Live, of: Seq, onward: Onward, sink: Sink) {
    this.#session = session
    this.#of = of
    this.#onward = onward
    this.#sink = sink
    this.over = new Promise(resolve => {
      this.#done = resolve
    })
  }

  run(): void {
    const { upstream, signal } = this.#session
    const { method, path, body, length } = this.#onward
    signal.addEventListener('abort', this.#cut, { once: true })
    if (signal.aborted) {
      this.#cut()
      return
    }
    const headers = [...this.#onward.headers, 'accept-encoding', 'identity']
    if (length !== undefined) headers.push('content-length', String(length))
    // Last of all, after everything a client could have put or struck out (attack 137).
    for (const [name, value] of upstream.credential.headers) headers.push(name, value)
    upstream.dispatch({ method, path: `${upstream.base}${path}`, headers, body }, this)
  }

  drained(): void {
    if (!this.#isOver) this.#controller?.resume()
  }

  /** The client has gone: what nobody waits for does not go on. */
  abandon(): void {
    this.#finish({ error: { code: 'client_closed', message: 'the client left before the end' } })
  }

  /** Ends it for a reason that the client is told, where it can still be told. */
  refuse(denial: Denial): void {
    this.#stop(denial)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isOver) controller.abort(ended)
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // 100 and 103 are between us and the upstream.
    if (this.#isOver || status < 200) return
    const { upstream } = this.#session
    const { method, path, door, maxResponse } = this.#onward
    const hasBody = method !== 'HEAD' && status !== 204 && status !== 304
    if (hasBody && isEncoded(headers)) {
      this.#stop(unasked(headers))
      return
    }
    if (hasBody && Number(headers['content-length']) > maxResponse) {
      this.#stop(answerTooLarge(maxResponse))
      return
    }
    const own = this.#onward.answer?.(status, headers)
    const scrub = upstream.secrets.filter()
    this.#filter = own === undefined ? scrub : inTurn(scrub, own)
    this.#status = status
    const place = {
      at: upstream.base + path,
      target: upstream.url,
      base: upstream.base,
      door,
    }
    this.#sink.start(
      status,
      answerHeaders(headers, { place, secrets: upstream.secrets, keepLength: own === undefined }),
    )
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver || this.#filter === undefined) return
    this.#pass(this.#filter.push(chunk), controller)
  }

  onResponseEnd(): void {
    if (this.#isOver || this.#filter === undefined) return
    this.#pass(this.#filter.end())
    if (this.#isOver) return
    this.#sink.end()
    this.#finish({})
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#stop(error instanceof GatewayError ? error.denial : unreachable(error, this.#status === 0))
  }

  #pass(bytes: Buffer, controller?: Dispatcher.DispatchController): void {
    if (bytes.length === 0) return
    this.#bytes += bytes.length
    if (this.#bytes > this.#onward.maxResponse) {
      this.#stop(answerTooLarge(this.#onward.maxResponse))
      return
    }
    // Most answers are one chunk: those are hashed in one call, at the end.
    if (this.#first === undefined) this.#first = bytes
    else {
      this.#hash ??= createHash('sha256').update(this.#first)
      this.#hash.update(bytes)
    }
    if (!this.#sink.write(bytes)) controller?.pause()
  }

  #stop(denial: Denial): void {
    if (this.#isOver) return
    this.#finish({ error: { code: denial.code, message: denial.detail } })
    if (this.#status === 0) this.#sink.refuse(denial)
    else this.#sink.cut()
  }

  #finish(more: Pick<Result, 'error'>): void {
    if (this.#isOver) return
    this.#isOver = true
    const { signal, recorder } = this.#session
    signal.removeEventListener('abort', this.#cut)
    const digest = this.#hash?.digest('hex') ?? (this.#first && hash('sha256', this.#first, 'hex'))
    const result: Result = {
      ...(this.#status === 0 ? {} : { tag: String(this.#status) }),
      bytes: this.#bytes,
      ms: performance.now() - this.#startedAt,
      ...(digest === undefined ? {} : { digest }),
      ...more,
    }
    if (this.#onward.recorded === undefined) recorder.result(this.#of, result)
    else this.#onward.recorded.end(result)
    if (more.error !== undefined) this.#controller?.abort(ended)
    this.#done()
  }
}

const ended = new Error('the exchange is over')

/** Only `identity` was asked for: what is packed could hold the lease's value unseen (attacks 141, 145). */
function isEncoded({ 'content-encoding': encoding }: IncomingHttpHeaders): boolean {
  return encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity'
}

function unasked({ 'content-encoding': encoding }: IncomingHttpHeaders): Denial {
  const say =
    'the target packed its answer though nothing but identity was asked for, so it cannot be looked through'
  return refuse('upstream_refused', `content-encoding ${encoding?.slice(0, 64)}`, { say }).denial
}

function unreachable(error: Error, before: boolean): Denial {
  const code = (error as NodeJS.ErrnoException).code ?? error.name
  return refuse('upstream_unreachable', `${code}: ${error.message}`.slice(0, 500), {
    say: before ? 'the target cannot be reached, or did not answer' : 'the target broke off its answer',
  }).denial
}
