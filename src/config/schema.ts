/**
 * The one schema of postern.yaml, strict at every level (DESIGN.md section 5). JSON Schema is generated from it.
 *
 * Targets, leases and scopes are opaque here: what a protocol's own schemas say of them is joined in `parse.ts` and
 * `json-schema.ts`. What one part says about another (unknown names, missing people) is checked in `parse.ts` and its parts.
 */
import { z } from 'zod'
import { issuer } from './issuer.ts'
import { advertiseSchema, listenSchema, publicUrl } from './listen.ts'
import { client, group, listOf, name } from './names.ts'
import { rule } from './rule.ts'

/** What config must know of a protocol; every `Protocol` is one. */
export interface ConfigProtocol {
  readonly name: string
  /** Served on the http listener: there is no port of its own to list or to advertise. */
  readonly requests?: true
  readonly target: z.ZodType
  readonly lease: z.ZodType
  readonly scope: {
    readonly schema: z.ZodType
    readonly limit: z.ZodType
    meet(scope: unknown, limit: unknown): unknown
    isEmpty(scope: unknown): boolean
  }
}

export type ConfigProtocols = ReadonlyMap<string, ConfigProtocol>

const protocol = z.string({ error: 'must be the name of a protocol' })

export const connection = z.strictObject({
  protocol,
  target: z.unknown(),
  lease: z.unknown(),
  ceiling: z.unknown().optional(),
  token_login: z.boolean().default(false),
})

export const namedScope = z.looseObject({ protocol })

export function configSchema(protocols: Iterable<ConfigProtocol>) {
  const names = [...protocols].filter(one => one.requests !== true).map(one => one.name)
  return z.strictObject({
    data: z
      .string()
      .min(1)
      .max(4096)
      .refine(path => !path.includes('\0'), { error: 'this is not a path' })
      .default('./data')
      .meta({ description: 'Folder of the state, recordings, audit and keys; relative to this file.' }),
    public_url: publicUrl.optional(),
    advertise: advertiseSchema(names).optional(),
    listen: listenSchema(names),
    issuers: z.record(name, issuer),
    connections: z.record(name, connection).nullish(),
    scopes: z
      .record(name, namedScope)
      .nullish()
      .meta({ description: 'Names for scopes that several rules share.' }),
    rules: z.array(rule).max(100_000).nullish(),
    limits: z
      .strictObject({
        grants: z
          .int()
          .min(1)
          .max(1_000_000)
          .default(16)
          .meta({ description: 'Grants live or pending, per owner.' }),
        requests_per_second: z
          .int()
          .min(1)
          .max(1_000_000)
          .default(50)
          .meta({ description: 'API requests, per owner.' }),
      })
      .prefault({}),
    people: z
      .strictObject({
        issuers: listOf(name, 1).optional().meta({
          description: 'Where people log in. Default: the first of `issuers`.',
        }),
        clients: listOf(client, 1),
        operators: listOf(group).default([]),
        auditors: listOf(group).default([]),
      })
      .optional()
      .meta({ description: "Needed for people's calls and approvals; these clients never get grants." }),
  })
}

export type Sections = ReturnType<typeof configSchema>['shape']
