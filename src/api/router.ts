/** A Hono app whose schema errors are problem+json like all others; sub-apps do not inherit that hook, so each is made here. */
import { OpenAPIHono } from '@hono/zod-openapi'
import { refuse } from '../denial.ts'
import type { House } from '../house.ts'
import type { ApiEnv } from './caller.ts'
import { schemaSays } from './schema-says.ts'
import { shown } from './shown.ts'

export type Router = OpenAPIHono<ApiEnv>

export function router(house: House): Router {
  return new OpenAPIHono<ApiEnv>({
    defaultHook(result, c) {
      if (result.success) return undefined
      const { issues } = result.error
      const data = 'data' in result ? result.data : undefined
      const contentType = c.req.header('content-type')
      const say = schemaSays({ data, target: result.target, issues, contentType }).slice(0, 300)
      return shown(c, house, refuse('request_invalid', say, { say }))
    },
  })
}
