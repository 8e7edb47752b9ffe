/** The form of a policy test file: a list of questions with the answers they must get. Strict, like postern.yaml. */
import { z } from 'zod'
import { duration } from '../config/duration.ts'
import { type Code, denials } from '../denial.ts'

const text = z.string().min(1).max(1_000)
const codes = Object.keys(denials) as [Code, ...Code[]]

const yes = z.strictObject({
  decision: z.literal('yes'),
  rule: text.optional(),
  ttl: duration('1s', '30d').optional(),
  ends_by: z.enum(['token', 'rule', 'request']).optional(),
  narrowed: z.array(text).optional(),
  approval: z.boolean().optional(),
  /** Each key that is written must be exactly so; the others may be anything. */
  scope: z.record(z.string(), z.unknown()).optional(),
})

const no = z.strictObject({ decision: z.literal('no'), code: z.enum(codes).optional() })

const policyCase = z.strictObject({
  name: text,
  as: z.strictObject({
    groups: z.array(text).optional(),
    client: text.optional(),
    issuer: text.optional(),
    subject: text.optional(),
    actor: text.optional(),
    token_left: duration('1s', '30d').optional(),
  }),
  /** The body of POST /v1/grants, read by the gateway's own reader. */
  ask: z.record(z.string(), z.unknown()),
  from: text.default('127.0.0.1'),
  at: text.optional(),
  expect: z.discriminatedUnion('decision', [yes, no]),
})

export const policyCases = z.array(policyCase).min(1, 'there is no test in it')

export type PolicyCase = z.output<typeof policyCase>
