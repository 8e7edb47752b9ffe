import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from '@hono/zod-openapi'
import { schemaSays } from './schema-says.ts'

const schema = z.strictObject({
  reason: z.string().min(1),
  ttl: z.string().optional(),
  decision: z.enum(['approve', 'deny']).optional(),
})
const said = (data: unknown, contentType: string | undefined = 'application/json', target = 'json') =>
  schemaSays({ data, target, contentType, issues: schema.safeParse(data).error?.issues ?? [] })

const cases: readonly [string, string, string][] = [
  ['what is not there', said({}), 'reason: missing'],
  ['a wrong type', said({ reason: 7 }), 'reason: must be of type string'],
  ['a wrong word', said({ reason: 'x', decision: 'no' }), 'decision: must be one of approve, deny'],
  ['an unknown key', said({ reason: 'x', reasn: 1 }), 'the request: unknown: reasn'],
  ['no object at all', said([]), 'the request: must be an object'],
  ['no content-type', said({}, ''), 'send JSON with content-type: application/json'],
  ['a form', said({}, 'application/x-www-form-urlencoded'), 'send JSON with content-type: application/json'],
  ['a query, which has no content-type', said({}, '', 'query'), 'reason: missing'],
  ['an empty text', said({ reason: '' }), 'reason: must be at least 1 long'],
]
for (const [what, text, wanted] of cases) test(`${what}: ${wanted}`, () => assert.equal(text, wanted))
