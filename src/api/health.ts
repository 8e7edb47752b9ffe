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
  app.get('/metrics', async c => {
    const { registry } = house.metrics
    return c.body(await registry.metrics(), 200, { 'content-type': registry.contentType })
  })
  return app
}
