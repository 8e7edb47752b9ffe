/**
 * Derives `src/statement/sql/functions.gen.ts` from the catalogues of real servers, PostgreSQL 14 to 18: which built-in
 * functions, operators and types are without side effects, by volatility, by the types they take, and by hand. Beside it
 * `vectors/functions.txt`: every function's name, and the majors that have it.
 *
 *     node scripts/functions.ts
 */
import { writeFileSync } from 'node:fs'
import { byHand, harmfulTypes, harmlessVolatile } from '../src/statement/sql/by-hand.ts'
import { catalogueByHand } from '../src/statement/sql/catalogue-by-hand.ts'
import { everyServer, supported } from './servers.ts'

interface Row {
  readonly name: string
  readonly kind: string
  readonly volatility: string
  readonly takes: string[]
  readonly gives: string
  /** Callable with one argument that may be a whole row. */
  readonly row: boolean
  readonly outs: string[] | null
}

const functions = `
  select p.proname as name, p.prokind as kind, p.provolatile as volatility, format_type(p.prorettype, null) as gives,
    array(select format_type(t, null) from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) t) as takes,
    p.pronargs >= 1 and p.pronargs - p.pronargdefaults <= 1
      and p.proargtypes[0] in ('"any"'::regtype, 'anyelement'::regtype, 'anynonarray'::regtype,
        'anycompatible'::regtype, 'anycompatiblenonarray'::regtype, 'record'::regtype) as row,
    (select array_agg(p.proargnames[i]) from generate_subscripts(p.proargmodes, 1) i where p.proargmodes[i] in ('o', 'b', 't')) as outs
  from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace`
const operators = `select distinct oprname as name from pg_operator where oprnamespace = 'pg_catalog'::regnamespace`
const types = `
  select typname as name from pg_type
  where typnamespace = 'pg_catalog'::regnamespace and typtype in ('b', 'r', 'm') and typname !~ '^(_?pg_|_?reg|_)'`

const rows = new Map<string, Row[]>()
const signs = new Set<string>()
const typeNames = new Set<string>()
const majors = new Map<string, Set<string>>()
await everyServer(async (client, version) => {
  for (const row of (await client.query<Row>(functions)).rows) {
    rows.set(row.name, [...(rows.get(row.name) ?? []), row])
    majors.set(row.name, (majors.get(row.name) ?? new Set()).add(version))
  }
  for (const { name } of (await client.query<{ name: string }>(operators)).rows) signs.add(name)
  for (const { name } of (await client.query<{ name: string }>(types)).rows) typeNames.add(name)
})

/** A name is vetted only if every overload on every server is harmless: a call does not say which it means. */
function harmless(name: string, overloads: readonly Row[]): boolean {
  if (byHand.allowed.has(name)) return true
  if (byHand.refused.some(pattern => pattern.test(name))) return false
  return overloads.every(
    one =>
      one.kind !== 'p' &&
      (one.volatility !== 'v' || harmlessVolatile.has(name)) &&
      ![...one.takes, one.gives].some(type => harmfulTypes.test(type)),
  )
}

const names = [...rows.keys()].sort()
const vetted = names.filter(name => harmless(name, rows.get(name) ?? []))
const rest = names.filter(name => !vetted.includes(name))
const ofRows = names.filter(name => rows.get(name)?.some(row => row.row))
const outs = [...vetted, ...names.filter(name => catalogueByHand.functions.has(`pg_catalog.${name}`))]
  .sort()
  .map(
    name =>
      [name, [...new Set(rows.get(name)?.flatMap(row => row.outs ?? []))].filter(out => out !== '')] as const,
  )
  .filter(([, columns]) => columns.length > 0)

const ofSome = new Set(
  outs
    .filter(([name]) => new Set(rows.get(name)?.map(row => String(row.outs))).size > 1)
    .flatMap(([, columns]) => columns),
)

const some = vetted
  .map(name => [name, [...(majors.get(name) ?? [])].map(Number)] as const)
  .filter(([, of]) => of.length < supported.length)

const list = (values: Iterable<string>) =>
  `new Set(\n  (${JSON.stringify([...values].sort().join(' ')).replace(/(.{1,100})( |"$)/g, (_, a, b) => (b === ' ' ? `${a} " +\n    "` : `${a}${b}`))}).split(' '),\n)`
writeFileSync(
  new URL('../src/statement/sql/functions.gen.ts', import.meta.url),
  `// Made by scripts/functions.ts from the catalogues of real servers. Not to be edited.

/** Built-in functions every overload of which is without side effects. */
export const vettedFunctions: ReadonlySet<string> = ${list(vetted)}

/** The majors that have a vetted function which not every major has: elsewhere its name is free for anybody's. */
export const majorsOf: ReadonlyMap<string, readonly number[]> = new Map(
  ${JSON.stringify(some)},
)

/** The other built-in functions: refused unless a scope lists them. */
export const otherFunctions: ReadonlySet<string> = ${list(rest)}

/** Built-in functions that can be called with one argument that is a whole row. */
export const rowFunctions: ReadonlySet<string> = ${list(ofRows)}

/** The columns that vetted functions, and the catalogue's, give when they stand in FROM. */
export const functionColumns: ReadonlyMap<string, readonly string[]> = new Map(
  ${JSON.stringify(outs)},
)

/** Those of them that other overloads of the same name do not give: there a function of that name would be called. */
export const columnsOfSome: ReadonlySet<string> = ${list(ofSome)}

/** Built-in operators. */
export const vettedOperators: ReadonlySet<string> = ${list(signs)}

/** Built-in types whose input reads nothing but the value. */
export const vettedTypes: ReadonlySet<string> = ${list([...typeNames].filter(name => !byHand.types.has(name)).concat([...byHand.typesToo]))}
`,
)
const known = names.map(name => `${name} ${[...(majors.get(name) ?? [])].join(' ')}\n`)
writeFileSync(new URL('../src/statement/sql/vectors/functions.txt', import.meta.url), known.join(''))
process.stdout.write(`${vetted.length} of ${names.length} functions vetted\n`)
