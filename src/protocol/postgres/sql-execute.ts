/**
 * When an EXECUTE in SQL may not run: it runs what the protocol has parsed under a name, and gives that values, or has it show
 * columns, that no Bind and no description has told of.
 */
import { refuse } from '../../denial.ts'
import type { Judged } from './guard.ts'
import type { Line } from './line.ts'
import type { RefusedVerdict } from './simple.ts'

/**
 * A FETCH or an EXECUTE under a name keeps the columns of what its own name stood for when it was parsed. Over another's rows the
 * server takes their bytes for those types: it tells no origins, so nothing is masked, and reads its own memory where a number is
 * taken for a length.
 */
const indirect = {
  detail: 'EXECUTE where a FETCH or an EXECUTE has a name',
  say: 'EXECUTE is not permitted in a session that has parsed a FETCH or an EXECUTE under a name: run what it names in the protocol',
}

/** `execute s('app.secret')` of a parsed `select current_setting($1)`: attack 70. */
const asker = {
  detail: 'EXECUTE where current_setting($1) has a name',
  say: 'EXECUTE is not permitted in a session that has parsed current_setting($1) under a name: run it by that name in the protocol',
}

/** The refusal of a statement that is sent to run, if there is one. */
export function executeRefused(line: Line, { statement }: Judged): RefusedVerdict | undefined {
  if (!(line.asker || line.indirect) || !/\bexecute\b/.test(statement.kind)) return undefined
  const { detail, say } = line.indirect ? indirect : asker
  return {
    allow: false,
    statement,
    denial: refuse('statement_refused', detail, { say, everywhere: true }).denial,
  }
}
