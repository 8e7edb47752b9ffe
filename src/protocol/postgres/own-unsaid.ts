/**
 * The database's own functions that run though no statement names them: behind operators, casts, CHECKs of domains, and what
 * compares values of its own types. Input and output functions are not among them: they take cstring, which is C and a
 * superuser's. What an extension brought is not asked about: whoever made the extension answers for it.
 */
import { literal } from './quote.ts'

/**
 * Numbers below are the server's own. A text, here and below, and names are made texts: with the types on both sides alike an
 * operator is pg_catalog's, and none of those that are looked for.
 */
const FIRST = `'16384'`

const table = (name: string): string => `'pg_catalog.${name}'::pg_catalog.regclass::pg_catalog.oid`
const dotted = (schema: string, name: string): string =>
  `${schema}::pg_catalog.text || '.' || ${name}::pg_catalog.text`
const notBrought = (kind: string, oid: string): string =>
  `NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.classid = ${kind} AND e.objid = ${oid} AND e.deptype = 'e')`
const ofFunction = (oid: string): string => `${oid} >= ${FIRST} AND ${notBrought(table('pg_proc'), oid)}`

const reached = (schema: string): string =>
  `o.oprnamespace IN (pg_catalog.to_regnamespace('pg_catalog')::pg_catalog.oid, pg_catalog.to_regnamespace(${literal(schema)})::pg_catalog.oid)`

/** Those that a bare sign may mean. */
const operators = (schema: string): string => `pg_catalog.pg_operator o
  WHERE o.oid >= ${FIRST} AND o.oprcode::pg_catalog.oid <> '0' AND ${notBrought(table('pg_operator'), 'o.oid')}
    AND ${reached(schema)}`

/**
 * A cast that must be written, to a type of the database's own, is refused for its type. to_json and its kin (114, 3802) use
 * even those that must be written.
 */
const mustBeWritten = `c.castcontext = 'e' AND (c.casttarget NOT IN ('114', '3802') OR c.castsource < ${FIRST})`
const casts = `pg_catalog.pg_cast c WHERE c.oid >= ${FIRST} AND c.castfunc <> '0'
  AND NOT (${mustBeWritten} AND c.casttarget >= ${FIRST}) AND ${notBrought(table('pg_cast'), 'c.oid')}`

const checks = `pg_catalog.pg_constraint k JOIN pg_catalog.pg_depend d ON d.classid = ${table('pg_constraint')} AND d.objid = k.oid
    AND d.refclassid IN (${table('pg_proc')}, ${table('pg_operator')}) AND d.refobjid >= ${FIRST}
  WHERE k.contypid >= ${FIRST}`

/** A range's other function is C, too. */
const ranges = `pg_catalog.pg_range r WHERE r.rngtypid >= ${FIRST} AND ${ofFunction('r.rngsubdiff::pg_catalog.oid')}`

/** A range compares its bounds by the class that it was given, were it not its subtype's own. */
const bounds = `pg_catalog.pg_range r JOIN pg_catalog.pg_opclass q ON q.oid = r.rngsubopc
  JOIN pg_catalog.pg_amproc s ON s.amprocfamily = q.opcfamily WHERE r.rngtypid >= ${FIRST} AND ${ofFunction('s.amproc::pg_catalog.oid')}`

/** What an index of a type without a class of its own was given is its owner's affair, as a trigger is. */
const compared = (
  family: string,
  type: string,
): string => `(${type} >= ${FIRST} OR EXISTS (SELECT 1 FROM pg_catalog.pg_opclass q
    WHERE q.opcfamily = ${family} AND q.opcintype = ${type} AND q.opcdefault))`
const supports = `pg_catalog.pg_amproc s WHERE s.oid >= ${FIRST} AND ${ofFunction('s.amproc::pg_catalog.oid')} AND ${compared('s.amprocfamily', 's.amproclefttype')}`
const strategies = `pg_catalog.pg_amop s JOIN pg_catalog.pg_operator o ON o.oid = s.amopopr
  WHERE s.oid >= ${FIRST} AND o.oid >= ${FIRST} AND ${notBrought(table('pg_operator'), 'o.oid')} AND ${compared('s.amopfamily', 's.amoplefttype')}`

/** Whether a row is cast by itself to a type, by a function or not. */
export const takesRow = (
  type: string,
): string => `EXISTS (SELECT 1 FROM pg_catalog.pg_cast w JOIN pg_catalog.pg_type x
  ON x.oid = w.castsource AND x.typtype = 'c' WHERE w.casttarget = ${type} AND w.castcontext = 'i')`

