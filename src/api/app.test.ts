import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { House } from '../house.ts'
import { createApi } from './app.ts'

const house = {
  version: '0',
  protocols: new Map(),
  newRequestId: () => 'r1',
  config: () => ({ publicUrl: new URL('https://postern.example.com') }),
} as unknown as House

async function documented(serves: { agents: boolean; people: boolean }) {
  const app = createApi({ house, hosts: () => new Set(['gw']), ...serves })
  const answer = await app.request('/openapi.json', { headers: { host: 'gw' } })
  assert.equal(answer.status, 200)
  return (await answer.json()) as { servers: { url: string }[]; paths: Record<string, object> }
}

test('each listener documents its own calls, where it serves them', async () => {
  const agents = await documented({ agents: true, people: false })
  assert.equal(agents.servers[0]?.url, 'https://postern.example.com/')
  assert.ok(agents.paths['/v1/connections'] && !agents.paths['/v1/audit'])
  const people = await documented({ agents: false, people: true })
  assert.equal(people.servers[0]?.url, '/')
  assert.ok(people.paths['/v1/audit'] && people.paths['/v1/approvals'] && !people.paths['/v1/connections'])
})

test('what needs no token is documented too, on every listener', async () => {
  const { paths } = await documented({ agents: false, people: true })
  for (const path of [
    '/healthz',
    '/readyz',
    '/metrics',
    '/v1/ssh/known_hosts',
    '/.well-known/oauth-protected-resource',
  ])
    assert.deepEqual(Object.keys(paths[path] ?? {}), ['get'], path)
})
