/**
 * `GET /v1/ssh/known_hosts`: how SSH clients know the gateway, as lines for their known_hosts file. No token: it is what
 * the door shows to everybody. Fetched over a connection that is itself authenticated, or compared with the gateway's own file.
 */
import type { House } from '../house.ts'
import { type Router, router } from './router.ts'
import { open } from './routes.ts'

export function knownHosts(house: House): Router {
  const app = router(house)
  app.openAPIRegistry.registerPath(
    open('/v1/ssh/known_hosts', "The gateway's SSH door, as lines for known_hosts", 'text/plain'),
  )
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
