/**
 * Asks the parser's thread what a statement does. The thread has a deadline for each statement and is thrown away
 * after it, after any error that is not a syntax error, and after so much text that a slow leak cannot grow: the
 * parser has edges that an enemy will find (attack 103), and none of them may reach other sessions or the loop.
 */
import { getCompileCacheDir } from 'node:module'
import { Worker } from 'node:worker_threads'
import { type Refused, refuse } from '../../denial.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Analysis, Limits } from './analysis.ts'
import { Turns } from './turns.ts'
import type { Answer, Question } from './worker.ts'

export interface SqlAnalyser extends AsyncDisposable {
  /** Facts, or why there are none. The text has passed `checkCaps`. `who` waits for their own first. Never rejects. */
  analyse(sql: string, limits: Limits, who: string): Promise<Analysis | Refused>
}

export interface AnalyserLimits {
  /** Milliseconds from when the thread turns to a statement. */
  readonly deadline: number
  /** Statements that wait at once. */
  readonly waiting: number
  /** Characters after which a thread is replaced. */
  readonly characters: number
}

const standard: AnalyserLimits = { deadline: 2_000, waiting: 2_000, characters: 256 * 1024 * 1024 }
const START = 15_000

interface Waiting {
  readonly question: Question
  readonly settle: (answer: Analysis | Refused) => void
}

export function createAnalyser(parts: {
  readonly log: Log
  readonly limits?: Partial<AnalyserLimits>
  /** The thread's file; tests plant another. */
  readonly file?: URL
}): SqlAnalyser {
  return new Analyser(
    parts.log,
    { ...standard, ...parts.limits },
    parts.file ?? new URL('./worker.ts', import.meta.url),
  )
}

class Analyser implements SqlAnalyser {
  readonly #log: Log
  readonly #limits: AnalyserLimits
  readonly #file: URL
  readonly #queue = new Turns<Waiting>()
  /** What the thread is at. */
  #at: Waiting | undefined
  #worker: Worker | undefined
  #ready = false
  #timer: NodeJS.Timeout | undefined
  #next = 0
  #characters = 0
  #closed = false

  constructor(log: Log, limits: AnalyserLimits, file: URL) {
    this.#log = log
    this.#limits = limits
    this.#file = file
  }

  analyse(sql: string, limits: Limits, who: string): Promise<Analysis | Refused> {
    if (this.#closed) return Promise.resolve(refuse('shutting_down', 'the analyser is closed'))
    const waiting = this.#queue.size + (this.#at === undefined ? 0 : 1)
    if (waiting >= this.#limits.waiting) {
      return Promise.resolve(refuse('limit_exceeded', `${waiting} statements wait for the parser`))
    }
    const { promise, resolve } = Promise.withResolvers<Analysis | Refused>()
    const question = { id: this.#next++, sql, limits }
    this.#queue.push(who, { question, settle: resolve })
    this.#start()
    this.#ask()
    this.#watch()
    return promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const { settle } of this.#takeAll()) settle(refuse('shutting_down', 'the analyser is closed'))
    await this.#discard()
  }

  #start(): void {
    if (this.#worker !== undefined) return
    // A deep stack, so that what the caps let through is far from the parser's edge.
    const worker = new Worker(this.#file, {
      name: 'sql',
      // The parser meets what enemies write: it gets none of the operator's variables.
      env: { NODE_COMPILE_CACHE: getCompileCacheDir() ?? '' },
      execArgv: [],
      resourceLimits: { stackSizeMb: 16, maxOldGenerationSizeMb: 256 },
    })
    this.#worker = worker
    this.#ready = false
    this.#characters = 0
    worker.on('message', (message: Answer | 'ready') => {
      if (this.#worker === worker) this.#hear(message)
    })
    worker.on('error', error => {
      if (this.#worker === worker) this.#fail(`the thread failed: ${error}`)
    })
    worker.on('exit', () => {
      if (this.#worker === worker) this.#fail('the thread ended')
    })
  }

  #hear(message: Answer | 'ready'): void {
    if (message === 'ready') {
      this.#ready = true
      this.#ask()
      this.#rearm()
      return
    }
    // Answers come in order; another's would be a thread that cannot be believed.
    const at = this.#at
    if (at?.question.id !== message.id || 'broken' in message) {
      this.#fail('broken' in message ? message.broken : 'the thread answered out of turn')
      return
    }
    this.#at = undefined
    at.settle(message.analysis)
    this.#characters += at.question.sql.length
    if (this.#characters > this.#limits.characters) {
      void this.#discard()
      if (this.#queue.size > 0) this.#start()
    } else this.#ask()
    this.#rearm()
  }

  /**
   * One at a time: a thread that breaks takes the answers with it that are still on their way, and then the statement
   * that broke it could not be told from an innocent one before it.
   */
  #ask(): void {
    if (!this.#ready || this.#at !== undefined) return
    this.#at = this.#queue.shift()
    if (this.#at !== undefined) this.#worker?.postMessage(this.#at.question)
  }

  #takeAll(): readonly Waiting[] {
    const at = this.#at === undefined ? [] : [this.#at]
    this.#at = undefined
    return [...at, ...this.#queue.drain()]
  }

  /** The statement that the thread is at has broken it: it alone is refused, the others go to a new thread. */
  #fail(why: string): void {
    const wasReady = this.#ready
    void this.#discard()
    const first = this.#at ?? this.#queue.shift()
    this.#at = undefined
    this.#log.warn(
      { why: why.slice(0, 200), characters: first?.question.sql.length },
      'the SQL parser was replaced',
    )
    first?.settle(refuse('statement_unparsable', `the parser failed: ${why}`))
    // A thread that cannot even start will not start for the next one either.
    if (!wasReady)
      for (const { settle } of this.#queue.drain()) settle(refuse('internal_error', `no SQL parser: ${why}`))
    if (this.#queue.size > 0) this.#start()
    this.#rearm()
  }

  async #discard(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    this.#ready = false
    clearTimeout(this.#timer)
    this.#timer = undefined
    worker?.removeAllListeners()
    // A listener must stay for what it may still throw while it ends.
    worker?.on('error', () => undefined)
    await worker?.terminate()
  }

  get #idle(): boolean {
    return this.#at === undefined && this.#queue.size === 0
  }

  /** Starts the clock of the statement that the thread is at, or of its start, if it is not running. */
  #watch(): void {
    if (this.#timer !== undefined || this.#idle) return
    this.#worker?.ref()
    const span = this.#ready ? this.#limits.deadline : START
    this.#timer = setTimeout(() => this.#fail(`no answer within ${span} ms`), span)
  }

  #rearm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    // An idle thread keeps no process alive.
    if (this.#idle) this.#worker?.unref()
    else this.#watch()
  }
}
