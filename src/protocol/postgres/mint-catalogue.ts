/**
 * What a scope's lists are in a database, right now: relations (with those of `schema.*`), the sequences behind their
 * defaults, functions with all their overloads. Statements and the reading of their answers; pure.
 */
import { literal } from './quote.ts'
import type { PostgresScope } from './scope.ts'

export interface Relation {
  readonly oid: string
  readonly schema: string
  readonly name: string
}

export interface Routine extends Relation {
  readonly takes: readonly { readonly schema: string; readonly name: string }[]
}

export interface Catalogue {
  readonly schemas: readonly { readonly oid: string; readonly schema: string }[]
  readonly readable: readonly Relation[]
  readonly writable: readonly Relation[]
  /** From which the columns of what is writable take their defaults. Identity columns need no right on theirs. */
  readonly sequences: readonly Relation[]
  readonly routines: readonly Routine[]
}

type Rows = readonly (readonly (string | null)[])[]
type Asking = (sql: string) => Promise<Rows>

/** A name of the scope that the database does not have. */
export class Absent extends Error {}

export async function lookUp(scope: PostgresScope, ask: Asking): Promise<Catalogue> {
  const readable = await relations(scope.tables, READABLE, ask)
  const writable = await relations(scope.write_tables, WRITABLE, ask)
  const routines = await functions(scope.functions, ask)
  const named = [...scope.tables, ...scope.write_tables, ...scope.functions].map(schemaOf)
  return {
    schemas: await schemas([...new Set(named)], ask),
    readable,
    writable,
    sequences: await sequences(writable, ask),
    routines,
  }
}

/** Tables, partitioned ones, views, materialised ones, foreign ones; sequences can be read from, too. */
const READABLE = ['r', 'p', 'v', 'm', 'f', 'S']
const WRITABLE = ['r', 'p', 'v', 'f']

const schemaOf = (entry: string): string => entry.slice(0, entry.indexOf('.'))
const nameOf = (entry: string): string => entry.slice(entry.indexOf('.') + 1)
const pairs = (entries: readonly string[]): string =>
  entries.map(entry => `(${literal(schemaOf(entry))}, ${literal(nameOf(entry))})`).join(', ')

async function schemas(names: readonly string[], ask: Asking): Promise<Catalogue['schemas']> {
  if (names.length === 0) return []
  const rows = await ask(
    `SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname IN (${names.map(literal).join(', ')})`,
  )
  const found = rows.map(([oid, schema]) => ({ oid: oid ?? '', schema: schema ?? '' }))
  const gone = names.filter(name => !found.some(({ schema }) => schema === name))
  if (gone.length > 0) throw new Absent(`no such schema: ${gone.join(', ')}`)
  return found
}

/** `schema.*` leaves out what begins with `pg_`, as the guard does (relations.ts). */
async function relations(
  entries: readonly string[],
  kinds: readonly string[],
  ask: Asking,
): Promise<readonly Relation[]> {
  if (entries.length === 0) return []
  const rows =
    await ask(`SELECT w.schema, w.name, c.oid, c.relname FROM (VALUES ${pairs(entries)}) w(schema, name)
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
    LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN (${kinds.map(literal).join(', ')})
      AND (c.relname = w.name OR w.name = '*' AND pg_catalog.left(c.relname, 3) <> 'pg_')`)
  const found = new Map<string, Relation>()
  const gone: string[] = []
  for (const [schema, wanted, oid, name] of rows) {
    if (oid !== null && oid !== undefined) found.set(oid, { oid, schema: schema ?? '', name: name ?? '' })
    else if (wanted !== '*') gone.push(`${schema}.${wanted}`)
  }
  if (gone.length > 0) throw new Absent(`no such table: ${gone.join(', ')}`)
  return [...found.values()]
}

async function sequences(writable: readonly Relation[], ask: Asking): Promise<readonly Relation[]> {
  if (writable.length === 0) return []
  const rows = await ask(`SELECT DISTINCT s.oid, n.nspname, s.relname FROM pg_catalog.pg_attrdef a
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = a.oid
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
    JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
    WHERE a.adrelid IN (${writable.map(({ oid }) => literal(oid)).join(', ')})`)
  return rows.map(([oid, schema, name]) => ({ oid: oid ?? '', schema: schema ?? '', name: name ?? '' }))
}

/** One row an argument, in order; a function without any has one row without a type. */
async function functions(entries: readonly string[], ask: Asking): Promise<readonly Routine[]> {
  if (entries.length === 0) return []
  const rows =
    await ask(`SELECT w.schema, w.name, p.oid, m.nspname, t.typname FROM (VALUES ${pairs(entries)}) w(schema, name)
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
    LEFT JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.proname = w.name AND p.prokind <> 'p'
    LEFT JOIN LATERAL pg_catalog.unnest(p.proargtypes) WITH ORDINALITY a(type, nth) ON true
    LEFT JOIN pg_catalog.pg_type t ON t.oid = a.type LEFT JOIN pg_catalog.pg_namespace m ON m.oid = t.typnamespace
    ORDER BY p.oid, a.nth`)
  const found = new Map<string, Routine & { readonly takes: { schema: string; name: string }[] }>()
  const gone: string[] = []
  for (const [schema, name, oid, typeSchema, type] of rows) {
    if (oid === null || oid === undefined) {
      gone.push(`${schema}.${name}`)
      continue
    }
    const routine = found.get(oid) ?? { oid, schema: schema ?? '', name: name ?? '', takes: [] }
    if (typeof type === 'string') routine.takes.push({ schema: typeSchema ?? '', name: type })
    found.set(oid, routine)
  }
  if (gone.length > 0) throw new Absent(`no such function: ${gone.join(', ')}`)
  return [...found.values()]
}
