/** The shapes of the API (DESIGN.md section 6): the handlers answer with them and OpenAPI 3.1 is generated from them. */
import { z } from '@hono/zod-openapi'
import { type Code, denials } from '../denial.ts'

const instant = z.iso.datetime().openapi({ example: '2026-11-24T12:00:00.000Z' })
const duration = z.string().openapi({ example: '10m', description: 'A duration: 30s, 10m, 2h, 1d' })
const scope = z
  .record(z.string(), z.unknown())
  .openapi({ description: "In the connection's protocol's words" })
const codes = Object.keys(denials) as [Code, ...Code[]]

export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(codes),
    instance: z.string(),
  })
  .catchall(z.unknown())
  .openapi('Problem', { description: 'RFC 9457 problem details; switch on `code`' })

export const Reachable = z
  .object({
    connection: z.string(),
    protocol: z.string(),
    rule: z.string(),
    ttl: duration,
    scope,
    approval: z.boolean(),
    require: z.array(z.string()),
  })
  .openapi('Reachable')

export const GrantRequestBody = z
  .object({
    connection: z.string(),
    ttl: duration.optional(),
    reason: z.string().optional(),
    task: z.string().optional(),
    scope: scope.optional(),
    rule: z.string().optional(),
    public_key: z
      .string()
      .optional()
      .openapi({ description: 'One OpenSSH public key; the grant opens for it alone' }),
  })
  .openapi('GrantRequest')

export const state = z.enum(['pending', 'active', 'denied', 'expired', 'revoked', 'ended'])

const Endpoint = z.object({
  host: z.string(),
  port: z.int(),
  url: z.string().optional(),
  database: z.string().optional(),
  ca: z.string().optional(),
  host_key: z.string().optional(),
  host_ca: z.string().optional(),
})

export const Credential = z
  .object({ username: z.string(), password: z.string().optional(), env: z.record(z.string(), z.string()) })
  .openapi('Credential', { description: 'The password is shown once and never again' })

export const GrantAnswer = z
  .object({
    id: z.string(),
    connection: z.string(),
    protocol: z.string(),
    rule: z.string(),
    state,
    scope,
    narrowed: z.array(z.string()),
    issued_at: instant,
    expires_at: instant,
    decide_by: instant
      .optional()
      .openapi({ description: 'Pending until then, it expires; its own time runs from the approval' }),
    ends_by: z.enum(['token', 'rule', 'request']),
    ending: z.string().optional(),
    endpoint: Endpoint.optional(),
    credential: z
      .object({
        username: z.string(),
        password: z.string().optional(),
        certificate: z
          .string()
          .optional()
          .openapi({ description: 'An OpenSSH certificate for `public_key`' }),
      })
      .optional(),
    env: z.record(z.string(), z.string()).optional(),
    connect: z.string().optional(),
  })
  .openapi('Grant')

export const GrantRow = z
  .object({
    id: z.string(),
    connection: z.string(),
    protocol: z.string(),
    rule: z.string(),
    state,
    subject: z.string(),
    client: z.string(),
    reason: z.string().optional(),
    task: z.string().optional(),
    issued_at: instant,
    expires_at: instant,
    used: z.int(),
    ending: z.string().optional(),
  })
  .openapi('GrantRow')

export const PendingRow = GrantRow.extend({
  scope,
  narrowed: z.array(z.string()),
  decide_by: instant,
}).openapi('PendingGrant')

export const SessionRow = z
  .object({
    id: z.string(),
    grant: z.string(),
    connection: z.string(),
    protocol: z.string(),
    subject: z.string(),
    client: z.string(),
    source: z.string(),
    started_at: instant,
    open: z.boolean(),
  })
  .openapi('Session')

export const AuditLine = z
  .object({ seq: z.int(), time: z.string(), prev: z.string(), type: z.string() })
  .catchall(z.unknown())
  .openapi('AuditLine')

export const LockBody = z
  .strictObject({
    subject: z.string().min(1).optional(),
    client: z.string().min(1).optional(),
    group: z.string().min(1).optional(),
    connection: z.string().min(1).optional(),
    issuer: z.string().min(1).optional(),
    reason: z.string().min(1).max(1000),
    ttl: duration.optional(),
  })
  .openapi('LockRequest', { description: 'All fields that are given must match; at least one is needed' })

export const Lock = LockBody.extend({
  id: z.string(),
  set_at: instant,
  expires_at: instant.optional(),
}).openapi('Lock')

export const ApprovalBody = z
  .strictObject({
    decision: z.enum(['approve', 'deny']),
    note: z.string().max(1000).optional(),
    ttl: duration.optional(),
    scope: scope.optional(),
  })
  .openapi('ApprovalRequest')
