/**
 * How an upstream session is made ours before a client may use it: settings that hold the scope a second time, in the
 * database itself, and questions of our own.
 */
import type { Inbox } from './inbox.ts'
import type { Link } from './link.ts'
import { readParameter } from './parameters.ts'
import type { PostgresScope } from './scope.ts'
import {
  COMMAND_COMPLETE,
  DATA_ROW,
  dataRow,
  ERROR,
  errorFields,
  handshakeBounds,
  NOTICE,
  PARAMETER_STATUS,
  query,
  READY,
  ROW_DESCRIPTION,
  Violation,
} from './wire.ts'

/**
 * Settings given in the startup packet: they are the session's defaults, so RESET and DISCARD fall back to them and not
 * to the role's (attack 76).
 */
export function startupSettings(
  schema: string,
  scope: PostgresScope,
): readonly (readonly [string, string])[] {
  const reads = scope.statements.every(kind => kind === 'select')
  return [
    // Names resolve as the guard resolves them: temporary objects last, so that none can stand in for a real one (attack 77).
    ['search_path', `pg_catalog, ${schema}, pg_temp`],
    ['client_encoding', 'UTF8'],
    ['standard_conforming_strings', 'on'],
    ...(reads ? ([['default_transaction_read_only', 'on']] as const) : []),
    ...(scope.statement_timeout === null
      ? []
      : ([['statement_timeout', String(scope.statement_timeout)]] as const)),
    ['idle_in_transaction_session_timeout', '600000'],
  ]
}

/** A closed socket does not stop a running query upstream; with this it does. Servers before 14 do not know it. */
export const CHECK_CONNECTION = 'SET client_connection_check_interval = 500'

export interface Answer {
  readonly rows: readonly (readonly (string | null)[])[]
  /** The server's complaint. */
  readonly error: string | null
  /** Settings that the server reported meanwhile. */
  readonly reported: readonly (readonly [string, string])[]
}

/** One simple query of ours and its whole answer. */
export async function run(link: Link, inbox: Inbox, sql: string): Promise<Answer> {
  link.wire.write(query(sql))
  return answer(inbox)
}

/** Several, each by itself, in one go: the answers come in their order. */
export async function runAll<const Sql extends readonly string[]>(
  link: Link,
  inbox: Inbox,
  statements: Sql,
): Promise<{ readonly [N in keyof Sql]: Answer }> {
  link.wire.write(Buffer.concat(statements.map(query)))
  const answers: Answer[] = []
  for (const _ of statements) answers.push(await answer(inbox))
  return answers as { readonly [N in keyof Sql]: Answer }
}

async function answer(inbox: Inbox): Promise<Answer> {
  const rows: (string | null)[][] = []
  const reported: (readonly [string, string])[] = []
  let error: string | null = null
  for (;;) {
    const { type, payload } = await inbox.frame(handshakeBounds)
    switch (type) {
      case DATA_ROW:
        if (rows.length >= 100_000) throw new Violation('an answer has too many rows')
        rows.push(dataRow(payload).map(value => value?.toString('utf8') ?? null))
        break
      case ERROR: {
        const fields = errorFields(payload)
        error = `${fields.C ?? '?????'} ${fields.M ?? ''}`
        break
      }
      case PARAMETER_STATUS:
        reported.push(readParameter(payload))
        break
      case READY:
        return { rows, error, reported }
      case NOTICE:
      case ROW_DESCRIPTION:
      case COMMAND_COMPLETE:
        break
      default:
        throw new Violation('an unexpected message during set-up')
    }
  }
}
