/** What a door is called and what it shows inside TLS is of the configuration in force: a reload is enough. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
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

/** A door's connection, TLS from its first byte on, and what was shown at its beginning. */
async function tls(port: number, more: { ca?: string; servername?: string } = {}): Promise<TLSSocket> {
  const ALPNProtocols = port === gateway.ports.postgres ? ['postgresql'] : ['http/1.1']
  const trusting = { rejectUnauthorized: more.ca !== undefined, ...more }
  const socket = connect({ host: '127.0.0.1', port, ALPNProtocols, ...trusting })
  await once(socket, 'secureConnect')
  return socket
}
async function shown(port: number, more?: { ca?: string; servername?: string }): Promise<string> {
  const socket = await tls(port, more)
  const certificate = socket.getPeerX509Certificate()
  socket.destroy()
  assert.ok(certificate)
  return certificate.toString()
}
async function healthz(socket: TLSSocket): Promise<string> {
  socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
  return String(await once(socket, 'data'))
}
const doors = () => [gateway.ports.http, gateway.ports.postgres]

test('a name that is advertised from now on stands in the certificate at once; who is connected stays', async () => {
  await reload('public_url: https://one.example.com')
  const ca = await readFile(join(gateway.dir, 'data/keys/ca.pem'), 'utf8')
  const held = await tls(gateway.ports.http)
  await reload('public_url: https://one.example.com\nadvertise: { postgres: "db.example.com:5432" }')
  for (const port of doors()) await shown(port, { ca, servername: 'db.example.com' })
  assert.match(await healthz(held), /^HTTP\/1.1 200/)
  held.destroy()
})

test('a certificate that was replaced is shown, and its CA told, from a reload on; one that cannot be loaded refuses the reload', async () => {
  await reload('public_url: https://one.example.com')
  const file = (name: string) => join(gateway.dir, 'data/keys', name)
  const [key, before] = await Promise.all([readFile(file('ca.key'), 'utf8'), shown(gateway.ports.http)])
  await rm(file('ca.key'))
  await reload('public_url: https://two.example.com', 'the new configuration is refused')
  assert.match(await gateway.log(), /ca\.key is missing/)
  for (const port of doors()) assert.equal(await shown(port), before)
  assert.equal((await ask('one.example.com', '/healthz')).status, 200)
  await writeFile(file('ca.key'), key, { mode: 0o600 })

  await Promise.all(['ca.key', 'ca.pem'].map(name => rm(file(name))))
  await reload('public_url: https://one.example.com')
  const ca = await readFile(file('ca.pem'), 'utf8')
  for (const port of doors()) assert.notEqual(await shown(port, { ca, servername: 'localhost' }), before)
  assert.equal((await gateway.grant(token(), 'api')).json.endpoint.ca, ca)
})
