/** Presets through the gateway, against stand-ins that answer as the real APIs do: shapes, streams, errors, pages. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { request } from 'undici'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'

const key = 'the-key-of-the-api-0123456789'
let home: Home
let okta: FakeOkta
let gateway: Gateway
const arrived: string[] = []

type Answer = (asked: IncomingMessage, response: ServerResponse, url: URL, body: string) => void
const json = (response: ServerResponse, value: unknown, status = 200, headers = {}) =>
  void response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
    .end(JSON.stringify(value))
const isBearer = ({ headers }: IncomingMessage, scheme = 'Bearer') =>
  headers.authorization === `${scheme} ${key}`

function stream(response: ServerResponse, events: readonly string[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  for (const event of events) response.write(`${event}\n\n`)
  response.end()
}

const standIns: Readonly<Record<string, Answer>> = {
  github(asked, response, url) {
    if (!isBearer(asked, 'token') || asked.headers['user-agent'] === undefined)
      return json(response, { message: 'Bad credentials' }, 401)
    const next = `<${url.origin}/repos/acme/web/issues?page=2>; rel="next"`
    json(response, [{ number: 1, title: 'x', version: asked.headers['x-github-api-version'] }], 200, {
      link: next,
      'x-ratelimit-remaining': '59',
      etag: 'W/"1"',
    })
  },
  slack(asked, response) {
    if (!isBearer(asked)) return json(response, { ok: false, error: 'invalid_auth' })
    json(response, {
      ok: true,
      channels: [{ id: 'C1', name: 'general' }],
      response_metadata: { next_cursor: '' },
    })
  },
  openai(asked, response, url, body) {
    if (!isBearer(asked))
      return json(response, { error: { type: 'invalid_request_error', code: 'invalid_api_key' } }, 401)
    if (JSON.parse(body).stream)
      return stream(response, [
        'data: {"object":"chat.completion.chunk","choices":[{"delta":{"content":"hi"}}]}',
        'data: [DONE]',
      ])
    json(response, {
      object: 'chat.completion',
      path: url.pathname,
      choices: [{ message: { role: 'assistant', content: 'hi' } }],
    })
  },
  anthropic({ headers }, response, _url, body) {
    if (headers['x-api-key'] !== key)
      return json(response, { type: 'error', error: { type: 'authentication_error' } }, 401)
    if (headers['anthropic-version'] === undefined)
      return json(response, { type: 'error', error: { type: 'invalid_request_error' } }, 400)
    if (JSON.parse(body).stream)
      return stream(response, [
        'event: message_start\ndata: {"type":"message_start"}',
        'event: message_stop\ndata: {"type":"message_stop"}',
      ])
    json(response, { type: 'message', role: 'assistant', content: [{ type: 'text', text: 'hi' }] })
  },
  prometheus(_, response, url, body) {
    const query = url.searchParams.get('query') ?? new URLSearchParams(body).get('query')
    if (query === null) return json(response, { status: 'error', errorType: 'bad_data' }, 400)
    json(response, {
      status: 'success',
      data: { resultType: 'vector', result: [{ metric: { __name__: query }, value: [1, '1'] }] },
    })
  },
  elastic(asked, response) {
    if (!isBearer(asked, 'ApiKey'))
      return json(response, { error: { type: 'security_exception' }, status: 401 }, 401)
    response.setHeader('x-elastic-product', 'Elasticsearch')
    json(response, {
      took: 1,
      hits: { total: { value: 1, relation: 'eq' }, hits: [{ _id: '1', _source: { a: 1 } }] },
    })
  },
  clickhouse({ headers }, response, url) {
    if (headers['x-clickhouse-key'] !== key)
      return void response.writeHead(516).end('Code: 516. DB::Exception: Authentication failed')
    response.writeHead(200, {
      'content-type': 'text/tab-separated-values; charset=UTF-8',
      'x-clickhouse-format': 'TabSeparated',
    })
    response.end(`${url.searchParams.get('query')}\n`)
  },
}

async function standIn(name: string, answer: Answer): Promise<string> {
  const server = createServer(async (asked, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of asked) chunks.push(chunk as Buffer)
    arrived.push(`${name} ${asked.method} ${asked.url}`)
    answer(
      asked,
      response,
      new URL(asked.url ?? '', `http://${asked.headers.host}`),
      Buffer.concat(chunks).toString(),
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  home.onEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const leases: Readonly<Record<string, string>> = {
  github: '{ header: Authorization, value: "env:GITHUB" }',
  slack: '{ bearer: "env:KEY" }',
  openai: '{ bearer: "env:KEY" }',
  anthropic: '{ header: X-Api-Key, value: "env:KEY" }',
  prometheus: '{ bearer: "env:KEY" }',
  elastic: '{ header: Authorization, value: "env:ELASTIC" }',
  clickhouse: '{ header: X-ClickHouse-Key, value: "env:KEY" }',
}
const scopes: Readonly<Record<string, string>> = {
  github: 'github-read, paths: ["/repos/acme/**"]',
  slack: 'slack-read',
  openai: 'openai-chat',
  anthropic: 'anthropic-messages',
  prometheus: 'prometheus-read',
  elastic: 'elasticsearch-search, paths: ["/logs/*"]',
  clickhouse: 'clickhouse-read',
}

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  const connections: string[] = []
  for (const [name, answer] of Object.entries(standIns)) {
    const url = await standIn(name, answer)
    connections.push(
      `  ${name}:\n    protocol: http\n    target: { url: "${url}" }\n    lease: ${leases[name]}\n`,
    )
  }
  gateway = await startGateway(home, {
    okta,
    env: { KEY: key, GITHUB: `token ${key}`, ELASTIC: `ApiKey ${key}` },
    connections: connections.join(''),
    rules: Object.entries(scopes)
      .map(
        ([name, scope]) =>
          `  - { group: sre-agents, connection: ${name}, ttl: 10m, scope: { preset: ${scope} } }\n`,
      )
      .join(''),
  })
})
after(() => home?.close())

async function ask(
  name: string,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: string,
  headers: Record<string, string> = {},
) {
  const grant = await gateway.grant(okta.token(), name)
  assert.equal(grant.status, 201, grant.text)
  const answer = await request(`${gateway.url}/c/${name}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${grant.json.credential.password}`,
      'user-agent': 'an-sdk',
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() }
}
const asJson = { 'content-type': 'application/json' }

test('GitHub, Slack', async () => {
  const issues = await ask('github', 'GET', '/repos/acme/web/issues?state=open', undefined, {
    'x-github-api-version': '2022-11-28',
  })
  assert.deepEqual(
    [issues.status, JSON.parse(issues.text)],
    [200, [{ number: 1, title: 'x', version: '2022-11-28' }]],
  )
  assert.match(String(issues.headers['link']), /rel="next"/)
  assert.match((await ask('slack', 'GET', '/conversations.list?limit=1')).text, /"ok":true,"channels"/)
})

test('OpenAI- and Anthropic-style APIs, answered whole and as a stream', async () => {
  const body = (more: object) =>
    JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x' }], ...more })
  assert.match(
    (await ask('openai', 'POST', '/chat/completions', body({}), asJson)).text,
    /"chat\.completion"/,
  )
  assert.match(
    (await ask('openai', 'POST', '/chat/completions', body({ stream: true }), asJson)).text,
    /chunk[\s\S]*data: \[DONE\]\n\n$/,
  )
  const versioned = { ...asJson, 'anthropic-version': '2023-06-01', 'x-api-key': 'a client of its own' }
  assert.match((await ask('anthropic', 'POST', '/messages', body({}), versioned)).text, /"type":"message"/)
  assert.match(
    (await ask('anthropic', 'POST', '/messages', body({ stream: true }), versioned)).text,
    /message_start[\s\S]*message_stop/,
  )
})

test('Prometheus, Elasticsearch, ClickHouse', async () => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  assert.match((await ask('prometheus', 'GET', '/api/v1/query?query=up')).text, /"__name__":"up"/)
  assert.match(
    (await ask('prometheus', 'POST', '/api/v1/query', 'query=down', form)).text,
    /"__name__":"down"/,
  )
  const found = await ask('elastic', 'POST', '/logs/_search', '{"query":{"match_all":{}}}', asJson)
  assert.match(found.text, /"_source"/)
  assert.equal(found.headers['x-elastic-product'], 'Elasticsearch')
  assert.equal((await ask('clickhouse', 'GET', '/?query=SELECT+1')).text, 'SELECT 1\n')
})

test('what a preset is not for never arrives', async () => {
  const before = arrived.length
  for (const [name, method, path, body] of [
    ['github', 'GET', '/repos/other/web'],
    ['github', 'DELETE', '/repos/acme/web'],
    ['slack', 'GET', '/conversations.list?token=xoxb-mine'],
    ['slack', 'POST', '/chat.postMessage', '{}'],
    ['openai', 'POST', '/fine_tuning/jobs', '{}'],
    ['anthropic', 'POST', '/messages/batches', '{}'],
    ['prometheus', 'POST', '/api/v1/admin/tsdb/delete_series', ''],
    ['elastic', 'POST', '/logs/_delete_by_query', '{}'],
    ['elastic', 'POST', '/other/_search', '{}'],
    ['clickhouse', 'GET', '/?query=x&readonly=0'],
    ['clickhouse', 'POST', '/?query=x', 'DROP'],
  ] as const)
    assert.equal((await ask(name, method, path, body, asJson)).status, 403, `${name} ${method} ${path}`)
  assert.equal(arrived.length, before)
})
