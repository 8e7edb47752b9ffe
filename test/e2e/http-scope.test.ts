/** GraphQL by operation, masked answers and leases that are fetched or computed, through the gateway and a real server. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { buildSchema, graphqlSync } from 'graphql'
import { request } from 'undici'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'

let home: Home
let okta: FakeOkta
let gateway: Gateway
const seen: { url: string; authorization: string; body: string }[] = []
let tokens = 0

const schema = buildSchema(`
  type User { login: String email: String }
  type Query { viewer: User secrets: [String] }
  type Mutation { drop: Boolean }
`)
const user = { login: 'ann', email: 'ann@example.com' }
const rootValue = { viewer: user, secrets: ['s3'], drop: true }
const users = {
  '/users': ['application/json', JSON.stringify({ items: [user], next: 12345678901234567890n.toString() })],
  '/users.csv': ['text/csv', 'login,email\nann,ann@example.com\n'],
  '/broken': ['application/json', '{"items":[{"email":"ann@example.com"}'],
} as const

async function bodyOf(request_: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request_) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

async function api(): Promise<string> {
  const server = createServer(async (asked, response) => {
    const { url = '', headers } = asked
    const body = await bodyOf(asked)
    seen.push({ url, authorization: headers.authorization ?? '', body })
    if (url === '/token') {
      tokens += 1
      response.setHeader('content-type', 'application/json')
      return void response.end(
        JSON.stringify({ access_token: `fetched-${tokens}`, token_type: 'Bearer', expires_in: 3600 }),
      )
    }
    if (url === '/graphql') {
      const { query, variables } = JSON.parse(body)
      response.setHeader('content-type', 'application/json')
      return void response.end(
        JSON.stringify(graphqlSync({ schema, source: query, rootValue, variableValues: variables })),
      )
    }
    const [type, text] = users[url as keyof typeof users] ?? ['text/plain', `${headers.authorization} ${url}`]
    response.writeHead(200, { 'content-type': type, etag: '"of-the-original"' }).end(text)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  home.onEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  const url = await api()
  const connection = (name: string, lease: string) =>
    `  ${name}:\n    protocol: http\n    target: { url: "${url}" }\n    lease: ${lease}\n`
  const rule = (name: string, scope: string) =>
    `  - { group: sre-agents, connection: ${name}, ttl: 10m, scope: ${scope} }\n`
  gateway = await startGateway(home, {
    okta,
    env: { SECRET: 'a-secret-of-some-length' },
    connections: [
      connection('graph', '{ bearer: "env:SECRET" }'),
      connection('people', '{ bearer: "env:SECRET" }'),
      connection('oauth', `{ token_url: "${url}/token", client_id: me, client_secret: "env:SECRET" }`),
      connection('by-query', '{ query: api_key, value: "env:SECRET" }'),
      connection(
        'aws',
        '{ access_key_id: AKID, secret_access_key: "env:SECRET", region: eu-west-1, service: sqs }',
      ),
    ].join(''),
    rules: [
      rule(
        'graph',
        '{ methods: [POST], paths: [/graphql], graphql: { operations: [query], fields: [viewer] } }',
      ),
      rule('people', "{ methods: [GET], paths: [/**], mask: [{ path: '$.items[*].email', with: partial }] }"),
      rule('oauth', '{ methods: [GET], paths: [/**] }'),
      rule('by-query', '{ methods: [GET], paths: [/**] }'),
      rule('aws', '{ methods: [GET, POST], paths: [/**] }'),
    ].join(''),
  })
})
after(() => home?.close())

interface Got {
  readonly status: number
  readonly text: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  // biome-ignore lint/suspicious/noExplicitAny: whatever the target says
  readonly json: any
}

async function asking(connection: string): Promise<(path: string, body?: unknown) => Promise<Got>> {
  const grant = await gateway.grant(okta.token(), connection)
  assert.equal(grant.status, 201, grant.text)
  const authorization = `Bearer ${grant.json.credential.password}`
  return async (path, body) => {
    const answer = await request(`${gateway.url}/c/${connection}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.body.text()
    const isJson = String(answer.headers['content-type']).includes('json')
    return {
      status: answer.statusCode,
      text,
      headers: answer.headers,
      json: isJson && text !== '' ? JSON.parse(text) : undefined,
    }
  }
}

test('GraphQL: what is in scope is executed, all else never arrives', async () => {
  const ask = await asking('graph')
  const good = await ask('/graphql', {
    query: 'query A($x: Boolean!) { me: viewer { login @include(if: $x) } }',
    variables: { x: true },
  })
  assert.deepEqual([good.status, good.json], [200, { data: { me: { login: 'ann' } } }])
  const before = seen.length
  for (const body of [
    { query: '{ secrets }' },
    { query: '{ viewer: secrets }' },
    { query: '{ viewer { login } ...F } fragment F on Query { secrets }' },
    { query: 'mutation { drop }' },
    { query: '{ __schema { types { name } } }' },
    { extensions: { persistedQuery: { version: 1, sha256Hash: 'abc' } } },
    [{ query: '{ viewer { login } }' }, { query: '{ secrets }' }],
    'not json',
  ]) {
    const refused = await ask('/graphql', body)
    assert.equal(refused.status, 403, JSON.stringify(body))
    assert.match(refused.json.code, /^statement_(refused|unparsable)$/)
  }
  assert.equal(seen.length, before)
  const twice = await ask('/graphql', '{"query":"{secrets}","query":"{viewer{login}}"}')
  assert.equal(twice.status, 200)
  assert.equal(seen.at(-1)?.body, '{"query":"{viewer{login}}"}')
  const large = await ask('/graphql', { query: `{ viewer { login } } # ${'x'.repeat(300_000)}` })
  assert.equal(large.status, 413)
})

test('masks: JSON leaves masked, what is not JSON does not leave', async () => {
  const ask = await asking('people')
  const got = await ask('/users')
  assert.deepEqual(got.json, {
    items: [{ login: 'ann', email: 'a***@example.com' }],
    next: '12345678901234567890',
  })
  assert.equal(got.headers['etag'], undefined)
  for (const path of ['/users.csv', '/broken', '/other']) {
    const refused = await ask(path)
    assert.equal(refused.status, 422, path)
    assert.ok(!refused.text.includes('ann@'), path)
  }
})

test('a one-shot goes through the same masks', async () => {
  const grant = await gateway.grant(okta.token(), 'people')
  const shot = (path: string) =>
    gateway.api('POST', `/v1/grants/${grant.json.id}/request`, okta.token(), { method: 'GET', path })
  assert.match((await shot('/users')).json.body, /a\*\*\*@example\.com/)
  assert.equal((await shot('/users.csv')).status, 422)
})

test('leases: a fetched token, a query parameter, a signature', async () => {
  const oauth = await asking('oauth')
  assert.equal((await oauth('/x')).text, 'Bearer ********* /x')
  await Promise.all([oauth('/y'), oauth('/z')])
  assert.equal(tokens, 1)
  const byQuery = await asking('by-query')
  assert.equal((await byQuery('/x?a=1')).text, 'undefined /x?a=1&api_key=***********************')
  for (const path of ['/x?api_key=mine', '/x?%61pi_key=mine', '/x?a=1&api_key']) {
    const refused = await byQuery(path)
    assert.deepEqual([refused.status, refused.json.code], [403, 'statement_refused'], path)
  }
  const aws = await asking('aws')
  assert.match(
    (await aws('/q')).text,
    /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-west-1\/sqs\/aws4_request, SignedHeaders=host;x-amz-date,/,
  )
  assert.equal((await aws('/q', 'x'.repeat(100_000))).status, 200)
  assert.equal(seen.at(-1)?.body.length, 100_000)
  assert.match(seen.at(-1)?.authorization ?? '', /SignedHeaders=content-type;host;x-amz-date/)
  assert.equal((await aws('/q', 'x'.repeat(1_100_000))).status, 413)
})
