/**
 * Derives `src/statement/sql/catalogue.gen.ts` from the catalogues of real servers, PostgreSQL 14 to 18: what `catalog: true` lets be read,
 * by `catalogue-by-hand.ts`, and which columns those relations have where some of them are barred.
 *
 *     node scripts/catalogue.ts
 */
import { writeFileSync } from 'node:fs'
import { catalogueByHand } from '../src/statement/sql/catalogue-by-hand.ts'
import { everyServer } from './servers.ts'

const question = `
  select n.nspname as schema, c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
  from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
  where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v') and not a.attisdropped
  group by 1, 2`

const found = new Map<string, Set<string>>()
const unknown = new Set<string>()
await everyServer(async client => {
  const { rows } = await client.query<{
    schema: 'pg_catalog' | 'information_schema'
    name: string
    columns: string[]
  }>(question)
  for (const { schema, name, columns } of rows) {
    if (catalogueByHand.relations[schema].has(name)) {
      const known = found.get(`${schema}.${name}`) ?? new Set()
      for (const column of columns) known.add(column)
      found.set(`${schema}.${name}`, known)
    } else if (!catalogueByHand.refused[schema].test(name)) unknown.add(`${schema}.${name}`)
  }
})
if (unknown.size > 0) throw new Error(`neither allowed nor refused by hand: ${[...unknown].join(' ')}`)

const lines = (values: readonly string[]) =>
  JSON.stringify(values.join(' ')).replace(/(.{1,100}) /g, '$1 " +\n    "')
const limited = Object.entries(catalogueByHand.columns).map(([relation, barred]) => {
  const columns = [...(found.get(relation) ?? [])].filter(column => !barred.has(column))
  return `  '${relation}': {\n    columns: (${lines(columns)}).split(' '),\n    barred: ${JSON.stringify([...barred])},\n  },\n`
})
writeFileSync(
  new URL('../src/statement/sql/catalogue.gen.ts', import.meta.url),
  `// Made by scripts/catalogue.ts from the catalogues of real servers. Not to be edited.
import type { Listed } from './analysis.ts'

/** What \`catalog: true\` lets be read. */
export const catalogueRelations: ReadonlySet<string> = new Set(
  (${lines([...found.keys()].sort())}).split(' '),
)

/** Those of them that have barred columns. */
export const catalogueColumns: Readonly<Record<string, Listed>> = {
${limited.join('')}}
`,
)
process.stdout.write(`${found.size} relations may be read\n`)
