/**
 * A body of POST /v1/grants -> what is asked, or `request_invalid`. Strict: unknown keys are refused, so nobody can set a
 * grant's state, expiry or owner by asking (attacks 50, 52, 56, 172). `scope` stays as it came: which protocol's words it
 * must be in is known only once a rule has matched, and saying so earlier would tell which connections exist.
 */
import { z } from 'zod'
import { parseDuration } from '../config/duration.ts'
import { isName } from '../config/names.ts'
import { type Refused, refuse } from '../denial.ts'
import type { GrantRequest } from '../words.ts'

/** Attacks 60 and [T5]: free text is capped before anything keeps it. */
const longestText = 1_000
const longestKey = 16 * 1024

const freeText = z
  .string('must be a text')
  .max(longestText, `must have at most ${longestText} characters`)
  .refine(text => text.isWellFormed(), 'must be well-formed Unicode')

const ttl = z.string('must be a duration as a text: "10m"').transform((text, at) => {
  const millis = parseDuration(text)
  if (millis !== undefined && millis > 0) return millis
  at.addIssue({ code: 'custom', message: 'must be a duration such as 30s, 10m or 2h', input: undefined })
  return z.NEVER
})

export const requestSchema = z.strictObject({
  connection: z
    .string('must be the name of one connection')
    .refine(isName, 'must be the name of one connection'),
  ttl: ttl.optional(),
  reason: freeText.optional(),
  task: freeText.optional(),
  scope: z.unknown().optional(),
  rule: z
    .string('must be the id of one rule')
    .min(1, 'must not be empty')
    .max(256, 'must have at most 256 characters')
    .optional(),
  public_key: z
    .string('must be one OpenSSH public key')
    .min(1)
    .max(longestKey, `must have at most ${longestKey} characters`)
    .optional(),
})

export function readRequest(body: unknown): GrantRequest | Refused {
  const read = requestSchema.safeParse(body)
  if (!read.success) {
    const issue = read.error.issues[0]
    const where = issue?.path.map(String).join('.') || 'the request'
    const what = `${where}: ${issue?.message ?? 'not valid'}`.slice(0, 300)
    return refuse('request_invalid', what, { say: what })
  }
  const { public_key: publicKey, ...asked } = read.data
  const stated = Object.entries({ ...asked, publicKey }).filter(([, value]) => value !== undefined)
  return Object.fromEntries(stated) as unknown as GrantRequest
}
