/**
 * Protected resource metadata (RFC 9728): where a client without a token learns which issuers' tokens are taken. It lies at
 * the well-known path. Made from `public_url`, never from Host.
 */
import { Hono } from 'hono'
import type { House } from '../house.ts'
import type { ApiEnv } from './caller.ts'

export function metadata(house: House): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>()
  app.get('/.well-known/oauth-protected-resource', c => {
    const { issuers, publicUrl } = house.config()
    return c.json({
      resource: publicUrl.origin,
      authorization_servers: [...issuers.values()].map(({ issuer }) => issuer),
      bearer_methods_supported: ['header'],
      resource_name: 'Postern',
    })
  })
  return app
}
