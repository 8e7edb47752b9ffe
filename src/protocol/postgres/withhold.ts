/**
 * What an error or a notice may say. DETAIL shows whole rows ("Failing row contains ..."), those of a key and those of other tables to
 * which a foreign key cascades; CONTEXT and the queries of functions show any value.
 *
 * Where a masked column decides (`filter: true`), the server may complain of its value: `salary > 1::float8` of one above 1e308 is
 * `"123000..." is out of range`, and so are all data exceptions.
 */
import { permits } from './relations.ts'
import type { PostgresScope } from './scope.ts'
import { type ERROR, errorFields, type NOTICE, report } from './wire.ts'

const DATA =
  'postern: the message is withheld, for it may say a value of a masked column that filters (filter: true)'
const INSIDE =
  'postern: the message is withheld, for it comes from inside a function and not all of a row may be seen'

/** CONTEXT of no function: a COPY's line, or `while updating tuple (0,1) in relation "orders"`, as of a deadlock. */
const ofStatement = /^(COPY|while) [^\n]*$/

/** What the client is told in place of a report; null where it may see it as it is. */
export type Withhold = (type: typeof ERROR | typeof NOTICE, payload: Buffer) => Buffer | null

export function withholdUnder(scope: PostgresScope): Withhold {
  const hides = hidesRows(scope)
  const filters = scope.mask.some(({ filter }) => filter === true)
  return (type, payload) => {
    const fields = errorFields(payload)
    const { S, V, C = '', W: context, D, ...rest } = fields
    if (filters && C.startsWith('22')) return report(type, { S, V, C, M: DATA })
    const inside = context !== undefined && !ofStatement.test(context)
    if (!hides) {
      // A constraint's: of which table is not known, for a foreign key's actions are statements of their own.
      if (!inside || D === undefined || !C.startsWith('23')) return null
      return report(type, { S, V, C, W: context, ...rest })
    }
    const { q: _query, p: _at, M, H, ...plain } = rest
    return report(type, { S, V, C, ...plain, ...(inside ? { M: INSIDE } : { M, H }) })
  }
}

/** Whether a row may be written of which something may not be read. */
function hidesRows({ mask, columns, statements, tables, write_tables }: PostgresScope): boolean {
  if (mask.length > 0) return true
  if (statements.every(kind => kind === 'select')) return false
  const read = statements.includes('select') ? tables : []
  return Object.keys(columns).length > 0 || !write_tables.every(name => permits(read, name))
}
