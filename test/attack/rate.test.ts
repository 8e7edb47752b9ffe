/** Attack 199: an agent that asks for more than it may have of the gateway itself. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { audit, freshSource } from './send.ts'

let home: Home
let okta: FakeOkta
let gateway: Gateway

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  gateway = await startGateway(home, {
    okta,
    connections:
      '  api: { protocol: http, target: { url: "http://127.0.0.1:9" }, lease: { bearer: "env:KEY" } }',
    rules: '  - { group: sre-agents, connection: api, ttl: 10m, scope: { methods: [GET], paths: ["/**"] } }',
    limits: '{ grants: 5, requests_per_second: 5 }',
    env: { KEY: 'k' },
  })
})
after(() => home?.close())

test('what one agent asks beyond its rate does not fill the audit, and is counted all the same', async () => {
  const token = okta.token()
  const statuses: number[] = []
  while (statuses.length < 600) {
    const some = Array.from(
      { length: 20 },
      async () => (await gateway.api('GET', '/v1/connections', token)).status,
    )
    statuses.push(...(await Promise.all(some)))
  }
  const refused = statuses.filter(status => status === 429).length
  assert.ok(refused > 300, `${refused}`)
  const lines = await audit(gateway, okta, { reason: 'rate_limited', limit: '1000' })
  assert.ok(lines.length >= 100 && lines.length < refused - 100, `${lines.length} of ${refused}`)
  const { text } = await gateway.api('GET', '/metrics')
  assert.ok(text.includes(`postern_denials_total{code="rate_limited",where="api"} ${refused}\n`))
})

test('tries that come together are as few in the audit as tries in a row (attacks 46, 199)', async () => {
  const forged = okta.token({}, { key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey })
  const one = `GET /v1/connections HTTP/1.1\r\nHost: 127.0.0.1:${gateway.ports.http}\r\nAuthorization: Bearer ${forged}\r\n\r\n`
  const client = async (from: string) => {
    const socket = connect({ port: gateway.ports.http, host: '127.0.0.1', localAddress: from })
    socket.write(one)
    for await (const chunk of socket) if (String(chunk).includes('HTTP/1.1 4')) return
  }
  const counted = async () => {
    const { text } = await gateway.api('GET', '/metrics')
    return Number(/postern_denials_total\{code="token_signature",where="api"\} (\d+)/.exec(text)?.[1] ?? 0)
  }
  const written = async () =>
    (await audit(gateway, okta, { reason: 'token_signature', limit: '1000' })).length
  // How many are under way before the first is refused is the machine's affair.
  for (let round = 0; round < 10; round++) {
    const [refused, lines] = [await counted(), await written()]
    const from = freshSource()
    await Promise.all(Array.from({ length: 400 }, () => client(from)))
    const [more, moreLines] = [(await counted()) - refused, (await written()) - lines]
    assert.ok(moreLines >= 100 && moreLines <= more, `${moreLines} of ${more}`)
    if (more > 150) return assert.ok(moreLines < more - 20, `${moreLines} of ${more}`)
  }
  assert.fail('never were there many at once')
})
