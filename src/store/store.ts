/**
 * The state store seen from the event loop: jobs go in, promises come back after the COMMIT, the loop never waits.
 *
 * While one group commits, the next gathers; the disk's own pace decides how many share an fsync. The queue is capped,
 * and a store whose thread has died rejects everything: a gateway that cannot write decides nothing (invariant 4).
 */
import { getCompileCacheDir } from 'node:module'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Compilable, Kysely } from 'kysely'
import { GatewayError } from '../denial.ts'
import { Taken } from '../unfit.ts'
import type { Answer, Order, Outcome, Row, Step } from './job.ts'
import { migrate } from './migrate.ts'
import { sqlite } from './queries.ts'
import type { Tables } from './tables.ts'

/** Jobs that may wait. At a group a millisecond this is seconds of backlog: past that, refusing is kinder. */
const QUEUE = 20_000
/** Jobs in one transaction, so that no answer waits long for its neighbours. */
const GROUP = 1_000

export interface Store {
  /** Builds queries and executes none. */
  readonly sql: Kysely<Tables>
  /** One job, all or nothing, durable when the promise resolves. A step that changed another number of rows: conflict. */
  write(...steps: readonly Step[]): Promise<'done' | 'conflict'>
  /** Sees every job written before it was called. */
  read<R>(query: Compilable<R>): Promise<readonly R[]>
  /** The thread lives and its last commit succeeded. */
  healthy(): boolean
  /** Transactions and jobs committed so far. */
  counts(): { readonly commits: number; readonly jobs: number }
  /** Finishes what is queued, folds the WAL into the file, ends the thread. */
  close(): Promise<void>
}

/** Opens `state.db` in the data folder, makes it where it is missing, and brings its tables up to date. */
export async function openStore(data: string): Promise<Store> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    name: 'store',
    workerData: { file: join(data, 'state.db') },
    // The thread needs none of the operator's variables, and some of them are infrastructure secrets.
    env: { NODE_COMPILE_CACHE: getCompileCacheDir() ?? '' },
    execArgv: [],
  })
  const store = new SqliteStore(worker, data)
  await store.opened
  try {
    await migrate(store)
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

interface Waiting {
  readonly steps: readonly Step[]
  resolve(outcome: Outcome): void
  reject(error: unknown): void
}

class SqliteStore implements Store {
  readonly sql = sqlite
  readonly opened: Promise<void>
  readonly #worker: Worker
  #queue: Waiting[] = []
  #flying: readonly Waiting[] = []
  #scheduled = false
  #dead: Error | undefined
  #ending: Promise<void> | undefined
  #lost = false
  #commits = 0
  #jobs = 0

  constructor(worker: Worker, data: string) {
    this.#worker = worker
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.opened = promise
    worker.on('message', (answer: Answer) => {
      if ('opened' in answer) resolve()
      else if ('refused' in answer)
        reject(
          answer.taken
            ? new Taken(`state.db cannot be opened: another gateway is running on ${data}`)
            : unavailable(`state.db in ${data} cannot be opened: ${answer.refused}`),
        )
      else if ('outcomes' in answer) this.#settle(answer)
    })
    const die = (error: Error) => {
      this.#dead ??= error
      reject(unavailable('the store thread ended', error))
      this.#rejectAll()
    }
    worker.on('error', error => die(error instanceof Error ? error : new Error(String(error))))
    worker.on('exit', () => die(new Error('the store is closed')))
  }

  async write(...steps: readonly Step[]): Promise<'done' | 'conflict'> {
    const outcome = await this.#enqueue(steps)
    return outcome.is === 'conflict' ? 'conflict' : 'done'
  }

  async read<R>(query: Compilable<R>): Promise<readonly R[]> {
    const { sql, parameters } = query.compile()
    const outcome = await this.#enqueue([{ sql, parameters: parameters as Step['parameters'] }])
    return outcome.is === 'done' ? (outcome.rows as readonly Row[] as readonly R[]) : []
  }

  healthy(): boolean {
    return this.#dead === undefined && this.#ending === undefined && !this.#lost
  }

  counts() {
    return { commits: this.#commits, jobs: this.#jobs }
  }

  close(): Promise<void> {
    if (this.#ending === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#ending = promise
      if (this.#dead === undefined) this.#worker.once('exit', () => resolve())
      else resolve()
      this.#dispatch()
    }
    return this.#ending
  }

  async #enqueue(steps: readonly Step[]): Promise<Outcome> {
    if (this.#dead !== undefined) throw unavailable('the store thread is gone', this.#dead)
    if (this.#ending !== undefined) throw unavailable('the store is closing')
    if (this.#queue.length >= QUEUE) throw unavailable(`the store has ${QUEUE} jobs waiting`)
    const outcome = await new Promise<Outcome>((resolve, reject) => {
      this.#queue.push({ steps, resolve, reject })
      if (this.#scheduled) return
      this.#scheduled = true
      // Once a turn: all that this turn of the loop asks for travels and commits together.
      setImmediate(() => {
        this.#scheduled = false
        this.#dispatch()
      })
    })
    if (outcome.is === 'failed') throw unavailable(`a store job failed: ${outcome.why}`)
    return outcome
  }

  #dispatch(): void {
    if (this.#dead !== undefined || this.#flying.length > 0) return
    if (this.#queue.length > 0) {
      this.#flying = this.#queue.splice(0, GROUP)
      this.#worker.postMessage({ group: this.#flying.map(job => job.steps) } satisfies Order)
    } else if (this.#ending !== undefined) {
      this.#worker.postMessage({ close: true } satisfies Order)
    }
  }

  #settle(answer: { readonly outcomes: readonly Outcome[]; readonly lost?: string }): void {
    const group = this.#flying
    this.#flying = []
    this.#lost = answer.lost !== undefined
    if (!this.#lost) {
      this.#commits += 1
      this.#jobs += group.length
    }
    for (const [index, job] of group.entries()) {
      const outcome = answer.outcomes[index]
      if (outcome === undefined) job.reject(unavailable(`the store could not commit: ${answer.lost}`))
      else job.resolve(outcome)
    }
    this.#dispatch()
  }

  #rejectAll(): void {
    for (const job of [...this.#flying, ...this.#queue]) {
      job.reject(unavailable('the store thread ended', this.#dead))
    }
    this.#flying = []
    this.#queue = []
  }
}

function unavailable(detail: string, cause: unknown = new Error(detail)): GatewayError {
  // Attack 176: a full disk is told as what it is, also where it is the state that finds no room and not the audit.
  const say = 'the gateway cannot keep what it decides, so it decides nothing'
  return new GatewayError({ code: 'recording_unavailable', detail, say }, cause)
}
