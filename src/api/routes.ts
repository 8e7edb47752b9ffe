/** What every route of the API declares alike. */
import { z } from '@hono/zod-openapi'
import { Problem } from './schemas.ts'

const problems = { 'application/problem+json': { schema: Problem } }

/** The refusals any call with a token can meet. */
export const refusals = {
  400: { description: 'The request is not valid', content: problems },
  401: { description: 'The token is missing or not accepted', content: problems },
  403: { description: 'Not permitted', content: problems },
  404: { description: 'No such thing, or not yours', content: problems },
  429: { description: 'Too many, or too much', content: problems },
  503: { description: 'Not now', content: problems },
} as const

export const security = [{ token: [] }]

export function json<S extends z.ZodType>(schema: S, description: string) {
  return { description, content: { 'application/json': { schema } } }
}

/** A call without a token, answered by hand and documented like the others. */
export function open(path: string, summary: string, type: string) {
  const content = {
    [type]: { schema: type.endsWith('json') ? z.record(z.string(), z.unknown()) : z.string() },
  }
  return { method: 'get', path, summary, responses: { 200: { description: summary, content } } } as const
}

export const grantParam = z.object({
  id: z
    .string()
    .max(64)
    .openapi({ param: { name: 'id', in: 'path' }, example: 'g_7Kq2' }),
})
export const sessionParam = z.object({
  id: z
    .string()
    .max(64)
    .openapi({ param: { name: 'id', in: 'path' }, example: 's_9Zp4' }),
})