/** Whether {@link unsaid} may find anything: a condition. Not all of it, for the planner's time is what it costs. */
export const mayFindUnsaid = (schema: string): string => `EXISTS (SELECT 1 FROM (
    SELECT ${table('pg_operator')} AS kind, o.oid AS own FROM pg_catalog.pg_operator o WHERE o.oid >= ${FIRST} AND ${reached(schema)}
    UNION ALL SELECT ${table('pg_cast')}, c.oid FROM pg_catalog.pg_cast c WHERE c.oid >= ${FIRST}
      AND (c.castfunc <> '0' OR c.castcontext = 'i' AND c.castsource >= ${FIRST})
    UNION ALL SELECT d.refclassid, d.refobjid FROM ${checks}
    UNION ALL SELECT ${table('pg_proc')}, r.rngsubdiff FROM pg_catalog.pg_range r WHERE r.rngtypid >= ${FIRST} AND r.rngsubdiff::pg_catalog.oid >= ${FIRST}
    UNION ALL SELECT ${table('pg_proc')}, s.amproc FROM pg_catalog.pg_amproc s WHERE s.oid >= ${FIRST} AND s.amproc::pg_catalog.oid >= ${FIRST}
    UNION ALL SELECT ${table('pg_operator')}, s.amopopr FROM pg_catalog.pg_amop s WHERE s.oid >= ${FIRST} AND s.amopopr >= ${FIRST}) o
  WHERE ${notBrought('o.kind', 'o.own')})`

/**
 * The type whose values must be there for an operator, or none: a record may be taken for any row type, a constant for any
 * type, and what casts to it by itself for it. No constant is, where the server has an operator of that sign itself: any, if the other side
 * is of the type too (or there is none), else one that has the other side's type on both. Of a domain counts what is under it.
 */
const operand = `SELECT t.oid, t.typelem FROM (VALUES (o.oprleft, o.oprright), (o.oprright, o.oprleft)) v(type, other) LEFT JOIN under u ON u.domain = v.type
    JOIN pg_catalog.pg_type t ON t.oid = coalesce(u.type, v.type) LEFT JOIN pg_catalog.pg_type i ON i.oid = t.typelem
    WHERE t.oid >= ${FIRST} AND t.typtype NOT IN ('c', 'd') AND coalesce(i.typtype, 'b') <> 'c'
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_cast c WHERE c.casttarget IN (t.oid, t.typelem) AND c.castcontext = 'i' AND c.castsource < ${FIRST})
      AND EXISTS (SELECT 1 FROM pg_catalog.pg_operator b WHERE b.oprname = o.oprname AND b.oid < ${FIRST} AND (b.oprleft = '0') = (o.oprleft = '0')
        AND (v.other IN ('0', v.type) OR b.oprleft = v.other AND b.oprright = v.other))
    LIMIT 1`

/**
 * Common table expressions that end in `unsaid`: `name, kind, calls, place` a row, one for what happens to values of a type where a
 * statement touches the place (`in`), reads it (`read`) or uses its row as a value (`whole`); no place is anywhere. The name
 * is what must be in the statement besides. `under` is domains and what lies under them. A multirange is made of a range's values by
 * built-in functions; a domain's CHECK may cast to another domain, whose CHECK it runs.
 */
