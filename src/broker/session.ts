/**
 * One connected use of a grant: from the moment it is entered in the register to the seal of its recording.
 *
 * Its end has one order, whoever asks for it (DESIGN.md invariant 6): the signal aborts, so the protocol stops reading on
 * both sides, tells the client why and cancels upstream; after {@link GRACE} ms both sockets are destroyed here, whatever
 * the protocol does; then the recording is closed and sealed, the audit told and the grant's use given back.
 */
import { Bag } from '../bag.ts'
import type { Session, Upstream } from '../protocol/protocol.ts'
import type { Recorder } from '../recording/record.ts'
import type { Clock, Ending, Grant, Millis, Narrowed, Source } from '../words.ts'

/** How long a protocol may take over its goodbye before the broker destroys both sockets. */
export const GRACE = 500

/** How long a session of a request door lasts unused. */
const IDLE = 60_000
const idle: Ending = { how: 'close', why: 'idle', text: 'unused for a minute' }

export interface SessionFacts {
  readonly id: string
  readonly grant: Grant
  readonly scope: Narrowed<unknown>
  readonly recordValues: boolean
  readonly source: Source
  readonly cancelKey: Uint8Array
}

/** What an end must do, in this order, and cannot know itself. */
export interface SessionEnd {
  /** The client's sockets are gone when this returns. */
  destroyClient(): void
  /** A part of the end went wrong; the others are done all the same. */
  failed(session: LiveSession, error: unknown): void
  /** Told once, when nothing is open any more: register, audit, grant. */
  closed(session: LiveSession, ending: Ending, tookMs: number): void
}

export class LiveSession implements Session<unknown, Upstream> {
  readonly id: string
  readonly grant: Grant
  readonly scope: Narrowed<unknown>
  readonly recordValues: boolean
  readonly source: Source
  readonly cancelKey: Uint8Array
  readonly startedAt: Millis
  readonly #clock: Clock
  readonly #abort = new AbortController()
  readonly #end: SessionEnd
  readonly #undo = new AsyncDisposableStack()
  #upstream: Upstream | undefined
  #recorder: Recorder | undefined
  #over: Promise<void> | undefined
  #served: () => void = () => undefined
  readonly #held = new Bag<Hold>()
  #shared = false
  #idle: NodeJS.Timeout | undefined
  readonly #serving: Promise<void>

  constructor(facts: SessionFacts, clock: Clock, end: SessionEnd) {
    this.id = facts.id
    this.grant = facts.grant
    this.scope = facts.scope
    this.recordValues = facts.recordValues
    this.source = facts.source
    this.cancelKey = facts.cancelKey
    this.startedAt = clock.now()
    this.#clock = clock
    this.#end = end
    this.#serving = new Promise(resolve => {
      this.#served = resolve
    })
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get upstream(): Upstream {
    if (this.#upstream === undefined) throw new TypeError('a session has no upstream before it was dialled')
    return this.#upstream
  }

  get recorder(): Recorder {
    if (this.#recorder === undefined)
      throw new TypeError('a session has no recorder before its recording is open')
    return this.#recorder
  }

  /** Why the session is over, once it is. */
  get ending(): Ending | undefined {
    return this.signal.aborted ? (this.signal.reason as Ending) : undefined
  }

  /** Undone in reverse order when the session ends: each step of the pipeline pushes what it opened. */
  undo(release: () => Promise<void> | void): void {
    this.#undo.defer(release)
  }

  recordWith(recorder: Recorder): void {
    this.#recorder = recorder
  }

  reached(upstream: Upstream): void {
    this.#upstream = upstream
  }

  /**
   * One request of a request door, from its beginning to its answer. The session stays while one runs, and {@link IDLE}
   * after the last (DESIGN.md section 1).
   */
  hold(client: Held = noClient): Disposable {
    clearTimeout(this.#idle)
    this.#shared = true
    // Its own object: two one-shots have the same client, which is none.
    const hold = new Hold(client, this.#letGo)
    this.#held.add(hold)
    return hold
  }

  readonly #letGo = (hold: Hold): void => {
    this.#held.delete(hold)
    if (this.#held.size > 0) return
    if (this.signal.aborted) this.#served()
    else this.#idle = setTimeout(() => void this.end(idle), IDLE).unref()
  }

  /** The protocol has returned from `serve`: there is nobody left to say goodbye. */
  served(): void {
    this.#served()
  }

  /** Never rejects. */
  end(ending: Ending): Promise<void> {
    this.#over ??= this.#close(ending)
    return this.#over
  }

  async #close(ending: Ending): Promise<void> {
    const since = this.#clock.mono()
    clearTimeout(this.#idle)
    this.#abort.abort(ending)
    const hard = setTimeout(() => this.#destroy(), GRACE)
    try {
      // On a cut the client is still to be told; on a close it has gone, or has said all it wanted.
      if (ending.how === 'cut' && !(this.#shared && this.#held.size === 0))
        await Promise.race([this.#serving, elapsed(GRACE)])
      if (this.#upstream !== undefined)
        await Promise.race([this.#upstream[Symbol.asyncDispose](), elapsed(GRACE)])
    } catch {
      // A goodbye that fails changes nothing: both sockets are destroyed next.
    } finally {
      clearTimeout(hard)
      this.#destroy()
    }
    const took = this.#clock.mono() - since
    // Nobody who ends a session can do anything about this: it is told to the log, and the rest of the end goes on.
    await this.#undo.disposeAsync().catch(error => this.#end.failed(this, error))
    await this.#recorder?.close(ending).catch(error => this.#end.failed(this, error))
    this.#end.closed(this, ending, took)
  }

  /** A client whose session never opened is still the protocol's, which tells it why. */
  #destroy(): void {
    if (this.#upstream === undefined) return
    this.#upstream.destroy()
    this.#end.destroyClient()
    for (const held of this.#held.all()) held.destroy()
  }
}

/** Whoever waits for the answer to a request. */
interface Held {
  destroy(): void
}

/** One of them. */
class Hold implements Disposable {
  readonly #client: Held
  readonly #letGo: (hold: Hold) => void

  constructor(client: Held, letGo: (hold: Hold) => void) {
    this.#client = client
    this.#letGo = letGo
  }

  destroy(): void {
    this.#client.destroy()
  }

  [Symbol.dispose](): void {
    this.#letGo(this)
  }
}

/** A one-shot's answer goes the API's way, as soon as the session's signal aborts. */
const noClient: Held = { destroy: () => undefined }

/** Unref'd: a goodbye never keeps the process alive. */
function elapsed(ms: number): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve, ms).unref()
  })
}
