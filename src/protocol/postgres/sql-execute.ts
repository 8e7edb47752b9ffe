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

/**
 * What a portal that goes by a name gave once it keeps, with the columns of what its own name stood for then; what is told of these
 * when it is fetched from is what that name stands for now: no origins, so that nothing is masked, or none at all, over
 * which the server falls.
 */
const fromIndirect = {
  detail: 'FETCH from a portal that stands for a FETCH or an EXECUTE',
  say: 'FETCH is not permitted from a portal to which a FETCH or an EXECUTE is bound: run that portal in the protocol',
}

/** `execute s('app.secret')` of a parsed `select current_setting($1)`: attack 70. */
const asker = {
  detail: 'EXECUTE where current_setting($1) has a name',
  say: 'EXECUTE is not permitted in a session that has parsed current_setting($1) under a name: run it by that name in the protocol',
}

/** The refusal of a statement that is sent to run, if there is one. */
export function executeRefused(line: Line, judged: Judged): RefusedVerdict | undefined {
  const { statement } = judged
  const why = whyNot(line, judged)
  if (why === undefined) return undefined
  const { detail, say } = why
  return {
    allow: false,
    statement,
    denial: refuse('statement_refused', detail, { say, everywhere: true }).denial,
  }
}

function whyNot(line: Line, { statement, fetches }: Judged) {
  // The protocol's names are bytes.
  if (fetches?.some(name => line.indirectPortals.has(Buffer.from(name).toString('latin1'))))
    return fromIndirect
  if (!(line.asker || line.indirect) || !/\bexecute\b/.test(statement.kind)) return undefined
  return line.indirect ? indirect : asker
}
