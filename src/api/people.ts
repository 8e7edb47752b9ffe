/** What people may see and cut: grants, sessions, recordings, the audit. Bearer tokens of `people.clients`, then by group. */
import { Readable } from 'node:stream'
import { createRoute, z } from '@hono/zod-openapi'
import { refuse } from '../denial.ts'
import { endings } from '../ending.ts'
import type { House } from '../house.ts'
import { openRecordingFile } from '../recording/read.ts'
import { onlyPeople } from './people-only.ts'
import { type Router, router } from './router.ts'
import { json, refusals, security, sessionParam } from './routes.ts'
import { grantRow, sessionRow } from './rows.ts'
import { AuditLine, GrantRow, SessionRow, state } from './schemas.ts'
import { shown } from './shown.ts'

export function people(house: House): Router {
  const app = router(house)

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/grants',
      summary: 'Grants, newest first (auditors, operators)',
      security,
      middleware: onlyPeople(house, 'auditors'),
      request: {
        query: z.object({ state: state.optional(), connection: z.string().max(64).optional(), limit }),
      },
      responses: { 200: json(z.array(GrantRow), 'Grants'), ...refusals },
    }),
    async c => {
      const { state, connection, limit } = c.req.valid('query')
      const grants = await house.grants.list({
        limit,
        ...(state && { state }),
        ...(connection && { connection }),
      })
      return c.json(grants.map(grantRow), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/sessions',
      summary: 'Sessions that are open on this gateway (auditors, operators)',
      security,
      middleware: onlyPeople(house, 'auditors'),
      responses: { 200: json(z.array(SessionRow), 'Open sessions'), ...refusals },
    }),
    async c => {
      return c.json(house.broker.live.all().map(sessionRow), 200)
    },
  )

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/sessions/{id}',
      summary: 'One open session (auditors, operators); of closed ones the recording tells',
      security,
      middleware: onlyPeople(house, 'auditors'),
      request: { params: sessionParam },
      responses: { 200: json(SessionRow, 'The session'), ...refusals },
    }),
    async c => {
      const session = house.broker.live.get(c.req.valid('param').id)
      if (session === undefined) return shown(c, house, unknownSession())
      return c.json(sessionRow(session), 200)
    },
  )

  // A stream, not JSON: documented like the others, answered by hand.
  app.openAPIRegistry.registerPath({
    method: 'get',
    path: '/v1/sessions/{id}/recording',
    summary: 'The recording: session.jsonl, or with ?file one of its terminals (auditors, operators)',
    security,
    request: { params: sessionParam, query: z.object({ file: z.string().max(32).optional() }) },
    responses: {
      200: { description: 'As it lies on disk', content: { 'application/x-ndjson': { schema: z.string() } } },
      ...refusals,
    },
  })
  app.get('/v1/sessions/:id/recording', onlyPeople(house, 'auditors'), async c => {
    const name = c.req.query('file') ?? 'session.jsonl'
    const file = await openRecordingFile(house.config().data, c.req.param('id'), name)
    if (file === undefined) return shown(c, house, unknownSession())
    const headers = {
      'content-type': 'application/x-ndjson; charset=utf-8',
      'content-length': String(file.size),
    }
    return new Response(Readable.toWeb(file.stream) as ReadableStream, { headers })
  })

  app.openapi(
    createRoute({
      method: 'delete',
      path: '/v1/sessions/{id}',
      summary: 'Cut a session (operators); its grant stays, so end or lock that too where it must not return',
      security,
      middleware: onlyPeople(house, 'operators'),
      request: { params: sessionParam },
      responses: { 204: { description: 'Cut: its sockets are gone' }, ...refusals },
    }),
    async c => {
      const session = house.broker.live.get(c.req.valid('param').id)
      if (session === undefined) return shown(c, house, unknownSession())
      await session.end(endings.operator)
      return c.body(null, 204)
    },
  )

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/audit',
      summary: 'Audit events, newest first; with ?after oldest first (auditors, operators)',
      description: 'The next page begins at the `x-next` header: pass it as `before`, or as `after`.',
      security,
      middleware: onlyPeople(house, 'auditors'),
      request: {
        query: z.object({
          before: cursor,
          after: cursor,
          type: z.string().max(64).optional(),
          reason: z.string().max(64).optional(),
          grant: z.string().max(64).optional(),
          session: z.string().max(64).optional(),
          connection: z.string().max(64).optional(),
          subject: z.string().max(256).optional(),
          limit,
        }),
      },
      responses: { 200: json(z.array(AuditLine), 'Events as they stand in the audit'), ...refusals },
    }),
    async c => {
      const query = Object.entries(c.req.valid('query')).filter(([, value]) => value !== undefined)
      const { events, next } = await house.audit.read(Object.fromEntries(query))
      if (next !== undefined) c.header('x-next', `${next.file}:${next.seq}`)
      return c.json(events as unknown as z.infer<typeof AuditLine>[], 200)
    },
  )
  return app
}

const limit = z.coerce.number().int().min(1).max(1000).default(100)

/** `gw-1.jsonl:87`, as `x-next` gave it. */
const cursor = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9/-]{1,40}\.jsonl:[0-9]{1,12}$/, 'must be a cursor as x-next gives it')
  .transform(text => {
    const colon = text.lastIndexOf(':')
    return { file: text.slice(0, colon), seq: Number(text.slice(colon + 1)) }
  })
  .optional()

const unknownSession = () => refuse('grant_unknown', 'no such session', { say: 'no such session' })
