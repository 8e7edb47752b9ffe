/**
 * One-shots of one session: an in-memory client of the very relay that serves the wire, so that guard, recorder, mask and
 * limits are the same ones. One call at a time, each a single statement in a transaction of its own.
 */
import { type Denial, Refused, refuse } from '../../denial.ts'
import { refusedBy } from '../../ending.ts'
import type { Verdict } from '../../recording/record.ts'
import { mayShow } from '../../statement/sql/settings.ts'
import type { Ending } from '../../words.ts'
import type { Session } from '../protocol.ts'
import { byEvents } from '../reads.ts'
import type { Judged, PostgresGuard } from './guard.ts'
import { Gone } from './inbox.ts'
import { MemoryWire } from './memory-wire.ts'
import { relay } from './relay.ts'
import { Reply } from './reply.ts'
import type { PostgresScope } from './scope.ts'
import type { Answer } from './session-setup.ts'
import { settingRefused } from './setting-names.ts'
import type { PostgresUpstream } from './upstream.ts'
import { READY } from './wire.ts'

/** Calls that wait behind the one that runs. */
const MOST_WAITING = 32

type PostgresSession = Session<PostgresScope, PostgresUpstream>

export class OneShots {
  readonly session: PostgresSession
  readonly wire = new MemoryWire()
  readonly reply: Reply
  /** Names of types that this server has of its own. */
  readonly typeNames = new Map<number, string>()
  /** Of the call that runs. */
  parameters: readonly (string | null)[] = []
  #refusal: Denial | null = null
  #last: Promise<unknown>
  readonly #relayed: Promise<void>
  #waiting = 0

  constructor(session: PostgresSession, guard: PostgresGuard, mostBytesOfARow: number) {
    this.session = session
    this.reply = new Reply(mostBytesOfARow)
    this.wire.readBy(this.reply.feed)
    const over = (): void => this.reply.close(new Gone('the session is over'))
    this.wire.once('error', over)
    session.signal.addEventListener('abort', over, { once: true })
    if (session.signal.aborted) over()
    const startup = {
      database: session.upstream.database,
      applicationName: 'one-shot',
      // Whatever the role's own are: an answer reads the same on every server.
      settings: [
        ['DateStyle', 'ISO'],
        ['IntervalStyle', 'postgres'],
        ['extra_float_digits', '1'],
        ['bytea_output', 'hex'],
      ],
    } as const
    const { wire } = this
    const greeted = { wire, readBy: byEvents(wire), startup, rest: Buffer.alloc(0) }
    this.#relayed = relay(session, greeted, this.#watched(guard))
    this.#relayed.then(over, over)
    this.#last = this.reply.upTo(READY).catch(() => undefined)
  }

  /** Runs `call` when those before it are done. The end of the session ends it. */
  async alone<T>(call: () => Promise<T | Refused>): Promise<T | Refused> {
    if (this.#waiting >= MOST_WAITING) {
      const say = `${MOST_WAITING} calls of this grant are waiting already`
      return refuse('limit_exceeded', say, { say })
    }
    this.#waiting++
    const turn = this.#last.then(call)
    this.#last = turn.catch(() => undefined)
    try {
      return await turn
    } catch (error) {
      if (!(error instanceof Gone)) throw error
      // Rejects where the fault was ours.
      await this.#relayed
      return refusedBy(this.session.signal.reason as Ending)
    } finally {
      this.#waiting--
    }
  }

  /** The refusal that the guard gave since this was last asked. */
  refusal(): Refused | null {
    const denial = this.#refusal
    this.#refusal = null
    return denial === null ? null : new Refused(denial)
  }

  /** A query of the gateway's own, between two calls. */
  async ask(what: string, sql: string): Promise<Answer> {
    const { recorder, upstream, signal } = this.session
    const statement = { kind: `gateway ${what}`, text: sql, touches: [] }
    const seq = recorder.statement({ allow: true, statement })
    recorder.flush()
    const since = performance.now()
    try {
      const answer = await upstream.ask(seq, sql)
      const { rows, error } = answer
      const failed = error === null ? {} : { error: { code: error.slice(0, 5), message: error.slice(6) } }
      recorder.result(seq, { rows: rows.length, ms: performance.now() - since, ...failed })
      return answer
    } catch (error) {
      const text = 'the database closed the connection'
      if (!signal.aborted) void this.session.end({ how: 'cut', why: 'upstream_closed', text })
      throw error instanceof Gone ? error : new Gone(String(error))
    }
  }

  #watched(guard: PostgresGuard): PostgresGuard {
    const watch = (verdict: Judged): Verdict => {
      const named = verdict.settings?.every(nth => mayShow(this.parameters[nth - 1] ?? ''))
      // The relay would refuse the Bind, in the words of an error; the caller is to read a refusal.
      const judged = named === false ? settingRefused(verdict) : alone(verdict)
      if (!judged.allow) this.#refusal = judged.denial
      return judged
    }
    return {
      judge: sql => {
        const verdict = guard.judge(sql)
        return verdict instanceof Promise ? verdict.then(watch) : watch(verdict)
      },
    }
  }
}

/** What means something only together with what comes after it. */
const together =
  /\b(begin|commit|rollback|savepoint|release|transaction|set|prepare|execute|deallocate|declare cursor|fetch|move|close portal|copy)\b/

function alone(verdict: Verdict): Verdict {
  if (!verdict.allow) return verdict
  const { kind } = verdict.statement
  const several = kind.includes(';')
  if (!several && !together.test(kind)) return verdict
  const say = several
    ? 'a call takes one statement'
    : `a call stands alone and keeps nothing for the next, so ${kind} means nothing here: connect with a client for it`
  const { denial } = refuse('statement_refused', `${kind} in a one-shot`, { say })
  return { allow: false, statement: verdict.statement, denial }
}
