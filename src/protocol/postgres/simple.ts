/**
 * The simple protocol: one text, one verdict, one ReadyForQuery. A refusal inside an open transaction makes the server fail
 * it by its own rules: a statement that cannot be parsed goes in place of the refused one, and its error is told as ours.
 */
import { type Denial, type Refused, refuse } from '../../denial.ts'
import type { Verdict } from '../../recording/record.ts'
import type { ClientTurn } from './client-turn.ts'
import type { Judged } from './guard.ts'
import { changing, ranInSql } from './names.ts'
import { Owed } from './owed.ts'
import { refusal } from './refuse.ts'
import { executeRefused } from './sql-execute.ts'
import * as wire from './wire.ts'

export type RefusedVerdict = Verdict & { readonly allow: false }

/** No PostgreSQL parses this. */
export const FAILING = 'postern refused a statement'
const failingQuery = wire.query(FAILING)

const refusedBefore = (kind: string, { denial }: Refused): RefusedVerdict => ({
  allow: false,
  statement: { kind, text: '', touches: [] },
  denial,
})

export const notUtf8 = refusedBefore(
  'unparsable',
  refuse('statement_unparsable', 'the statement is not valid UTF-8'),
)

export const typedParameter = refusedBefore(
  'parse',
  refuse('statement_refused', 'a Parse with a parameter type that is not permitted', {
    say: 'a parameter of that type is not permitted: leave its type out (0) and the server finds it',
    everywhere: true,
  }),
)

/** Attack 95: the fast path calls any function by its number, behind the parser's back. */
const fastPath = refusedBefore(
  'function_call',
  refuse('statement_refused', 'FunctionCall message', {
    say: 'function calls by number (the fast path) are not permitted',
    everywhere: true,
  }),
)

export function query(turn: ClientTurn, bytes: Buffer, at: number, total: number): boolean {
  const end = at + total - 1
  const sql = wire.textAt(bytes, at + 5, end)
  if (sql === null) return refuseQuery(turn, at, total, notUtf8)
  const verdict = turn.line.guard.judge(sql)
  if (verdict instanceof Promise) {
    turn.drop(at, total)
    return turn.wait(verdict, later => {
      const judged = inSession(turn, later)
      if (!judged.allow) refuseWaiting(turn, judged)
      else {
        allow(turn, judged)
        turn.insert(bytes.subarray(at, end + 1))
      }
      turn.paced(countOf(judged))
    })
  }
  const judged = inSession(turn, verdict)
  if (judged.allow) allow(turn, judged)
  else refuseQuery(turn, at, total, judged)
  return turn.paced(countOf(judged))
}

/** One message holds many statements: `statements_per_second` is of those, not of messages. */
const countOf = ({ count = 1 }: Judged): number => count

/** The guard's verdict, and what it cannot know: what this session has parsed before. */
const inSession = ({ line }: ClientTurn, verdict: Verdict): Judged =>
  (verdict.allow && executeRefused(line, verdict)) || verdict

export const functionCall = (turn: ClientTurn, at: number, total: number): boolean =>
  refuseQuery(turn, at, total, fastPath)

function allow({ line }: ClientTurn, verdict: Verdict): void {
  line.seq = line.recorder.statement(verdict)
  const owed = new Owed('query', line.seq, line.time)
  owed.judged = verdict
  // A simple query drops the unnamed statement and portal, whatever becomes of it; unless it is skipped.
  if (line.statements.size > 0) owed.change = changing(line.statements, '')
  forgetUnnamed(line)
  ranInSql(line, verdict.statement.kind)
  line.owed.push(owed)
  line.unsynced = false
}

function refuseQuery(turn: ClientTurn, at: number, total: number, verdict: RefusedVerdict): true {
  turn.drop(at, total)
  refuseWaiting(turn, verdict)
  return true
}

/** Error and ready, with the transaction in the state in which the server would have left it. */
function refuseWaiting(turn: ClientTurn, verdict: RefusedVerdict): void {
  const { line } = turn
  const told = record(turn, verdict)
  forgetUnnamed(line)
  if (line.quiet && line.transaction !== wire.IN_TRANSACTION) {
    turn.tell(Buffer.concat([told, wire.ready(line.transaction)]))
    // It may have been a COPY whose rows are on their way.
    line.copy = 'failed'
    return
  }
  const owed = new Owed('query', line.seq, line.time)
  owed.refusal = told
  line.owed.push(owed)
  line.unsynced = false
  turn.insert(failingQuery)
}

/** Refused statements are recorded too. Gives what the client is told. */
export function record({ line }: ClientTurn, verdict: { readonly denial: Denial } & RefusedVerdict): Buffer {
  const seq = line.recorder.statement(verdict)
  line.seq = seq
  return refusal(verdict.denial, { grant: line.grant.id, session: line.session, seq })
}

function forgetUnnamed({ statements, portals }: ClientTurn['line']): void {
  statements.delete('')
  portals.delete('')
}
