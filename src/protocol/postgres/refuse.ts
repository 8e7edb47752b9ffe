/**
 * A denial in PostgreSQL's words: SQLSTATE from the table, a sentence that says what to do, and in DETAIL the grant and a
 * correlation id under which audit and recording hold the whole reason. The reason itself never leaves (attack 211).
 */
import { type Denial, denials, sayOf } from '../../denial.ts'
import type { Ending } from '../../words.ts'
import type { PostgresScope } from './scope.ts'
import { ERROR, errorFields, NOTICE, report } from './wire.ts'

/** Where the record of a refusal is found. */
export interface Correlation {
  readonly grant: string
  readonly session: string
  readonly seq: number
}

/** A refused statement: the session goes on. */
export function refusal(denial: Denial, at: Correlation): Buffer {
  return report(ERROR, {
    S: 'ERROR',
    V: 'ERROR',
    C: denials[denial.code].sqlstate,
    M: `postern: ${sayOf(denial)}`,
    D: `grant ${at.grant}, correlation ${at.session}/${at.seq}`,
    H: hintOf(denial),
  })
}

/** A refused login: the connection ends. */
export function loginRefused(denial: Denial, user: string): Buffer {
  // Every bad credential looks alike: unknown, wrong, another's (attack 42).
  if (denial.code === 'grant_unknown') return badPassword(user)
  return fatal(denials[denial.code].sqlstate, sayOf(denial), hintOf(denial))
}

export function badPassword(user: string): Buffer {
  const shown = user.slice(0, 64).replace(/[^\x20-\x7e]/g, '?')
  return report(ERROR, {
    S: 'FATAL',
    V: 'FATAL',
    C: '28P01',
    M: `password authentication failed for user "${shown}"`,
  })
}

/** The last words of a session (invariant 6). */
export const farewell = (ending: Ending): Buffer => fatal(sqlstateOf(ending), ending.text)

export function fatal(sqlstate: string, message: string, hint?: string): Buffer {
  return report(ERROR, { S: 'FATAL', V: 'FATAL', C: sqlstate, M: `postern: ${message}`, H: hint })
}

/** An error of the gateway's own that a server would give just so: an unknown statement name, for one. */
export function serverError(sqlstate: string, message: string): Buffer {
  return report(ERROR, { S: 'ERROR', V: 'ERROR', C: sqlstate, M: message })
}

const CUT = 'postern: the result was cut'

/** Whether a notice is {@link truncated}'s. */
export const isTruncated = (payload: Buffer): boolean => errorFields(payload).M?.startsWith(CUT) ?? false

export function truncated({ max_rows, max_bytes }: Pick<PostgresScope, 'max_rows' | 'max_bytes'>): Buffer {
  const limits = [
    max_rows === null ? [] : [`max_rows: ${max_rows}`],
    max_bytes === null ? [] : [`max_bytes: ${max_bytes}`],
  ]
  return report(NOTICE, {
    S: 'NOTICE',
    V: 'NOTICE',
    C: '01000',
    M: `${CUT} (${limits.flat().join(', ')})`,
    H: 'The grant limits each result; ask for less at a time.',
  })
}

function sqlstateOf(ending: Ending): string {
  if (ending.why === 'protocol_violation') return '08P01'
  if (ending.why === 'limit_exceeded') return '54000'
  // What a server says of its own idle_session_timeout.
  if (ending.why === 'idle') return '57P05'
  if (ending.why === 'upstream_closed' || ending.why === 'upstream_unreachable') return '08006'
  return '57P01'
}

function hintOf({ code, everywhere }: Denial): string | undefined {
  if (everywhere) return 'No scope allows this.'
  switch (code) {
    case 'statement_refused':
      return 'Request scope that holds this: postern request --scope, or scope in POST /v1/grants.'
    case 'statement_unparsable':
      return 'Only what the PostgreSQL parser of the gateway reads can be judged; write it in plainer SQL.'
    case 'grant_expired':
    case 'grant_revoked':
      return 'Ask for a new grant.'
    case 'token_expired':
      return 'Get a new token from the issuer.'
    case 'rate_limited':
    case 'limit_exceeded':
      return 'Do less at a time.'
    case 'upstream_unreachable':
    case 'shutting_down':
    case 'recording_unavailable':
    case 'issuer_unreachable':
      return 'Try again in a moment.'
    default:
      return undefined
  }
}