export const unsaid = (schema: string): string => `
  behind (type, proc, needs, checks) AS (
    SELECT CASE WHEN c.castsource >= ${FIRST} THEN c.castsource WHEN c.casttarget >= ${FIRST} THEN c.casttarget END,
      c.castfunc, n.name, false FROM (SELECT c.* FROM ${casts}) c CROSS JOIN LATERAL (
        SELECT ''::pg_catalog.text AS name WHERE NOT (${mustBeWritten}) UNION ALL
        SELECT y.typname::pg_catalog.text FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type y
          ON y.oid = t.oid AND t.typcategory <> 'A' OR y.oid = t.typelem AND t.typcategory = 'A' OR y.typtype = 'd' AND y.typbasetype = t.oid
        WHERE t.oid = c.casttarget AND ${mustBeWritten}) n
    UNION ALL SELECT r.type, o.oprcode::pg_catalog.oid, w.needs, false FROM (SELECT o.* FROM ${operators(schema)}) o
      LEFT JOIN LATERAL (${operand}) a ON true
      CROSS JOIN LATERAL (SELECT a.oid UNION ALL
        SELECT c.castsource FROM pg_catalog.pg_cast c WHERE c.casttarget IN (a.oid, a.typelem) AND c.castcontext = 'i') r(type)
      CROSS JOIN LATERAL (SELECT 'operator ' || o.oprname::pg_catalog.text UNION ALL
        SELECT 'operator pg_catalog.' || o.oprname::pg_catalog.text WHERE o.oprnamespace = pg_catalog.to_regnamespace('pg_catalog')::pg_catalog.oid) w(needs)
    UNION ALL SELECT k.contypid, CASE WHEN d.refclassid = ${table('pg_proc')} THEN d.refobjid
        ELSE (SELECT o.oprcode::pg_catalog.oid FROM pg_catalog.pg_operator o WHERE o.oid = d.refobjid) END, '', true FROM ${checks} AND ${notBrought('d.refclassid', 'd.refobjid')}
    UNION ALL SELECT r.rngtypid, r.rngsubdiff::pg_catalog.oid, '', false FROM ${ranges}
    UNION ALL SELECT r.rngtypid, s.amproc::pg_catalog.oid, '', false FROM ${bounds}
    UNION ALL SELECT s.amproclefttype, s.amproc::pg_catalog.oid, '', false FROM ${supports}
    UNION ALL SELECT s.amoplefttype, o.oprcode::pg_catalog.oid, '', false FROM ${strategies}),
  running (root, needs, checks, calls) AS (
    SELECT CASE WHEN t.typcategory = 'A' AND t.typelem <> '0' THEN t.typelem WHEN t.oid >= ${FIRST} THEN t.oid END, b.needs, b.checks, ${dotted('n.nspname', 'p.proname')}
    FROM behind b JOIN pg_catalog.pg_proc p ON p.oid = b.proc JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    LEFT JOIN pg_catalog.pg_type t ON t.oid = b.type),
  holding (root, type, plain) AS (SELECT r.root, coalesce(d.refobjid, r.root), true FROM running r
    LEFT JOIN (pg_catalog.pg_depend d JOIN pg_catalog.pg_type m ON m.oid = d.objid AND m.typtype = 'm')
      ON d.classid = ${table('pg_type')} AND d.objid = r.root AND d.refclassid = ${table('pg_type')} WHERE r.root IS NOT NULL
    UNION SELECT h.root, t.oid, h.plain AND t.typtype = 'd' FROM holding h
    JOIN pg_catalog.pg_depend d ON d.refclassid = ${table('pg_type')} AND d.refobjid = h.type
    LEFT JOIN pg_catalog.pg_class c ON d.classid = ${table('pg_class')} AND c.oid = d.objid
    LEFT JOIN pg_catalog.pg_constraint k ON d.classid = ${table('pg_constraint')} AND k.oid = d.objid
    JOIN pg_catalog.pg_type t ON t.oid = coalesce(c.reltype, k.contypid, CASE WHEN d.classid = ${table('pg_type')} THEN d.objid END)),
  carrying (root, plain, place) AS (
    SELECT h.root, h.plain AND c.oid IS NOT NULL, ${dotted('n.nspname', 'coalesce(c.relname, p.proname)')} FROM holding h
    JOIN pg_catalog.pg_depend d ON d.refclassid = ${table('pg_type')} AND d.refobjid = h.type
    LEFT JOIN pg_catalog.pg_class c ON d.classid = ${table('pg_class')} AND c.oid = d.objid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    LEFT JOIN pg_catalog.pg_proc p ON d.classid = ${table('pg_proc')} AND p.oid = d.objid
    JOIN pg_catalog.pg_namespace n ON n.oid = coalesce(c.relnamespace, p.pronamespace)),
  unsaid (name, kind, calls, place) AS (
    SELECT ${dotted('n.nspname', 'c.relname')}, 'casting', NULL, NULL FROM pg_catalog.pg_cast w JOIN pg_catalog.pg_class c
      ON c.reltype = w.castsource AND c.relkind <> 'c' JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE w.oid >= ${FIRST} AND w.castcontext = 'i' AND ${notBrought(table('pg_cast'), 'w.oid')}
    UNION SELECT r.needs, 'in', r.calls, NULL FROM running r WHERE r.root IS NULL
    UNION SELECT CASE WHEN c.plain AND r.checks THEN '[]' ELSE r.needs END, CASE WHEN r.checks THEN 'read' ELSE 'in' END, r.calls, c.place
      FROM running r JOIN carrying c ON c.root = r.root
    UNION SELECT '', 'whole', r.calls, c.place FROM running r JOIN carrying c ON c.root = r.root WHERE c.plain AND r.checks
    UNION SELECT r.needs, 'whole', r.calls, ${dotted('n.nspname', 'c.relname')} FROM running r JOIN pg_catalog.pg_class c
      ON c.reltype = r.root AND c.relkind <> 'c' JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)`
