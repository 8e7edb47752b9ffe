/** Health, readiness and metrics: no token, and nothing secret (attack 174). */
import type { House } from '../house.ts'
import { type Router, router } from './router.ts'
import { open } from './routes.ts'

export function health(house: House): Router {
  const app = router(house)
  const { openAPIRegistry: documented } = app
  documented.registerPath(open('/healthz', 'The process answers', 'application/json'))
  documented.registerPath(open('/metrics', 'Prometheus metrics', 'text/plain'))
  const readyz = open('/readyz', 'Ready for work, and each part by name', 'application/json')
  const unready = { ...readyz.responses[200], description: 'Not ready: the part that is false says why' }
  documented.registerPath({ ...readyz, responses: { ...readyz.responses, 503: unready } })
  app.get('/healthz', c => c.json({ status: 'ok' }))
  app.get('/readyz', c => {
    const checks = house.readiness()
    const ready = Object.values(checks).every(Boolean)
    return c.json({ ready, checks }, ready ? 200 : 503)
  })
  app.get('/metrics', async c =>
    c.body(await metrics(), 200, { 'content-type': house.metrics.registry.contentType }),
  )
  // Attack 200: made for each of thousands who ask at once, without a token, they would hold up everybody's cut for seconds.
  const metrics = oncePerTurn(() => house.metrics.registry.metrics())
  return app
}

/** All who ask in one turn of the loop are answered alike. */
function oncePerTurn<T>(make: () => T): () => T {
  let made: { readonly it: T } | undefined
  return () => {
    if (made === undefined) {
      setImmediate(() => {
        made = undefined
      })
      made = { it: make() }
    }
    return made.it
  }
}
