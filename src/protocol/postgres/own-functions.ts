/**
 * The database's own functions that a name may call which looks like something else: `o.full_name` is `full_name(o)`
 * where orders has no such column (attack 67), and `lower(x)` may be `public.lower(mytype)`. Only the database knows
 * them, so they are asked for when a session opens, and the guard is told.
 */
import type { OwnFunctions } from '../../statement/sql/analysis.ts'
import { catalogueByHand } from '../../statement/sql/catalogue-by-hand.ts'
import { columnsOfSome } from '../../statement/sql/functions.gen.ts'
import { mayFindUnsaid, takesRow, unsaid } from './own-unsaid.ts'
import { literal } from './quote.ts'

/** Base types that most functions take: bool to uuid and jsonb, and arrays of the usual ones. Their numbers never change. */
export const baseTypes = [
  16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 700, 701, 790, 869, 1000, 1005, 1007, 1009, 1015, 1016, 1021, 1022,
  1042, 1043, 1082, 1083, 1114, 1115, 1182, 1184, 1185, 1186, 1231, 1266, 1700, 2950, 2951, 3802,
] as const

/** Names that the guard takes for columns of a value of any type, if nothing of the database's own is called so. */
const fields = literal(`{${[...new Set([...columnsOfSome, ...catalogueByHand.fields])].join()}}`)

/** Types that a value is cast to by `(value).name`; a domain's may call its CHECK. Tables have none but of their rows. */
const namedTypes = (schema: string): string => `pg_catalog.pg_type y
  WHERE y.typnamespace = pg_catalog.to_regnamespace(${literal(schema)}) AND y.typname = ANY (${fields}::pg_catalog.name[]) AND y.typrelid = 0`

/**
 * Whether {@link findOwnFunctions} may find anything. Most schemas have no function that takes more than plain values or is
 * called as a built-in is; to know that costs a session's start a quarter of looking closely.
 */
export const mayFindOwnFunctions = (
  schema: string,
): string => `SELECT 1 WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_proc p
  WHERE p.pronamespace = pg_catalog.to_regnamespace(${literal(schema)})
    AND (p.pronargs > 0 AND NOT p.proargtypes[0] = ANY ('{${baseTypes.join()}}'::pg_catalog.oid[])
      OR p.proname = ANY (${fields}::pg_catalog.name[])
      OR EXISTS (SELECT 1 FROM pg_catalog.pg_proc c
        WHERE c.proname = p.proname AND c.pronamespace = pg_catalog.to_regnamespace('pg_catalog'))))
  OR EXISTS (SELECT 1 FROM ${namedTypes(schema)})
  OR ${mayFindUnsaid(schema)}`

/**
 * `name, kind, calls, place` a row, in order: `row` for what can be called with one row, `hidden` where a column of the row comes before
 * it, `field` for what can be called with one value and is named as a column is; `name` for what is called as a built-in is,
 * extensions' apart, which whoever made the extension answers for. Of a domain counts what lies under all domains, of
 * `variadic item[]` an item. What is called without its name, and the last two columns, own-unsaid.ts says.
 */
export const findOwnFunctions = (schema: string): string => `WITH RECURSIVE
  under (domain, type) AS (SELECT oid, typbasetype FROM pg_catalog.pg_type WHERE typtype = 'd'
    UNION ALL SELECT u.domain, d.typbasetype FROM under u JOIN pg_catalog.pg_type d ON d.oid = u.type WHERE d.typtype = 'd'),
  taking AS (SELECT p.proname, CASE WHEN ${takesRow('t.oid')} THEN 'c' ELSE t.typtype END AS typtype, EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = t.typrelid AND a.attrelid <> 0 AND a.attname = p.proname AND a.attnum > 0 AND NOT a.attisdropped) AS hidden
    FROM pg_catalog.pg_proc p
    CROSS JOIN LATERAL (SELECT CASE WHEN p.provariadic <> 0 AND p.pronargs = 1 THEN p.provariadic ELSE p.proargtypes[0] END AS type) f
    LEFT JOIN under u ON u.domain = f.type
    JOIN pg_catalog.pg_type t ON t.oid = coalesce(u.type, f.type) AND t.typtype <> 'd'
    WHERE p.pronamespace = pg_catalog.to_regnamespace(${literal(schema)}) AND p.pronargs > 0
      AND (p.pronargs - p.pronargdefaults <= 1 OR (p.provariadic <> 0 AND p.pronargs <= 2))),${unsaid(schema)}
SELECT name, kind, calls, place FROM unsaid
UNION ALL SELECT DISTINCT proname, CASE WHEN hidden THEN 'hidden' ELSE 'row' END, NULL, NULL FROM taking WHERE typtype IN ('c', 'p')
UNION ALL SELECT DISTINCT proname, 'field', NULL, NULL FROM taking WHERE proname = ANY (${fields}::pg_catalog.name[])
UNION ALL SELECT y.typname, 'field', NULL, NULL FROM ${namedTypes(schema)}
UNION ALL SELECT DISTINCT p.proname, 'name', NULL, NULL FROM pg_catalog.pg_proc p
  WHERE p.pronamespace = pg_catalog.to_regnamespace(${literal(schema)})
    AND EXISTS (SELECT 1 FROM pg_catalog.pg_proc c WHERE c.proname = p.proname AND c.pronamespace = pg_catalog.to_regnamespace('pg_catalog'))
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.classid = pg_catalog.to_regclass('pg_catalog.pg_proc') AND d.deptype = 'e')
  ORDER BY 2, 1, 3, 4`

/** What the database answered. */
export function ownFunctions(
  version: number,
  schema: string,
  rows: readonly (readonly (string | null)[])[],
): OwnFunctions {
  const of = (kind: string) =>
    rows.flatMap(([name, is]) => (is === kind && name !== null && name !== undefined ? [name] : []))
  const behind = rows.flatMap(([name, kind, calls, place]) =>
    typeof name === 'string' && typeof calls === 'string' ? [{ name, kind, calls, place }] : [],
  )
  return {
    version,
    schema,
    rows: of('row'),
    hidden: of('hidden'),
    fields: of('field'),
    names: of('name'),
    casting: of('casting'),
    unsaid: behind.flatMap(({ name, kind, calls, place = null }) =>
      kind === 'in' || kind === 'read' || kind === 'whole' ? [{ needs: name, how: kind, calls, place }] : [],
    ),
  }
}

export const noFunctions: OwnFunctions = {
  version: 0,
  schema: 'public',
  rows: [],
  hidden: [],
  fields: [],
  names: [],
  casting: [],
  unsaid: [],
}
