/** Attack 210: state.db put back to an older copy, or lost. The audit knows better: nothing revoked, given back or locked comes to life. */
import assert from 'node:assert/strict'
import { cp, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { pgUrl, psql } from '../fixtures/clients.ts'
import { type Answer, type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres } from '../fixtures/postgres.ts'
import { missing } from '../fixtures/run.ts'

const skip = missing('psql')
let home: Home
let okta: FakeOkta
let gateway: Gateway

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  gateway = await startGateway(home, {
    okta,
    postgres: await startPostgres(home),
    rules: `
  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders] } }
  - { group: once-agents, connection: orders-db, ttl: 10m, sessions: { total: 1 }, scope: { statements: [select], tables: [public.orders] } }
`,
  })
})
after(() => home?.close())

const agent = (sub: string, group = 'analyst-agents'): string => okta.token({ groups: [group], sub })
async function granted(token: string): Promise<Answer['json']> {
  const answer = await gateway.grant(token, 'orders-db')
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}
const opens = async (grant: Answer['json']): Promise<boolean> =>
  (await psql(pgUrl(gateway, grant), 'select 1')).stdout === '1\n'
const stateFiles = async (): Promise<string[]> =>
  (await readdir(join(gateway.dir, 'data'))).filter(name => name.startsWith('state.db'))

async function verified(): Promise<void> {
  const answer = await gateway.cli([
    'audit',
    'verify',
    '--data',
    `${gateway.dir}/data`,
    '--key',
    `${gateway.dir}/data/keys/audit.pub.pem`,
  ])
  assert.equal(answer.status, 0, answer.stdout + answer.stderr)
}

/** The state as it is now, for putting it back later. */
async function copied(): Promise<() => Promise<void>> {
  const kept = join(home.dir, `kept-${Math.random()}`)
  await gateway.stop()
  await mkdir(kept)
  const files = await stateFiles()
  for (const name of files) await cp(join(gateway.dir, 'data', name), join(kept, name))
  await gateway.start()
  return async () => {
    await gateway.kill9()
    for (const name of await stateFiles()) await rm(join(gateway.dir, 'data', name))
    for (const name of files) await cp(join(kept, name), join(gateway.dir, 'data', name))
    await gateway.start()
  }
}

test('C210: an older state.db revives no grant that was given back or locked, and lifts no lock', {
  skip,
}, async () => {
  const [back, locked, stays] = ['back@example.com', 'locked@example.com', 'stays@example.com'] as const
  const grants = {
    back: await granted(agent(back)),
    locked: await granted(agent(locked)),
    stays: await granted(agent(stays)),
  }
  const restore = await copied()
  assert.equal((await gateway.api('DELETE', `/v1/grants/${grants.back.id}`, agent(back))).status, 204)
  const lock = await gateway.api('POST', '/v1/locks', okta.person(['postern-operators']), {
    subject: locked,
    reason: 'a test',
  })
  assert.equal(lock.status, 201, lock.text)
  const later = await granted(agent(stays))
  await restore()
  assert.equal(await opens(grants.back), false)
  assert.equal(await opens(grants.locked), false)
  assert.equal((await gateway.grant(agent(locked), 'orders-db')).json.code, 'locked')
  assert.equal((await gateway.api('GET', `/v1/grants/${grants.back.id}`, agent(back))).json.state, 'ended')
  // What the older copy does not know opens nothing; what both know still does.
  assert.equal(await opens(later), false)
  assert.equal(await opens(grants.stays), true)
  await verified()
})

test('C210: a state.db that is gone revives nothing either, and the gateway starts', { skip }, async () => {
  const token = agent('gone@example.com')
  const before = await granted(token)
  await gateway.kill9()
  for (const name of await stateFiles()) await rm(join(gateway.dir, 'data', name))
  await gateway.start()
  assert.equal(await opens(before), false)
  assert.equal((await gateway.grant(agent('locked@example.com'), 'orders-db')).json.code, 'locked')
  assert.equal(await opens(await granted(token)), true)
  await verified()
})
