/** A refusal shown to a caller of the API, counted by its code. */
import type { Context, TypedResponse } from 'hono'
import type { Refused } from '../denial.ts'
import type { House } from '../house.ts'
import type { ApiEnv } from './caller.ts'
import { problem } from './problem.ts'

/** Fits every route: each declares the same refusals (`routes.ts`), and their bodies are made in one place. */
// biome-ignore lint/suspicious/noExplicitAny: Hono compares a handler's answers with its route's, one status at a time
type Shown = Response & TypedResponse<any, any, any>

export function shown(c: Pick<Context<ApiEnv>, 'var'>, house: House, { denial }: Refused): Shown {
  house.metrics.denials.inc({ code: denial.code, where: 'api' })
  const metadata = house.metadata
  return problem(denial, { instance: c.var.instance, metadata }) as Shown
}
