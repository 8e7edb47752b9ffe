/**
 * What may be done inside a PostgreSQL connection (DESIGN.md section 8), and how two such sayings meet. Pure.
 *
 * A rule's scope is complete: what it leaves out is refused. A limit (a ceiling, a request) says nothing about the
 * keys it leaves out. Keys that are not enforced yet are refused by the schema, never silently ignored.
 */
import { z } from 'zod'
import type { ScopeKind } from '../protocol.ts'
import { covers, meetNames } from './relations.ts'

/** Every statement a scope can permit. EXPLAIN, VALUES, TABLE, COPY, cursors and PREPARE count as what they hold. */
export const statementKinds = ['select', 'insert', 'update', 'delete', 'merge'] as const

export type MaskWith = 'full' | 'partial' | 'hash' | 'blank'

export interface ColumnMask {
  /** `schema.table.column`, as the catalogue spells it. */
  readonly column: string
  readonly with: MaskWith
}

export interface PostgresScope {
  readonly statements: readonly string[]
  /** What may be read: `schema.name` or `schema.*`. */
  readonly tables: readonly string[]
  /** What may be written; reading it back needs `tables` too. */
  readonly write_tables: readonly string[]
  readonly columns: Readonly<Record<string, readonly string[]>>
  /** Functions beyond the vetted built-ins, `schema.name`. */
  readonly functions: readonly string[]
  readonly catalog: boolean
  readonly max_rows: number | null
  /** Milliseconds. */
  readonly statement_timeout: number | null
  readonly mask: readonly ColumnMask[]
}

export type PostgresLimit = { readonly [Key in keyof PostgresScope]?: PostgresScope[Key] | undefined }

// A part of a name, as the catalogue holds it: no folding, no quoting, at most 63 bytes as the server keeps.
const part = '[^.*"\\s\\p{C}]{1,63}'
const bytes = (text: string) => text.split('.').every(one => Buffer.byteLength(one) <= 63)
const named = (pattern: string, say: string) =>
  z
    .string()
    .regex(new RegExp(`^${pattern}$`, 'u'), say)
    .refine(bytes, say)

// The catalogue's own schemas hold passwords, others' statements and column values (attack 86): never by `tables`.
const closed = /^(pg_catalog|information_schema|pg_toast\w*|pg_temp\w*)\./
const table = named(
  `${part}\\.(${part}|\\*)`,
  'a table is schema.name or schema.*, as the catalogue spells it',
).refine(name => !closed.test(name), 'catalogue relations and temporary tables cannot be listed')
// They run SQL that is given as text, reach the server's files, or undo what the gateway sets (attacks 67 to 70).
const neverListed =
  /^pg_catalog\.(set_config|lo_(im|ex)port|(query|table|schema|database|cursor)_to_xml.*|ts_(stat|rewrite)|pg_(ls_|read_|stat_file).*)$/
const functionName = named(
  `${part}\\.${part}`,
  'a function is schema.name, as the catalogue spells it',
).refine(
  name => !neverListed.test(name),
  'a function that runs text or reaches files or settings cannot be listed',
)
const column = named(
  `${part}\\.${part}\\.${part}`,
  'a column is schema.table.column, as the catalogue spells it',
)

const lengths: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const duration = z
  .union([
    z.int().positive(),
    z
      .string()
      .regex(/^[1-9][0-9]{0,8}(ms|s|m|h)$/, 'a duration is a number with its unit: 500ms, 30s, 10m, 2h')
      .transform(text => {
        const unit = text.replace(/^[0-9]+/, '')
        return Number.parseInt(text, 10) * (lengths[unit] ?? 1)
      }),
  ])
  // PostgreSQL keeps statement_timeout in 31 bits.
  .refine(ms => ms <= 0x7fffffff, 'a statement_timeout is at most 24 days')

const notYet = (what: string) => `${what} is not available yet`
const listOf = <T extends z.ZodType>(of: T) => z.array(of).max(1000).readonly()

const keys = {
  statements: listOf(z.enum(statementKinds)),
  tables: listOf(table),
  write_tables: listOf(table),
  columns: z
    .record(z.string(), listOf(z.string()))
    .refine(given => Object.keys(given).length === 0, notYet('columns')),
  functions: listOf(functionName),
  catalog: z.boolean().refine(on => !on, notYet('catalog')),
  max_rows: z.int().positive().max(0x7fffffff).nullable(),
  statement_timeout: duration.nullable(),
  mask: listOf(
    z
      .strictObject({ column, with: z.enum(['full', 'partial', 'hash', 'blank']) })
      .readonly()
      .refine(
        given => given.with === 'full' || given.with === 'partial',
        notYet('a mask with hash or blank'),
      ),
  ),
}

