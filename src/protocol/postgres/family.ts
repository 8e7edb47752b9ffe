/**
 * A scope as a database has it. What a scope says of single columns goes by a relation's name, and the same rows have other
 * names: those of a table's partitions and children, of the tables that it is a part of, and of views. Without looking,
 * `public.*` with a mask on `orders` would show in `orders_2024` what it hides in `orders`. So a session's scope is spelled
 * out when the session opens: limits hold for the whole family, and a list is of what is there. Pure.
 */
import type { Narrowed } from '../../words.ts'
import { type ColumnLists, everyList, meetColumns } from './column-lists.ts'
import { isTextual, type MaskedColumns } from './mask.ts'
import { literal } from './quote.ts'
import { permits } from './relations.ts'
import { type ColumnMask, meetMasks, type PostgresScope } from './scope.ts'

export interface There<Scope extends PostgresScope = Narrowed<PostgresScope>> {
  /** Narrower than what was said, and nowhere wider. */
  readonly scope: Scope
  /** The masked columns as RowDescription numbers them. */
  readonly masks: MaskedColumns
  /** Masked columns that there are not. */
  readonly missing: readonly string[]
}

type Rows = readonly (readonly (string | null)[])[]

/** Where no column is limited no other name can show more of one. */
export const needsFamilies = (scope: PostgresScope): boolean =>
  scope.mask.length > 0 || Object.keys(scope.columns).length > 0

/**
 * Rows are of two kinds. `column, said, relation, oid, column, number, masked, type`: a relation that shows rows of the limited table
 * `said`, once for each of its columns that has a listed one's name, or shows the masked column `masked`; once without where it
 * has none; of `said` itself, all columns. `listed, null, relation` and `view, null, relation`: what the lists name or may mean, and which of it
 * reads limited tables, or tables of elsewhere: those may be the limited ones once more.
 *
 * The rows of a table are its own and its descendants'; whatever stands above one of those shows them, too. A generated column
 * shows those that it is made from.
 */
export function findFamilies(scope: PostgresScope): string {
  const limited = new Map<string, string[]>(Object.keys(scope.columns).map(table => [table, []]))
  for (const { column } of scope.mask)
    limited.set(tableOf(column), [...(limited.get(tableOf(column)) ?? []), nameOf(column)])
  const wanted = [...limited].map(([table, masked]) => {
    const lists = new Set(everyList(scope).flatMap(({ [table]: list = [] }) => list))
    return `(${literal(tableOf(table))}, ${literal(nameOf(table))}, ${texts(masked)}, ${texts([...lists])})`
  })
  const listed = [...new Set([...scope.tables, ...scope.write_tables])].map(entry =>
    entry.endsWith('.*')
      ? `n.nspname = ${literal(tableOf(entry))}`
      : `n.nspname = ${literal(tableOf(entry))} AND c.relname = ${literal(nameOf(entry))}`,
  )
  return `WITH RECURSIVE wanted(schema, name, masked, listed) AS (VALUES ${wanted.join(', ')}),
    named(said, relation, masked, listed) AS (
      SELECT w.schema || '.' || w.name, c.oid, w.masked, w.listed FROM wanted w
        JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name),
    below(said, relation) AS (
      SELECT said, relation FROM named
      UNION SELECT b.said, i.inhrelid FROM below b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.relation),
    family(said, relation) AS (
      SELECT said, relation FROM below
      UNION SELECT f.said, i.inhparent FROM family f JOIN pg_catalog.pg_inherits i ON i.inhrelid = f.relation),
    showing(relation, is_view) AS (
      SELECT relation, false FROM family
      UNION SELECT oid, true FROM pg_catalog.pg_class WHERE relkind = 'f' AND oid NOT IN (SELECT relation FROM family)
      UNION SELECT v.oid, true FROM showing s
        JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = s.relation
          AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND r.ev_class <> s.relation
        JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm'))
    SELECT 'column', f.said, n.nspname || '.' || c.relname, c.oid::pg_catalog.int8, a.attname, a.attnum, a.masked,
        (SELECT CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid)::pg_catalog.int8
      FROM family f
      JOIN named o ON o.said = f.said
      JOIN pg_catalog.pg_class c ON c.oid = f.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN LATERAL (
        SELECT p.attname, p.attnum, p.atttypid, CASE WHEN p.attname = ANY (o.masked) THEN p.attname END AS masked
          FROM pg_catalog.pg_attribute p
          WHERE p.attrelid = c.oid AND NOT p.attisdropped AND (c.oid = o.relation OR p.attname = ANY (o.masked || o.listed))
        UNION SELECT g.attname, g.attnum, g.atttypid, p.attname FROM pg_catalog.pg_attribute p
          JOIN pg_catalog.pg_attribute g ON g.attrelid = p.attrelid AND g.attgenerated <> '' AND NOT g.attisdropped
          LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = g.attrelid AND e.adnum = g.attnum
          WHERE p.attrelid = c.oid AND p.attname = ANY (o.masked) AND EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
            WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid AND d.refobjsubid IN (0, p.attnum)
              AND (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = e.oid
                OR d.classid = d.refclassid AND d.objid = c.oid AND d.objsubid = g.attnum))) a ON true
    UNION ALL SELECT CASE WHEN c.oid IN (SELECT relation FROM showing WHERE is_view)
        THEN 'view' ELSE 'listed' END, NULL, n.nspname || '.' || c.relname, NULL, NULL, NULL, NULL, NULL
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND (${listed.map(one => `(${one})`).join(' OR ') || 'false'})`
}

