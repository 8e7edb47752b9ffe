/** What postern.yaml says of a PostgreSQL connection: where it is, and the lease that opens it. Strict. */
import { z } from 'zod'
import { filePath, secretRef } from '../../config/reference.ts'

// A host name or an address: nothing that could end up as an option or a path (a leading `/` is a Unix socket in libpq).
const host = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$/, 'must be a host name or an address')
const named = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[^\0]+$/)

export const postgresTarget = z.strictObject({
  host,
  port: z.int().min(1).max(65_535).default(5432),
  database: named,
  tls: z
    .discriminatedUnion('mode', [
      z.strictObject({ mode: z.literal('disable') }),
      z.strictObject({ mode: z.literal('require') }),
      z.strictObject({ mode: z.literal('verify-full'), ca: filePath.optional() }),
    ])
    .default({ mode: 'verify-full' }),
})

export const postgresLease = z.strictObject({ user: named, password: secretRef })

export type PostgresTarget = z.output<typeof postgresTarget>
export type PostgresLease = z.output<typeof postgresLease>
