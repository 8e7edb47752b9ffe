/** The agents' calls: what may I ask for, ask, look, a new password, give back. Each verifies the token again. */
import { createRoute, z } from '@hono/zod-openapi'
import { formatDuration, parseDuration } from '../config/duration.ts'
import { Refused, refuse } from '../denial.ts'
import { endingOf } from '../ending.ts'
import type { House } from '../house.ts'
import { ownerOf } from '../owner.ts'
import { ways } from '../pipeline.ts'
import { reachable } from '../policy/reachable.ts'
import { answerGrant, presentGrant } from './answer.ts'
import { authorizationOf, bodyOf, callerOf, slowDown, sourceOf } from './caller.ts'
import { type Router, router } from './router.ts'
import { grantParam, json, refusals, security } from './routes.ts'
import { Credential, GrantAnswer, GrantRequestBody, Reachable } from './schemas.ts'
import { shown } from './shown.ts'

/** The longest a GET waits for a change of state. */
const MAX_WAIT = 60_000

export function agents(house: House): Router {
  const app = router(house)

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/connections',
      summary: 'What this token may ask for',
      security,
      responses: { 200: json(z.array(Reachable), 'One entry a rule, in file order'), ...refusals },
    }),
    async c => {
      const identity = await callerOf(c, house)
      if (identity instanceof Refused) return shown(c, house, identity)
      const source = sourceOf(c.env.incoming)
      const may = reachable({ identity, source, now: house.clock.now() }, house.policy())
      return c.json(
        may.map(each => ({ ...each, ttl: formatDuration(each.ttl), scope: each.scope as object })),
        200,
      )
    },
  )

  // Documented with its schema, judged by the pipeline's own strict reading alone: a schema in front of it would refuse
  // before the token is verified, and outside the audit.
  app.openAPIRegistry.registerPath({
    method: 'post',
    path: '/v1/grants',
    summary: 'Ask for one connection',
    description: 'The password is shown once. 202 without a credential where people must approve first.',
    security,
    request: {
      headers: z.object({ 'idempotency-key': z.string().min(1).max(255).optional() }),
      body: { required: true, content: { 'application/json': { schema: GrantRequestBody } } },
    },
    responses: {
      201: json(GrantAnswer, 'Granted'),
      202: json(GrantAnswer, 'Pending: wait for approval with GET and ?wait'),
      ...refusals,
    },
  })
  app.post('/v1/grants', async c => {
    const limited = slowDown(c, house)
    if (limited !== undefined) return shown(c, house, limited)
    const { incoming } = c.env
    const key = c.req.header('idempotency-key')
    const asked = {
      authorization: authorizationOf(incoming),
      source: sourceOf(incoming),
      body: await bodyOf(c),
      ...(key === undefined ? {} : { idempotencyKey: key }),
    }
    const at = await ways.ask.run(asked, house)
    if (at instanceof Refused) return shown(c, house, at)
    const answer = answerGrant(at.grant, house, at.password)
    if (at.grant.state !== 'pending') return c.json(answer, 201)
    return c.json(answer, 202, { location: `/v1/grants/${at.grant.id}`, 'retry-after': '5' })
  })

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/grants/{id}',
      summary: "The caller's own grant; never the password",
      security,
      request: { params: grantParam, query: z.object({ wait: z.string().max(8).optional() }) },
      responses: { 200: json(GrantAnswer, 'The grant'), ...refusals },
    }),
    async c => {
      const identity = await callerOf(c, house)
      if (identity instanceof Refused) return shown(c, house, identity)
      const { id } = c.req.valid('param')
      const { wait } = c.req.valid('query')
      const ms = wait === undefined ? 0 : parseDuration(wait)
      if (ms === undefined)
        return shown(
          c,
          house,
          refuse('request_invalid', `wait: ${wait}`, { say: 'wait must be a duration such as 30s' }),
        )
      const owner = ownerOf(identity)
      const before = await house.grants.find(id, owner)
      if (before instanceof Refused) return shown(c, house, house.told(before, { identity, grant: id }))
      if (ms > 0) {
        const enough = AbortSignal.any([
          c.req.raw.signal,
          house.draining,
          AbortSignal.timeout(Math.min(ms, MAX_WAIT)),
        ])
        await house.grants.leaves(id, before.state, enough)
      }
      const grant = await house.grants.find(id, owner)
      if (grant instanceof Refused) return shown(c, house, grant)
      return c.json(answerGrant(grant, house), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/grants/{id}/credential',
      summary: 'A new password; the old one is dead at once',
      security,
      request: { params: grantParam },
      responses: { 200: json(Credential, 'Shown once'), ...refusals },
    }),
    async c => {
      const identity = await callerOf(c, house)
      if (identity instanceof Refused) return shown(c, house, identity)
      const { id } = c.req.valid('param')
      const renewed = await house.grants.renew(id, ownerOf(identity))
      if (renewed instanceof Refused) return shown(c, house, house.told(renewed, { identity, grant: id }))
      const { env } = presentGrant(renewed.grant, house, renewed.password)
      return c.json({ username: id, password: renewed.password, env }, 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/grants/{id}',
      summary: 'Give back early; its sessions are cut',
      security,
      request: { params: grantParam },
      responses: { 204: { description: 'Given back' }, ...refusals },
    }),
    async c => {
      const identity = await callerOf(c, house)
      if (identity instanceof Refused) return shown(c, house, identity)
      const { id } = c.req.valid('param')
      const ended = await house.grants.end(id, ownerOf(identity))
      if (ended instanceof Refused) return shown(c, house, house.told(ended, { identity, grant: id }))
      // Their end has begun already; 204 means that their sockets are gone.
      await house.broker.live.cutGrant(id, endingOf(ended))
      return c.body(null, 204)
    },
  )
  return app
}
