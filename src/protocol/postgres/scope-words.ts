/** A scope for people: in a sentence for refusals and approvals, and what its author may not have meant. Pure. */
import { covers } from './relations.ts'
import type { PostgresScope } from './scope.ts'

/** "select on public.orders (id, total), at most 1000 rows". */
export function wordsOf(scope: PostgresScope): string {
  const writes = scope.statements.filter(kind => kind !== 'select')
  const named = (tables: readonly string[]) => some(tables, table => withColumns(table, scope)) || 'no table'
  const said = [
    scope.statements.includes('select') && `select on ${named(scope.tables)}`,
    writes.length > 0 && `${writes.join(', ')} on ${named(scope.write_tables)}`,
    scope.functions.length > 0 && `functions ${some(scope.functions)}`,
    scope.catalog && 'the catalogue',
    scope.max_rows !== null && `at most ${scope.max_rows} rows`,
    scope.max_bytes !== null && `at most ${scope.max_bytes} bytes a result`,
    scope.statement_timeout !== null && `at most ${scope.statement_timeout} ms a statement`,
    scope.transaction_timeout !== null && `at most ${scope.transaction_timeout} ms a transaction`,
    scope.idle_timeout !== null && `at most ${scope.idle_timeout} ms idle`,
    scope.statements_per_second !== null && `at most ${scope.statements_per_second} statements a second`,
    scope.mask.length > 0 && `masked: ${some(scope.mask, mask => mask.column)}`,
  ]
  return said.filter(one => one !== false).join(', ') || 'nothing'
}

/** A refusal is read by whoever asked: it names enough of a long list, not all of it. */
function some<T>(all: readonly T[], word: (one: T) => string = String): string {
  const said = all.slice(0, 30).map(word).join(', ')
  return all.length > 30 ? `${said} and ${all.length - 30} more` : said
}

function withColumns(table: string, { columns }: PostgresScope): string {
  if (Object.hasOwn(columns, table)) return `${table} (${some(columns[table] ?? [])})`
  // `public.*`, of which some tables are limited.
  const limited = Object.keys(columns).filter(name => name !== table && covers(table, name))
  if (limited.length === 0) return table
  return `${table} (but ${limited.map(name => `of ${name} only ${some(columns[name] ?? [])}`).join('; ')})`
}

function mayWrite(column: string, { statements, write_tables, columns }: PostgresScope): boolean {
  const table = tableOf(column)
  const listed = Object.hasOwn(columns, table) ? columns[table] : undefined
  return (
    statements.some(kind => kind === 'insert' || kind === 'update') &&
    write_tables.some(entry => covers(entry, table)) &&
    listed?.includes(column.slice(table.length + 1)) !== false
  )
}

const tableOf = (column: string): string => column.slice(0, column.lastIndexOf('.'))

export function warningsOf(scope: PostgresScope): readonly string[] {
  const lists = [...scope.tables, ...scope.write_tables]
  const limited = [...Object.keys(scope.columns), ...scope.mask.map(mask => tableOf(mask.column))]
  const warnings: string[] = []
  for (const { column, with: form, filter } of scope.mask) {
    if (form === 'hash' && mayWrite(column, scope))
      warnings.push(
        `mask ${column} with hash shows which values are equal, and the column may be written: who writes a value there can look for its digest in other rows`,
      )
    if (filter === true)
      warnings.push(
        `mask ${column} with filter: true hides the value from being read, not from being found out: who may compare can ask until it is known`,
      )
  }
  for (const table of new Set(limited)) {
    if (!lists.some(entry => covers(entry, table)))
      warnings.push(`${table} has columns limited or masked, but is in neither tables nor write_tables`)
  }
  return warnings
}
