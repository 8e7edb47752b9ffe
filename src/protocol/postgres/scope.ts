/**
 * What may be done inside a PostgreSQL connection (DESIGN.md section 8), and how two such sayings meet. Pure.
 *
 * A rule's scope is complete: what it leaves out is refused. A limit (a ceiling, a request) says nothing about the
 * keys it leaves out.
 */
import { z } from 'zod'
import { type MaskWith, stronger } from '../../statement/mask.ts'
import { smaller } from '../limit.ts'
import type { ScopeKind } from '../protocol.ts'
import { type ColumnLists, everyList, meetApart, meetColumns, meetLists } from './column-lists.ts'
import { meetNames, meetStars } from './relations.ts'
import { keys } from './scope-keys.ts'
import { warningsOf, wordsOf } from './scope-words.ts'

export interface ColumnMask {
  /** `schema.table.column`, as the catalogue spells it. */
  readonly column: string
  readonly with: MaskWith
  /** It may decide (filter, order, group, join) though it is not seen. */
  readonly filter?: boolean | undefined
}

export interface PostgresScope {
  readonly statements: readonly string[]
  /** What may be read: `schema.name` or `schema.*`. */
  readonly tables: readonly string[]
  /** What may be written; reading it back needs `tables` too. */
  readonly write_tables: readonly string[]
  /** The only columns of these tables that may be read or written. A table not named here has all of them. */
  readonly columns: ColumnLists
  /** Functions beyond the vetted built-ins, `schema.name`. */
  readonly functions: readonly string[]
  /** A vetted part of pg_catalog and information_schema may be read. */
  readonly catalog: boolean
  /** Of each statement's result. */
  readonly max_rows: number | null
  readonly max_bytes: number | null
  /** Milliseconds. */
  readonly statement_timeout: number | null
  readonly transaction_timeout: number | null
  readonly idle_timeout: number | null
  readonly statements_per_second: number | null
  readonly mask: readonly ColumnMask[]
  /** Names in `tables` of which somebody who narrowed them only wrote the star: they give what the star gives (family.ts). */
  readonly starred?: readonly string[] | undefined
  /** The same in `write_tables`. */
  readonly write_starred?: readonly string[] | undefined
  /** The column lists of each who said some, where several did: each holds by itself (family.ts). */
  readonly columns_apart?: readonly ColumnLists[] | undefined
}

export type PostgresLimit = { readonly [Key in keyof PostgresScope]?: PostgresScope[Key] | undefined }

/** Numbers of which the smaller holds. */
const numbers = [
  'max_rows',
  'max_bytes',
  'statement_timeout',
  'transaction_timeout',
  'idle_timeout',
  'statements_per_second',
] as const

const schema = z
  .strictObject({
    statements: keys.statements,
    tables: keys.tables.default([]),
    write_tables: keys.write_tables.default([]),
    columns: keys.columns.default({}),
    functions: keys.functions.default([]),
    catalog: keys.catalog.default(false),
    max_rows: keys.max_rows.default(null),
    max_bytes: keys.max_bytes.default(null),
    statement_timeout: keys.statement_timeout.default(null),
    transaction_timeout: keys.transaction_timeout.default(null),
    idle_timeout: keys.idle_timeout.default(null),
    statements_per_second: keys.statements_per_second.default(null),
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
  max_bytes: keys.max_bytes.optional(),
  statement_timeout: keys.statement_timeout.optional(),
  transaction_timeout: keys.transaction_timeout.optional(),
  idle_timeout: keys.idle_timeout.optional(),
  statements_per_second: keys.statements_per_second.optional(),
  mask: keys.mask.optional(),
  starred: keys.tables.optional(),
  write_starred: keys.write_tables.optional(),
  // A ceiling's, a rule's, a request's, and those of some who approve.
  columns_apart: z.array(keys.columns).max(8).readonly().optional(),
})

export const postgresScope: ScopeKind<PostgresScope, PostgresLimit> = {
  schema,
  limit,
  meet(scope, by) {
    const smallest = Object.fromEntries(numbers.map(key => [key, smaller(scope[key], by[key] ?? null)]))
    const { starred: _starred, write_starred: _write, columns_apart: _apart, ...rest } = scope
    const starred = meetStars(reads(scope), reads(by))
    const write_starred = meetStars(writes(scope), writes(by))
    const apart = meetApart(scope, by)
    return {
      ...rest,
      ...(starred.length > 0 && { starred }),
      ...(write_starred.length > 0 && { write_starred }),
      ...(apart.length > 0 && { columns_apart: apart }),
      statements: meetLists(scope.statements, by.statements),
      tables: by.tables === undefined ? scope.tables : meetNames(scope.tables, by.tables),
      write_tables:
        by.write_tables === undefined ? scope.write_tables : meetNames(scope.write_tables, by.write_tables),
      columns: everyList(by).reduce(meetColumns, scope.columns),
      functions: meetLists(scope.functions, by.functions),
      catalog: scope.catalog && (by.catalog ?? true),
      ...(smallest as Pick<PostgresScope, (typeof numbers)[number]>),
      mask: meetMasks(scope.mask, by.mask ?? []),
    }
  },
  isEmpty(scope) {
    const readable = scope.tables.length + scope.functions.length > 0 || scope.catalog
    const canRead = scope.statements.includes('select') && readable
    const canWrite = scope.statements.some(kind => kind !== 'select') && scope.write_tables.length > 0
    return !canRead && !canWrite
  },
  warnings: warningsOf,
  words: wordsOf,
}

const reads = ({ tables, starred }: PostgresLimit) => ({ list: tables, starred })
const writes = ({ write_tables, write_starred }: PostgresLimit) => ({
  list: write_tables,
  starred: write_starred,
})

/** Both sides' columns; one that both mask gets the stronger mask, and may decide only where both let it. */
export function meetMasks(ours: readonly ColumnMask[], theirs: readonly ColumnMask[]): readonly ColumnMask[] {
  const met = new Map<string, ColumnMask>()
  for (const mask of [...ours, ...theirs]) {
    const other = met.get(mask.column) ?? mask
    const filter = mask.filter === true && other.filter === true
    met.set(mask.column, {
      column: mask.column,
      with: stronger(mask.with, other.with),
      ...(filter && { filter }),
    })
  }
  return [...met.values()]
}
