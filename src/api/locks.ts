/** The kill switch (operators): what a lock matches is revoked for good, its sessions cut, before it is answered. */
import { createRoute, z } from '@hono/zod-openapi'
import { Refused, refuse } from '../denial.ts'
import type { Lock as SetLock } from '../grant/lock.ts'
import type { House } from '../house.ts'
import { onlyPeople } from './people-only.ts'
import { type Router, router } from './router.ts'
import { json, refusals, security } from './routes.ts'
import { Lock, LockBody } from './schemas.ts'
import { shown } from './shown.ts'
import { readTtl } from './ttl.ts'

const lockParam = z.object({
  id: z
    .string()
    .max(64)
    .openapi({ param: { name: 'id', in: 'path' } }),
})

export function locks(house: House): Router {
  const app = router(house)

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/locks',
      summary: 'Locks in force (operators, auditors)',
      security,
      middleware: onlyPeople(house, 'auditors'),
      responses: { 200: json(z.array(Lock), 'Locks'), ...refusals },
    }),
    async c => {
      return c.json(house.grants.locks.list().map(answer), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/locks',
      summary: 'Lock (operators): revokes and cuts what it matches, and bars it',
      security,
      middleware: onlyPeople(house, 'operators'),
      request: { body: { required: true, content: { 'application/json': { schema: LockBody } } } },
      responses: { 201: json(Lock, 'In force'), ...refusals },
    }),
    async c => {
      const { ttl, ...fields } = c.req.valid('json')
      const ms = readTtl(ttl)
      if (ms instanceof Refused) return shown(c, house, ms)
      const issuer = issuerNamed(fields.issuer, house)
      if (issuer instanceof Refused) return shown(c, house, issuer)
      const unknown = unknownConnection(fields.connection, house)
      if (unknown !== undefined) return shown(c, house, unknown)
      const given = Object.entries({ ...fields, issuer, ttl: ms }).filter(([, value]) => value !== undefined)
      const asked = { ...Object.fromEntries(given), reason: fields.reason }
      const lock = await house.grants.locks.set(asked, c.var.person)
      if (lock instanceof Refused)
        return shown(c, house, house.told(lock, { identity: c.var.person, call: 'POST /v1/locks' }))
      return c.json(answer(lock), 201)
    },
  )

  app.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/locks/{id}',
      summary: 'Lift a lock (operators); revives nothing',
      security,
      middleware: onlyPeople(house, 'operators'),
      request: { params: lockParam },
      responses: { 204: { description: 'Lifted' }, ...refusals },
    }),
    async c => {
      const lifted = await house.grants.locks.lift(c.req.valid('param').id, c.var.person)
      if (lifted instanceof Refused)
        return shown(c, house, house.told(lifted, { identity: c.var.person, call: 'DELETE /v1/locks' }))
      return c.body(null, 204)
    },
  )
  return app
}

/** By name or URL. Of one that is not there it is told: a lock that silently bars nobody is no kill switch. */
function issuerNamed(given: string | undefined, house: House): string | undefined | Refused {
  if (given === undefined) return undefined
  const issuers = [...house.config().issuers.values()]
  const found = issuers.find(({ name, issuer }) => name === given || issuer === given)
  if (found !== undefined) return found.name
  const names = issuers.map(({ name }) => name).join(', ')
  return refuse('request_invalid', 'no such issuer', {
    say: `issuer: there is none of that name, only ${names}`,
  })
}

/** The same of a connection. Whether a group, a client or a subject is there, only the issuer knows. */
function unknownConnection(given: string | undefined, house: House): Refused | undefined {
  if (given === undefined || house.config().connections.has(given)) return undefined
  return refuse('request_invalid', 'no such connection', {
    say: 'connection: there is none of that name in the configuration; nothing was locked',
  })
}

function answer({ setAt, expiresAt, ...lock }: SetLock) {
  const expires = expiresAt === undefined ? {} : { expires_at: new Date(expiresAt).toISOString() }
  return { ...lock, set_at: new Date(setAt).toISOString(), ...expires }
}
