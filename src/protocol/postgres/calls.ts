/** One-shots of a PostgreSQL grant: `query` and `schema`, through the session's own relay (`one-shot.ts`). */
import { z } from 'zod'
import type { Refused } from '../../denial.ts'
import { ownerKey } from '../../owner.ts'
import type { Call, Session } from '../protocol.ts'
import { OneShots } from './one-shot.ts'
import { MOST_BYTES, type QueryInput, type QueryOutput, runQuery } from './query-call.ts'
import { runSchema, type SchemaOutput } from './schema-call.ts'
import type { PostgresScope } from './scope.ts'
import type { GuardFor } from './serve.ts'
import type { PostgresUpstream } from './upstream.ts'
import { MAX_SQL } from './wire.ts'

type PostgresCall<Input, Output> = Call<PostgresScope, PostgresUpstream, Input, Output>
type PostgresSession = Session<PostgresScope, PostgresUpstream>

export interface PostgresCalls {
  readonly query: PostgresCall<QueryInput, QueryOutput>
  readonly schema: PostgresCall<object, SchemaOutput>
}

const queryInput = z.strictObject({
  statement: z
    .string()
    .min(1)
    .refine(text => Buffer.byteLength(text) <= MAX_SQL, 'a statement has at most 1 MiB')
    // A NUL would hide what follows it from a parser (attack 102); half a surrogate pair has no UTF-8.
    .refine(text => !text.includes('\0') && text.isWellFormed(), 'a statement is text without NUL'),
  parameters: z
    .array(z.unknown())
    .max(1000)
    .optional()
    .describe(
      '$1, $2, ... in order: arrays as PostgreSQL arrays, objects as JSON, bytea as \\x and hexadecimal',
    ),
  max_rows: z.int().min(1).max(1_000_000).optional(),
})

const queryOutput = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string() })).readonly(),
  rows: z
    .array(z.array(z.unknown()).readonly())
    .readonly()
    .describe(
      'int8 and numeric as strings, bytea as base64, json as values, what JSON has no form for as text',
    ),
  row_count: z.int().describe('rows returned, or affected'),
  truncated: z.boolean().describe('there were more rows, or more bytes, than an answer holds'),
})

const schemaOutput = z.object({
  tables: z
    .array(
      z.object({
        name: z.string(),
        kind: z.string(),
        statements: z.array(z.string()).readonly(),
        columns: z
          .array(
            z.object({
              name: z.string(),
              type: z.string(),
              nullable: z.boolean(),
              mask: z.string().optional(),
            }),
          )
          .readonly(),
      }),
    )
    .readonly(),
  functions: z.array(z.string()).readonly(),
  truncated: z.boolean(),
})

export function createCalls(guardFor: GuardFor): PostgresCalls {
  const shots = new WeakMap<PostgresSession, OneShots>()

  function shotsOf(session: PostgresSession): OneShots {
    const known = shots.get(session)
    if (known !== undefined) return known
    const made = new OneShots(
      session,
      guardFor(session.upstream.scope, session.upstream.own, ownerKey(session.grant.owner)),
      MOST_BYTES,
    )
    shots.set(session, made)
    return made
  }

  async function alone<T>(session: PostgresSession, call: (at: OneShots) => Promise<T | Refused>) {
    const at = shotsOf(session)
    return at.alone(() => call(at))
  }

  return {
    query: {
      summary: 'Run one SQL statement, in a transaction of its own',
      input: queryInput,
      output: queryOutput as unknown as z.ZodType<QueryOutput>,
      run: (input, session) => alone(session, at => runQuery(at, input)),
    },
    schema: {
      summary: 'What the grant may use: tables, columns, types',
      input: z.strictObject({}),
      output: schemaOutput as unknown as z.ZodType<SchemaOutput>,
      run: (_input, session) => alone(session, runSchema),
    },
  }
}
