/** Every line of shell in docs/operating.md works as it stands there, with the variables that it names. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { startApi } from '../fixtures/api.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { run } from '../fixtures/run.ts'

const scope = 'scope: { methods: [GET], paths: ["/**"] }'
const page = await readFile(new URL('../../docs/operating.md', import.meta.url), 'utf8')
const lines = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) =>
  block.trimEnd().split('\n'),
)
const functions = lines.filter(line => /^\w+\(\)/.test(line))
const calls = lines.filter(line => !functions.includes(line))

let home: Home
let okta: FakeOkta
let gateway: Gateway

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  const api = await startApi(home, 's3cr3t')
  gateway = await startGateway(home, {
    okta,
    connections: `  orders-api: { protocol: http, target: { url: "${api.url}" }, lease: { bearer: "env:API_TOKEN" } }`,
    rules: `
  - { group: analyst-agents, connection: orders-api, ttl: 10m, ${scope} }
  - { group: asking-agents, connection: orders-api, ttl: 10m, ${scope}, approval: { group: dba } }`,
    env: { API_TOKEN: 's3cr3t' },
  })
})
after(() => home?.close())

test('as printed', async t => {
  const pending = async (): Promise<string> =>
    (await gateway.grant(okta.token({ groups: ['asking-agents'] }), 'orders-api')).json.id
  const active = await gateway.grant(okta.token({ groups: ['analyst-agents'] }), 'orders-api')
  const authorization = `Bearer ${active.json.credential.password}`
  const stream = await fetch(`${gateway.url}/c/orders-api/sse`, { headers: { authorization } })
  assert.equal(stream.status, 200)
  const person = okta.person(['dba', 'postern-operators'])
  await writeFile(join(gateway.dir, 'auth'), `Authorization: Bearer ${person}\n`, { mode: 0o600 })
  const sessions = await gateway.api('GET', '/v1/sessions', person)
  const env: Record<string, string> = {
    POSTERN: gateway.url,
    GRANT: await pending(),
    SECOND: await pending(),
    THIRD: await pending(),
    SESSION: sessions.json[0].id,
  }
  assert.ok(calls.length > 20)
  for (const line of calls) {
    const { status, stdout, stderr } = await run('bash', ['-c', [...functions, line].join('\n')], {
      cwd: gateway.dir,
      env,
    })
    await t.test(line, () => {
      assert.equal(status, 0, (stdout + stderr).slice(0, 300))
      if (line.startsWith('look /v1/approvals')) assert.equal(JSON.parse(stdout).length, 3)
    })
    if (line.startsWith('call POST /v1/locks')) env['LOCK'] = JSON.parse(stdout).id
  }
  const left = await gateway.api('GET', '/v1/locks', person)
  assert.equal(left.json.length, calls.filter(line => line.startsWith('call POST /v1/locks')).length - 1)
})
