/**
 * One-shots on a grant: `query`, `exec`, `request`, `schema`, whatever the protocols offer. The token is verified, the
 * grant found to be the caller's and judged again, and the protocol's call goes through its own guard, recorder and mask.
 */
import { createRoute, z } from '@hono/zod-openapi'
import type { LiveSession } from '../broker/session.ts'
import { Refused, refuse } from '../denial.ts'
import type { House } from '../house.ts'
import { ways } from '../pipeline.ts'
import type { AnyCall, AnyProtocol } from '../protocol/protocol.ts'
import { authorizationOf, type Ctx, jsonOf, slowDown, sourceOf } from './caller.ts'
import { type Router, router } from './router.ts'
import { grantParam, json, refusals, security } from './routes.ts'
import { shown } from './shown.ts'

/** What reads only and takes nothing is a GET. */
const GETS = new Set(['schema'])

export function calls(house: House): Router {
  const app = router(house)
  for (const [name, each] of callsOf(house)) {
    const get = GETS.has(name)
    const [call] = each
    if (call === undefined) continue
    const body = get
      ? {}
      : {
          body: {
            required: true,
            content: { 'application/json': { schema: union(each.map(one => one.input)) } },
          },
        }
    const route = createRoute({
      method: get ? 'get' : 'post',
      path: `/v1/grants/{id}/${name}`,
      summary: call.summary,
      security,
      request: { params: grantParam, ...body },
      responses: { 200: json(union(each.map(one => one.output)), 'Done'), 422: refusals[400], ...refusals },
    })
    app.openAPIRegistry.registerPath(route)
    app.on(get ? 'GET' : 'POST', `/v1/grants/:id/${name}`, async c => {
      const answer = await run(c, house, name, get ? () => ({}) : () => jsonOf(c))
      return answer instanceof Refused ? shown(c, house, answer) : c.json(answer as object)
    })
  }
  return app
}

async function run(c: Ctx, house: House, name: string, input: () => unknown): Promise<unknown> {
  const slowed = slowDown(c, house)
  if (slowed !== undefined) return slowed
  const { incoming } = c.env
  const source = sourceOf(incoming)
  const grantId = c.req.param('id') ?? ''
  const at = await ways.call.run({ authorization: authorizationOf(incoming), source, grantId }, house)
  if (at instanceof Refused) return at
  return onSession(at, name, input, c.req.raw.signal)
}

export async function onSession(
  { session, protocol }: { readonly session: LiveSession; readonly protocol: AnyProtocol },
  name: string,
  input: () => unknown,
  gone: AbortSignal,
): Promise<unknown> {
  // From the first moment: a call that is wrong lets the session idle out like any other, and a slow body does not.
  using _held = session.hold()
  const call = protocol.calls[name]
  if (call === undefined) {
    const has = Object.keys(protocol.calls).join(', ') || 'none'
    return refuse('request_invalid', `${name} on ${protocol.name}`, {
      say: `a ${protocol.name} grant has no ${name}; it has: ${has}`,
    })
  }
  const read = call.input.safeParse(await input())
  if (!read.success) {
    const [issue] = read.error.issues
    const say = `${issue?.path.map(String).join('.') || 'the body'}: ${issue?.message ?? 'not valid'}`.slice(
      0,
      300,
    )
    return refuse('request_invalid', say, { say })
  }
  return await call.run(read.data, session as never, gone)
}

/** By name, over all protocols: a database of another kind has a `query` too. */
function callsOf({ protocols }: House): Map<string, AnyCall<unknown, never>[]> {
  const named = new Map<string, AnyCall<unknown, never>[]>()
  for (const protocol of protocols.values()) {
    for (const [name, call] of Object.entries(protocol.calls))
      named.set(name, [...(named.get(name) ?? []), call])
  }
  return named
}

function union(schemas: readonly z.ZodType[]): z.ZodType {
  const [first, second, ...rest] = schemas
  if (first === undefined) return z.never()
  return second === undefined ? first : z.union([first, second, ...rest])
}
