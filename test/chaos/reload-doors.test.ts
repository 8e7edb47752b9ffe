/** What a door is called and what it shows inside TLS is of the configuration in force: a reload is enough. */
import assert from 'node:assert/strict'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Api, startApi } from '../fixtures/api.ts'
import { type Gateway, type Setting, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { until } from '../fixtures/run.ts'

let home: Home
let okta: FakeOkta
let api: Api
let setting: Setting
let gateway: Gateway

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  api = await startApi(home, 'the-key')
  setting = {
    okta,
    rules:
      '  - { id: readers, group: api-agents, connection: api, ttl: 10m, scope: { methods: [GET], paths: ["/**"] } }',
    connections: `  api:
    protocol: http
    target: { url: "http://127.0.0.1:${api.port}/api" }
    lease: { bearer: "env:API_KEY" }
`,
    env: { API_KEY: 'the-key' },
    more: 'public_url: https://old.example.com',
  }
  gateway = await startGateway(home, setting)
})
after(() => home?.close())

const logged = async (message: string) => (await gateway.log()).split(message).length - 1

async function reload(more: string, says = 'configuration reloaded'): Promise<void> {
  const before = await logged(says)
  await gateway.configure({ ...setting, more })
  gateway.signal('SIGHUP')
  await until(says, async () => (await logged(says)) > before)
}

async function ask(host: string, path: string, credential?: string) {
  const authorization = credential === undefined ? {} : { authorization: `Bearer ${credential}` }
  const answer = await new Promise<IncomingMessage>((resolve, reject) =>
    get(gateway.url + path, { agent: false, headers: { host, ...authorization } }, resolve).on(
      'error',
      reject,
    ),
  )
  return { status: answer.statusCode, body: await text(answer) }
}
const token = () => okta.token({ groups: ['api-agents'] })

test('a new public_url is the name that is told and the name that is answered to', async () => {
  const metadata = '/.well-known/oauth-protected-resource'
  assert.equal((await ask('old.example.com', metadata)).status, 200)
  await reload('public_url: https://new.example.com')
  const told = await ask('new.example.com', metadata)
  assert.equal(told.status, 200, told.body)
  assert.equal(JSON.parse(told.body).resource, 'https://new.example.com')
  const { servers } = JSON.parse((await ask('new.example.com', '/openapi.json')).body)
  assert.deepEqual(servers, [{ url: 'https://new.example.com/' }])
  const { endpoint, credential } = (await gateway.grant(token(), 'api')).json
  assert.equal(endpoint.url, 'https://new.example.com/c/api/')
  assert.equal((await ask('new.example.com', '/c/api/x', credential.password)).status, 200)
  assert.equal(api.last().url, '/api/x')
  for (const path of [metadata, '/c/api/x'])
    assert.equal((await ask('old.example.com', path, credential.password)).status, 403, path)
})