/** What {@link findFamilies} answered, held to the scope that it was asked for. */
export function scopeThere<Scope extends PostgresScope>(
  scope: Scope,
  rows: Rows,
  connection: string,
): There<Scope> {
  const members = rows.flatMap(([is, said, relation, oid, column, number, masked, type]) =>
    is === 'column'
      ? [{ said: said ?? '', relation: relation ?? '', oid, column, number, masked, type }]
      : [],
  )
  const asked = new Map(scope.mask.map(one => [one.column, one]))
  const found: ColumnMask[] = []
  const numbers = new Map<string, { readonly column: string; readonly textual: boolean }>()
  for (const { said, relation, oid, column, number, masked, type } of members) {
    const mask = asked.get(`${said}.${masked}`)
    if (mask === undefined) continue
    found.push({ ...mask, column: `${relation}.${column}` })
    numbers.set(`${oid}.${number}`, { column: `${relation}.${column}`, textual: isTextual(Number(type)) })
  }
  const mask = meetMasks(found, [])
  const withOf = new Map(mask.map(one => [one.column, one.with]))
  const masks = new Map(
    [...numbers].flatMap(([at, { column, textual }]) => {
      const form = withOf.get(column)
      const of = JSON.stringify([connection, column])
      return form === undefined ? [] : [[at, { with: form, of, column, textual }] as const]
    }),
  )
  const families = familiesOf(members)
  const there = {
    ...scope,
    tables: listedThere(scope.tables, scope.starred, rows),
    write_tables: listedThere(scope.write_tables, scope.write_starred, rows),
    columns: everyList(scope)
      .map(lists => columnsThere(lists, families))
      .reduce(meetColumns),
    mask,
  }
  const missing = scope.mask.filter(one => !withOf.has(one.column)).map(one => one.column)
  return { scope: there, masks, missing }
}

/**
 * What of a list is there, by name: a partition that somebody makes while the session is open would be none that was looked
 * at. A view that reads a limited table shows its columns as they are, so `schema.*` does not mean it; who lists it does, but
 * for who only asks for it out of another's `schema.*`.
 */
function listedThere(
  list: readonly string[],
  starred: readonly string[] | undefined,
  rows: Rows,
): readonly string[] {
  const exact = new Set(list)
  const ofStar = new Set(starred)
  const there = rows.flatMap(([is, , relation]) => {
    if (is === 'column' || typeof relation !== 'string') return []
    const byName = exact.has(relation) && !ofStar.has(relation)
    return byName || (is === 'listed' && permits(list, relation)) ? [relation] : []
  })
  // In whatever order a server finds them: sessions of one scope share their verdicts, and say the same of it.
  return there.sort()
}

interface Member {
  readonly said: string
  readonly relation: string
  readonly column: string | null | undefined
}

/** Sets by name, grown as they are asked for. */
class Sets {
  readonly all = new Map<string, Set<string>>()

  add(name: string, ...members: readonly string[]): void {
    const set = this.all.get(name) ?? new Set()
    for (const member of members) set.add(member)
    this.all.set(name, set)
  }

  has = (name: string, member: string): boolean => this.all.get(name)?.has(member) === true
}

/** Whose family each relation is of, and which columns it has: each once, for there is a row for each column of each. */
function familiesOf(members: readonly Member[]) {
  const families = new Sets()
  const columns = new Sets()
  for (const { said, relation, column } of members) {
    families.add(said, relation)
    columns.add(relation, ...(typeof column === 'string' ? [column] : []))
  }
  return { families, columns }
}

/**
 * A relation of a family has the columns of its own list, or else those of the table's that it has at all, and none that the
 * table's leaves out.
 */
function columnsThere(lists: ColumnLists, { families, columns }: ReturnType<typeof familiesOf>): ColumnLists {
  const there = new Map<string, readonly string[]>(Object.entries(lists))
  for (const [said, relations] of families.all) {
    const list = Object.hasOwn(lists, said) ? lists[said] : undefined
    if (list === undefined) continue
    const given = new Set(list)
    const left = (column: string) => columns.has(said, column) && !given.has(column)
    for (const relation of relations) {
      if (relation === said) continue
      const own = Object.hasOwn(lists, relation)
      const before = there.get(relation) ?? list
      there.set(
        relation,
        before.filter(column => (own ? !left(column) : given.has(column) && columns.has(relation, column))),
      )
    }
  }
  return Object.fromEntries(there)
}

const texts = (of: readonly string[]): string => `ARRAY[${of.map(literal).join(', ')}]::pg_catalog.text[]`
const tableOf = (column: string): string => column.slice(0, column.lastIndexOf('.'))
const nameOf = (column: string): string => column.slice(column.lastIndexOf('.') + 1)