const schema = z
  .strictObject({
    statements: keys.statements,
    tables: keys.tables.default([]),
    write_tables: keys.write_tables.default([]),
    columns: keys.columns.default({}),
    functions: keys.functions.default([]),
    catalog: keys.catalog.default(false),
    max_rows: keys.max_rows.default(null),
    statement_timeout: keys.statement_timeout.default(null),
    mask: keys.mask.default([]),
  })
  .transform(scope => ({ ...scope, mask: meetMasks(scope.mask, []) }))

const limit = z.strictObject({
  statements: keys.statements.optional(),
  tables: keys.tables.optional(),
  write_tables: keys.write_tables.optional(),
  columns: keys.columns.optional(),
  functions: keys.functions.optional(),
  catalog: keys.catalog.optional(),
  max_rows: keys.max_rows.optional(),
  statement_timeout: keys.statement_timeout.optional(),
  mask: keys.mask.optional(),
})

export const postgresScope: ScopeKind<PostgresScope, PostgresLimit> = {
  schema,
  limit,
  meet(scope, by) {
    return {
      statements: meetLists(scope.statements, by.statements),
      tables: by.tables === undefined ? scope.tables : meetNames(scope.tables, by.tables),
      write_tables:
        by.write_tables === undefined ? scope.write_tables : meetNames(scope.write_tables, by.write_tables),
      columns: meetColumns(scope.columns, by.columns ?? {}),
      functions: meetLists(scope.functions, by.functions),
      catalog: scope.catalog && (by.catalog ?? true),
      max_rows: smaller(scope.max_rows, by.max_rows ?? null),
      statement_timeout: smaller(scope.statement_timeout, by.statement_timeout ?? null),
      mask: meetMasks(scope.mask, by.mask ?? []),
    }
  },
  isEmpty(scope) {
    const reads = scope.statements.includes('select') && scope.tables.length + scope.functions.length > 0
    const writes = scope.statements.some(kind => kind !== 'select') && scope.write_tables.length > 0
    return !reads && !writes
  },
  words(scope) {
    const writes = scope.statements.filter(kind => kind !== 'select')
    const said = [
      scope.statements.includes('select') && `select on ${scope.tables.join(', ') || 'no table'}`,
      writes.length > 0 && `${writes.join(', ')} on ${scope.write_tables.join(', ') || 'no table'}`,
      scope.functions.length > 0 && `functions ${scope.functions.join(', ')}`,
      scope.max_rows !== null && `at most ${scope.max_rows} rows`,
      scope.statement_timeout !== null && `at most ${scope.statement_timeout} ms a statement`,
      scope.mask.length > 0 && `masked: ${scope.mask.map(mask => mask.column).join(', ')}`,
    ]
    return said.filter(one => one !== false).join(', ') || 'nothing'
  },
}

function meetLists(ours: readonly string[], theirs: readonly string[] | undefined): readonly string[] {
  return theirs === undefined ? ours : ours.filter(one => theirs.includes(one))
}

/** A table that either side limits is limited; one that both limit has what both name. */
function meetColumns(
  ours: PostgresScope['columns'],
  theirs: PostgresScope['columns'],
): PostgresScope['columns'] {
  const met = Object.entries(ours).map(([name, list]) => [name, meetLists(list, theirs[name])] as const)
  return Object.fromEntries([
    ...Object.entries(theirs).filter(([name]) => !Object.hasOwn(ours, name)),
    ...met,
  ])
}

function smaller(ours: number | null, theirs: number | null): number | null {
  if (ours === null || theirs === null) return ours ?? theirs
  return Math.min(ours, theirs)
}

// The less of a value a mask lets through, the stronger it is.
const strength: Record<MaskWith, number> = { partial: 1, hash: 2, blank: 3, full: 4 }

/** Both sides' columns; one that both mask gets the stronger mask. */
function meetMasks(ours: readonly ColumnMask[], theirs: readonly ColumnMask[]): readonly ColumnMask[] {
  const met = new Map<string, ColumnMask>()
  for (const mask of [...ours, ...theirs]) {
    const other = met.get(mask.column)
    if (other === undefined || strength[mask.with] > strength[other.with]) met.set(mask.column, mask)
  }
  return [...met.values()]
}

/** Whether a relation, resolved to `schema.name`, is on a scope's list. */
export const permits = (list: readonly string[], relation: string): boolean =>
  list.some(entry => covers(entry, relation))
