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

test('M200: what needs no token and takes long is made once, for however many who ask at once', async t => {
  const publicUrl = new URL('https://postern.example.com')
  const of = { url: publicUrl }
  let counted = 0
  const registry = { contentType: 'text/plain', metrics: async () => `${++counted}` }
  const metrics = { registry }
  const app = createApi({
    house: { ...house, metrics, config: () => ({ publicUrl: of.url }) } as unknown as House,
    hosts: () => new Set(['gw']),
    agents: true,
    people: true,
  })
  const made = t.mock.method(app, 'getOpenAPI31Document')
  const ask = async (path: string) => (await app.request(path, { headers: { host: 'gw' } })).text()
  const all = (path: string) => Promise.all(Array.from({ length: 50 }, () => ask(path)))
  assert.equal(new Set(await all('/openapi.json')).size, 1)
  assert.equal(made.mock.callCount(), 1)
  of.url = new URL('https://other.example.com')
  assert.match(await ask('/openapi.json'), /"https:\/\/other\.example\.com\/"/)
  assert.equal(made.mock.callCount(), 2)

  assert.deepEqual(new Set(await all('/metrics')), new Set(['1']))
  await new Promise(setImmediate)
  assert.equal(await ask('/metrics'), '2')
})
