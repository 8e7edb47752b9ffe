/**
 * `GET /v1/ssh/known_hosts`: how SSH clients know the gateway, as lines for their known_hosts file. No token: it is what
 * the door shows to everybody. Fetched over a connection that is itself authenticated, or compared with the console's.
 */
import { Hono } from 'hono'
import type { House } from '../house.ts'
import type { ApiEnv } from './caller.ts'

export function knownHosts(house: House): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>()
  app.get('/v1/ssh/known_hosts', (c, next) => {
    const at = house.config().advertise.get('ssh')
    if (at === undefined) return next()
    const { authority, hostKey } = house.shows()
    const name = at.port === 22 ? at.host : `[${at.host}]:${at.port}`
    const certified = `${authority.type} ${Buffer.from(authority.blob).toString('base64')}`
    return c.text(`@cert-authority ${name} ${certified}\n${name} ${hostKey}\n`)
  })
  return app
}
