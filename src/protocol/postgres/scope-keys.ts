/** The keys of a PostgreSQL scope as they are written, each strict. Pure. */
import { z } from 'zod'
import { duration, quantity } from '../limit.ts'

/** Every statement a scope can permit. EXPLAIN, VALUES, TABLE, COPY, cursors and PREPARE count as what they hold. */
export const statementKinds = ['select', 'insert', 'update', 'delete', 'merge'] as const

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
const open = (name: string) => !closed.test(name)
const notOpen =
  'catalogue relations and temporary tables cannot be listed: `catalog: true` shows what may be seen'
const table = named(
  `${part}\\.(${part}|\\*)`,
  'a table is schema.name or schema.*, as the catalogue spells it',
).refine(open, notOpen)
const oneTable = named(
  `${part}\\.${part}`,
  'columns are listed by table: schema.name, as the catalogue spells it',
).refine(open, notOpen)
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
const bareColumn = named(part, 'a column of a table is its bare name, as the catalogue spells it')

const size = quantity(
  { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 },
  'a size is a number of bytes, or one with its unit: 64KiB, 10MiB, 1GiB',
).refine(given => given <= 2 ** 40, 'a size is at most 1024GiB')

const listOf = <T extends z.ZodType>(of: T) => z.array(of).max(1000).readonly()

export const keys = {
  statements: listOf(z.enum(statementKinds)),
  tables: listOf(table),
  write_tables: listOf(table),
  columns: z
    .record(oneTable, listOf(bareColumn))
    .refine(given => Object.keys(given).length <= 1000, 'columns names at most 1000 tables'),
  functions: listOf(functionName),
  catalog: z.boolean(),
  max_rows: z.int().positive().max(0x7fffffff).nullable(),
  max_bytes: size.nullable(),
  statement_timeout: duration('statement_timeout').nullable(),
  transaction_timeout: duration('transaction_timeout').nullable(),
  idle_timeout: duration('idle_timeout').nullable(),
  statements_per_second: z.int().positive().max(100_000).nullable(),
  mask: listOf(
    z
      .strictObject({
        column,
        with: z.enum(['full', 'partial', 'hash', 'blank']),
        filter: z.boolean().optional(),
      })
      .readonly(),
  ),
}
