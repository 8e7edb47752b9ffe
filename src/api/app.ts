/**
 * The API as one Hono app: Host and Origin first, a cap on every body, no CORS, no cookies, problem+json for every error.
 * Agents' and people's calls may be on listeners of their own; what is not on a listener answers as if it did not exist.
 */
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import { GatewayError, Refused, refuse } from '../denial.ts'
import type { House } from '../house.ts'
import { agents } from './agents.ts'
import { approvals } from './approvals.ts'
import { calls } from './calls.ts'
import { health } from './health.ts'
import { isForUs } from './host.ts'
import { knownHosts } from './known-hosts.ts'
import { locks } from './locks.ts'
import { metadata } from './metadata.ts'
import { people } from './people.ts'
import { problem } from './problem.ts'
import { type Router, router } from './router.ts'
import { sendJson } from './schema-says.ts'
import { shown } from './shown.ts'

/** The largest body any call has a use for: a request with a key, a reason and a scope. */
const MAX_BODY = 64 * 1024

export interface ApiOptions {
  readonly house: House
  /** The Host values that name this listener at this moment. */
  readonly hosts: () => ReadonlySet<string>
  readonly agents: boolean
  readonly people: boolean
}

export function createApi({ house, hosts, ...serves }: ApiOptions): Router {
  const app = router(house)
  app.use(async (c, next) => {
    c.set('instance', house.newRequestId())
    await next()
    c.header('x-content-type-options', 'nosniff')
    c.header('cache-control', 'no-store')
    c.header('x-request-id', c.var.instance)
  })
  app.route('/', health(house))
  app.use(async (c, next) => {
    if (isForUs(c.req.header('host'), c.req.header('origin'), hosts())) return next()
    const say = 'this Host or Origin is not this gateway'
    return shown(
      c,
      house,
      refuse('not_permitted', `Host ${c.req.header('host')}, Origin ${c.req.header('origin')}`, { say }),
    )
  })
  app.use(
    bodyLimit({
      maxSize: MAX_BODY,
      onError: c => {
        const denial = refuse('request_invalid', 'body too large', {
          say: `a body has at most ${MAX_BODY} bytes`,
        }).denial
        return problem(denial, { instance: c.var.instance, metadata: house.metadata, status: 413 })
      },
    }),
  )
  app.route('/', metadata(house))
  app.route('/', knownHosts(house))
  if (serves.agents) {
    app.route('/', agents(house))
    app.route('/', calls(house))
  }
  if (serves.people) {
    app.route('/', people(house))
    app.route('/', approvals(house))
    app.route('/', locks(house))
  }
  let described: { readonly of: URL; readonly text: string } | undefined
  app.get('/openapi.json', c => {
    const of = house.config().publicUrl
    // Attack 200: made for each who asks, without a token, it would hold up everybody's cut for seconds.
    if (described?.of !== of) described = { of, text: JSON.stringify(app.getOpenAPI31Document(document(of))) }
    return c.body(described.text, 200, { 'content-type': 'application/json' })
  })
  const document = (publicUrl: URL) => ({
    openapi: '3.1.0',
    info: {
      title: 'Postern',
      version: house.version,
      description: 'One Okta token, one connection: asked for here, used at a door.',
    },
    // The people's listener has no public URL: its calls are where this document is.
    servers: [{ url: serves.agents ? publicUrl.href : '/' }],
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: "An access token of one of the gateway's issuers",
  })
  app.notFound(c => {
    const { denial } = refuse('request_invalid', `no such call: ${c.req.method} ${c.req.path}`, {
      say: 'no such call; see /openapi.json',
    })
    return problem(denial, { instance: c.var.instance, metadata: house.metadata, status: 404 })
  })
  app.onError((error, c) => {
    // Hono's own: a body that is not JSON, a content type that is none.
    if (error instanceof HTTPException && error.status < 500) {
      const say = error.status === 415 ? sendJson : error.message.slice(0, 300)
      return shown(c, house, refuse('request_invalid', error.message, { say }))
    }
    house.log.error({ err: error, request: c.var.instance }, 'an API call failed')
    if (error instanceof GatewayError) return shown(c, house, new Refused(error.denial))
    return shown(c, house, new Refused({ code: 'internal_error', detail: error.name }))
  })
  return app
}
