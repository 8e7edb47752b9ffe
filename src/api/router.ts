/** A Hono app whose schema errors are problem+json like all others; sub-apps do not inherit that hook, so each is made here. */
import { OpenAPIHono } from '@hono/zod-openapi'
import { refuse } from '../denial.ts'
import type { House } from '../house.ts'
import type { ApiEnv } from './caller.ts'
import { shown } from './shown.ts'

export type Router = OpenAPIHono<ApiEnv>

export function router(house: House): Router {
  return new OpenAPIHono<ApiEnv>({
    defaultHook(result, c) {
      if (result.success) return undefined
      const [issue] = result.error.issues
      const say = `${issue?.path.map(String).join('.') || 'the request'}: ${issue?.message ?? 'not valid'}`
      return shown(c, house, refuse('request_invalid', say.slice(0, 300), { say: say.slice(0, 300) }))
    },
  })
}
