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
  // One: which of several schemas a bare name means could change while a session is open.
  search_path: z
    .string()
    .regex(/^(?!pg_)[a-z_][a-z0-9_]{0,62}$/, 'must be the plain name of one schema, and none of pg_*')
    .optional(),
  tls: z
    .discriminatedUnion('mode', [
      z.strictObject({ mode: z.literal('disable') }),
      z.strictObject({ mode: z.literal('require') }),
      z.strictObject({ mode: z.literal('verify-full'), ca: filePath.optional() }),
    ])
    .default({ mode: 'verify-full' }),
})

const role = { user: named, password: secretRef }

/** A role that is there, or the one that makes a role for each session (docs/adr/0007). */
export const postgresLease = z.discriminatedUnion('minted', [
  z.strictObject({ minted: z.literal(false).optional(), ...role }),
  z.strictObject({ minted: z.literal(true), admin: z.strictObject(role) }),
])

export type PostgresTarget = z.output<typeof postgresTarget>
/** The schema that bare names mean, where they mean no built-in. */
export const schemaOf = ({ search_path }: PostgresTarget): string => search_path ?? 'public'
export type PostgresLease = z.output<typeof postgresLease>
/** What a session is opened with. The types keep an admin's lease from being one. */
export type RoleLease = Exclude<PostgresLease, { minted: true }>
