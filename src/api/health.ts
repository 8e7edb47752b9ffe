/** Health, readiness and metrics: no token, and nothing secret (attack 174). */
import { Hono } from 'hono'
import type { House } from '../house.ts'
import type { ApiEnv } from './caller.ts'

export function health(house: House): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>()
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
