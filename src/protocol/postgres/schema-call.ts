/** The call `schema`: what of the database the grant's scope holds, as the catalogue has it now. Nothing beside it is shown. */
import { type Refused, refuse } from '../../denial.ts'
import type { OneShots } from './one-shot.ts'
import { literal } from './quote.ts'
import { permits } from './relations.ts'
import type { PostgresScope } from './scope.ts'

/** Columns that are listed; what lies beyond is cut, and said to be. */
const MOST = 20_000

export interface SchemaOutput {
  readonly tables: readonly {
    readonly name: string
    readonly kind: string
    /** What may be done with it. */
    readonly statements: readonly string[]
    readonly columns: readonly {
      readonly name: string
      readonly type: string
      readonly nullable: boolean
      readonly mask?: string
    }[]
  }[]
  readonly functions: readonly string[]
  readonly truncated: boolean
}

export async function runSchema(shots: OneShots): Promise<SchemaOutput | Refused> {
  const { scope } = shots.session.upstream
  const { rows, error } = await shots.ask('schema', columnsOf(scope))
  if (error !== null) return refuse('upstream_refused', error, { facts: { sqlstate: error.slice(0, 5) } })
  const masks = new Map(scope.mask.map(mask => [mask.column, mask.with]))
  const tables = new Map<string, { name: string; kind: string; statements: string[]; columns: Column[] }>()
  for (const [schema, name, kind, column, type, nullable] of rows.slice(0, MOST)) {
    const relation = `${schema}.${name}`
    const statements = statementsOn(relation, scope)
    const only = Object.hasOwn(scope.columns, relation) ? scope.columns[relation] : undefined
    if (statements.length === 0 || column === null || column === undefined) continue
    if (only !== undefined && !only.includes(column)) continue
    const mask = masks.get(`${relation}.${column}`)
    const table = tables.get(relation) ?? {
      name: relation,
      kind: kinds[kind ?? ''] ?? 'table',
      statements,
      columns: [],
    }
    table.columns.push({ name: column, type: type ?? '', nullable: nullable === 't', ...(mask && { mask }) })
    tables.set(relation, table)
  }
  return { tables: [...tables.values()], functions: scope.functions, truncated: rows.length > MOST }
}

type Column = SchemaOutput['tables'][number]['columns'][number]

const kinds: Readonly<Record<string, string>> = {
  r: 'table',
  p: 'table',
  v: 'view',
  m: 'materialized view',
  f: 'foreign table',
}

function statementsOn(relation: string, scope: PostgresScope): string[] {
  return scope.statements.filter(kind =>
    permits(kind === 'select' ? scope.tables : scope.write_tables, relation),
  )
}

/** Which of the scope's entries a row is of is decided above, by what judges statements; this only asks for enough. */
function columnsOf({ tables, write_tables }: PostgresScope): string {
  const names = [...new Set([...tables, ...write_tables])].map(entry => {
    const dot = entry.indexOf('.')
    const schema = `n.nspname = ${literal(entry.slice(0, dot))}`
    return entry.endsWith('.*') ? schema : `${schema} AND c.relname = ${literal(entry.slice(dot + 1))}`
  })
  return `SELECT n.nspname, c.relname, c.relkind, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND (${names.map(name => `(${name})`).join(' OR ') || 'false'})
      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
      AND (pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE') OR pg_catalog.has_table_privilege(c.oid, 'DELETE'))
    ORDER BY 1, 2, a.attnum LIMIT ${MOST + 1}`
}
