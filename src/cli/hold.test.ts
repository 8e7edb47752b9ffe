/** A grant from its request to its giving back: approved, denied, interrupted. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, afterEach, before, test } from 'node:test'
import { type Api, startApi } from '../../test/fixtures/api.ts'
import { type Gateway, postern, startGateway } from '../../test/fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../../test/fixtures/issuer.ts'
import { until } from '../../test/fixtures/run.ts'
import { type Home, openHome } from '../demo/home.ts'
import { exit } from './exit.ts'

let home: Home
let okta: FakeOkta
let api: Api
let gateway: Gateway
let token: string
before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  api = await startApi(home, 's3cret')
  gateway = await startGateway(home, {
    okta,
    connections: `  billing-api:
    protocol: http
    target: { url: "${api.url}" }
    lease: { bearer: "env:BILLING" }
`,
    rules: `  - { group: asked-agents, connection: billing-api, ttl: 10m, approval: { group: dba }, scope: { methods: [GET], paths: ["/**"] } }
  - { group: sre-agents, connection: billing-api, ttl: 10m, scope: { methods: [GET], paths: ["/**"] } }`,
    env: { BILLING: 's3cret' },
  })
  token = okta.token({ groups: ['asked-agents'] })
})
after(() => home.close())

const grants = async (): Promise<{ id: string; state: string }[]> =>
  (await gateway.api('GET', '/v1/grants', okta.person(['postern-operators']))).json
const pending = () =>
  until('a grant waits', async () => (await grants()).find(({ state }) => state === 'pending'))
const decide = async (decision: string): Promise<void> => {
  const { id } = await pending()
  const approver = okta.person(['dba'], { sub: 'dba@example.com' })
  const { status, text } = await gateway.api('POST', `/v1/approvals/${id}`, approver, { decision })
  assert.equal(status, 200, text)
}
afterEach(async () => {
  const live = (await grants()).filter(({ state }) => state === 'pending' || state === 'active')
  assert.deepEqual(live, [], 'everything is given back')
})

const show = ['-e', 'console.log(process.env.POSTERN_HTTP_PASSWORD)']

test('run and connect wait for the approval, and are used when it has come', async () => {
  const running = gateway.cli(['run', 'billing-api', '--', process.execPath, ...show], { token })
  await decide('approve')
  const ran = await running
  assert.equal(ran.status, 0, ran.stderr)
  assert.match(ran.stdout, /^pst_/)
  assert.match(
    ran.stderr,
    /^postern: g_\w+ waits for somebody to approve billing-api, until \d{4}-\S+ at most\n$/,
  )

  const connecting = gateway.cli(['connect', 'billing-api', '--', '/v1/orders'], { token })
  await decide('approve')
  assert.equal((await connecting).status, 0)
})

test('a gateway that starts again meanwhile does not end the wait', async () => {
  const running = gateway.cli(['run', 'billing-api', '--', process.execPath, ...show], { token })
  await pending()
  await gateway.stop()
  await gateway.start()
  await decide('approve')
  const ran = await running
  assert.equal(ran.status, 0, ran.stderr)
  assert.match(ran.stdout, /^pst_/)
  assert.match(ran.stderr, /^postern: .*; asking again until it answers$/m)
})

test('a denial ends it with 1, and says why', async () => {
  const running = gateway.cli(['run', 'billing-api', '--', process.execPath, ...show], { token })
  await decide('deny')
  const ran = await running
  assert.equal(ran.status, exit.no)
  assert.match(ran.stderr, /postern: g_\w+ is denied: /)
  assert.equal(ran.stdout, '')
})

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  test(`${signal} while it waits gives the grant back`, async () => {
    const env = { ...process.env, POSTERN_URL: gateway.url, POSTERN_TOKEN: token }
    const child = spawn(postern, ['connect', 'billing-api'], { env, stdio: 'ignore' })
    await pending()
    child.kill(signal)
    const [status] = await once(child, 'exit')
    assert.equal(status, code)
  })

test('request says how to go on, and --wait goes on by itself', async () => {
  const { stdout } = await gateway.cli(['request', 'billing-api'], { token })
  const [, id = ''] = /^WAIT (g_\w+) /.exec(stdout) ?? []
  assert.match(stdout, new RegExp(`POST /v1/grants/${id}/credential\n`))
  await gateway.cli(['end', id], { token })

  const waiting = gateway.cli(['request', 'billing-api', '--wait', '--json'], { token })
  await decide('approve')
  const grant = JSON.parse((await waiting).stdout)
  assert.equal(grant.state, 'active')
  assert.match(grant.credential.password, /^pst_/)
  await gateway.cli(['end', grant.id], { token })
})

test('a command that is not there leaves no grant behind', async () => {
  const sre = okta.token()
  const ran = await gateway.cli(['run', 'billing-api', '--', '/nowhere/tool'], { token: sre })
  assert.equal(ran.status, exit.unavailable)
})
