/**
 * Protected resource metadata (RFC 9728): where a client without a token learns which issuers' tokens are taken. It lies at
 * the well-known path. Made from `public_url`, never from Host.
 */
import type { House } from '../house.ts'
import { type Router, router } from './router.ts'
import { open } from './routes.ts'

const path = '/.well-known/oauth-protected-resource'

export function metadata(house: House): Router {
  const app = router(house)
  app.openAPIRegistry.registerPath(
    open(path, "Whose tokens are taken: the protected resource's metadata (RFC 9728)", 'application/json'),
  )
  app.get(path, c => {
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
