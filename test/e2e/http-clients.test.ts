/** The HTTP door with the clients people use: curl, Python's requests, undici, ws; one grant, one session, cut on time. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { Agent, request as nodeRequest } from 'node:http'
import { after, before, test } from 'node:test'
import { request } from 'undici'
import { WebSocket } from 'ws'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Api, startApi } from '../fixtures/api.ts'
import { python, python3 } from '../fixtures/clients.ts'
import { type Answer, type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { missing, type Ran, run, until } from '../fixtures/run.ts'

const secret = 'sk-live-4f9a8b7c6d5e4f3a2b1c'
let home: Home
let okta: FakeOkta
let api: Api
let gateway: Gateway

const rules = `
  - { id: all, group: sre-agents, connection: billing-api, ttl: 10m, scope: { methods: [GET, HEAD, POST, PUT], paths: ["/**"], headers: [x-trace], websocket: true } }
  - { id: orders, group: order-agents, connection: billing-api, ttl: 10m, scope: { methods: [GET], paths: ["/orders/**"], query: [page], max_response: 1000 } }
  - { id: other, group: sre-agents, connection: other-api, ttl: 10m, scope: { methods: [GET], paths: ["/**"] } }
  - { id: token, group: sre-agents, connection: token-api, ttl: 10m, scope: { methods: [GET], paths: ["/**"] } }
  - { id: short, group: short-agents, connection: billing-api, ttl: 2s, scope: { methods: [GET], paths: ["/**"], websocket: true } }
  - { id: down, group: sre-agents, connection: down-api, ttl: 10m, scope: { methods: [GET], paths: ["/**"] } }
`

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  api = await startApi(home, secret)
  const connection = (name: string, url: string, more = ''): string =>
    `  ${name}:\n    protocol: http\n    target: { url: "${url}" }\n    lease: { bearer: "env:BILLING_TOKEN" }\n${more}`
  gateway = await startGateway(home, {
    okta,
    env: { BILLING_TOKEN: secret },
    connections: [
      connection('billing-api', api.url),
      connection('other-api', api.url),
      connection('token-api', api.url, '    token_login: true\n'),
      connection('down-api', 'http://127.0.0.1:1/'),
    ].join(''),
    rules,
  })
})
after(() => home?.close())

// biome-ignore lint/suspicious/noExplicitAny: the grant as the API answers it
async function granted(connection = 'billing-api', group = 'sre-agents'): Promise<any> {
  const answer = await gateway.grant(okta.token({ groups: [group] }), connection)
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}

// biome-ignore lint/suspicious/noExplicitAny: as above
const curl = (grant: any, path: string, args: readonly string[] = []): Promise<Ran> => {
  const { username, password } = grant.credential
  const url = `${gateway.url}/c/${grant.connection}${path}`
  return run('curl', [
    '-sS',
    '-m',
    '20',
    '-u',
    `${username}:${password}`,
    '-w',
    '\n%{http_code}',
    ...args,
    url,
  ])
}

// biome-ignore lint/suspicious/noExplicitAny: as above
const basic = (grant: any): string =>
  `Basic ${Buffer.from(`${grant.credential.username}:${grant.credential.password}`).toString('base64')}`

/** Every line of every recording of this grant. */
// biome-ignore lint/suspicious/noExplicitAny: a recording's lines
async function recorded(grant: { id: string }): Promise<any[]> {
  const lines = []
  for (const file of await gateway.dataFiles()) {
    if (!file.endsWith('session.jsonl')) continue
    const all = (await readFile(file, 'utf8')).trimEnd().split('\n')
    if (all[0]?.includes(grant.id)) lines.push(...all.map(line => JSON.parse(line)))
  }
  return lines
}

test('curl reads and writes with its grant; the lease arrives, the credential does not', {
  skip: missing('curl'),
}, async () => {
  const grant = await granted()
  assert.equal(grant.endpoint.url, `${gateway.url}/c/billing-api/`)
  assert.equal(grant.env.POSTERN_HTTP_URL, grant.endpoint.url)
  assert.ok(!grant.connect.includes(grant.credential.password))
  const got = await curl(grant, '/v1/items?page=2', [
    '-H',
    'X-Trace: t1',
    '-H',
    'X-Other: no',
    '-H',
    'Cookie: a=b',
  ])
  assert.match(got.stdout, /\n200$/)
  assert.equal(api.last().url, '/api/v1/items?page=2')
  assert.equal(api.last().headers.authorization, `Bearer ${secret}`)
  assert.equal(api.last().headers['x-trace'], 't1')
  assert.equal(api.last().headers['x-other'], undefined)
  assert.equal(api.last().headers.cookie, undefined)
  assert.equal(api.last().headers.host, `127.0.0.1:${api.port}`)
  assert.ok(!JSON.stringify(api.last().rawHeaders).includes(grant.id))
  await curl(grant, '/v1/items', ['--json', '{"a":1}'])
  assert.deepEqual([api.last().method, api.last().body], ['POST', '{"a":1}'])
  const head = await curl(grant, '/v1/items', ['-I'])
  assert.match(head.stdout, /^HTTP\/1.1 200/)
  assert.match((await curl(grant, '/nothing')).stdout, /^\n204$/)
})

test('a path in another spelling is judged and sent in its one form', { skip: missing('curl') }, async () => {
  const grant = await granted('billing-api', 'order-agents')
  const ask = (path: string): Promise<Ran> => curl(grant, path, ['--path-as-is'])
  assert.match((await ask('/orders/x/../1')).stdout, /"url":"\/api\/orders\/1"/)
  assert.match((await ask('/%6frders//%31')).stdout, /"url":"\/api\/orders\/1"/)
  const before = api.seen.length
  for (const path of [
    '/orders',
    '/orders/../admin',
    '/orders/%2e%2e/admin',
    '/orders/..%2fadmin',
    '/orders/..;/admin',
    '/orders/1?x=1',
    '/orders/1?_method=DELETE',
    '/orders/%252e%252e/admin',
    '/../other-api/x',
  ])
    assert.match((await ask(path)).stdout, /"code":"statement_(refused|unparsable)"[\s\S]*\n403$/, path)
  assert.match((await curl(grant, '/orders/1', ['-X', 'POST'])).stdout, /POST is not in scope[\s\S]*\n403$/)
  assert.equal(api.seen.length, before)
})

test('what a grant is not for is refused at the door, one like the other (attack 44)', {
  skip: missing('curl'),
}, async () => {
  const grant = await granted()
  const answers: string[] = []
  for (const [path, user] of [
    ['/c/other-api/x', basic(grant)],
    ['/c/no-such-api/x', basic(grant)],
    ['/c/billing-api/x', basic({ credential: { username: grant.id, password: 'pst_wrong' } })],
    [
      '/c/billing-api/x',
      basic({ credential: { username: 'g_nobody', password: grant.credential.password } }),
    ],
    ['/c/billing-api/x', 'Bearer pst_wrong'],
    ['/c/billing-api/x', `Bearer ${okta.token()}`],
    ['/c/other-api/x', `Bearer ${grant.credential.password}`],
    ['/c/billing-api/x', 'Basic !!!'],
  ] as const) {
    const { statusCode, headers, body } = await request(gateway.url + path, {
      headers: { authorization: user },
    })
    answers.push(`${statusCode} ${JSON.stringify(headers['www-authenticate'])} ${await body.text()}`)
  }
  assert.equal(new Set(answers).size, 1, answers.join('\n'))
  assert.match(answers[0] ?? '', /^401 .*Basic.*"code":"grant_unknown"/)
  const none = await request(`${gateway.url}/c/billing-api/x`)
  assert.equal(none.statusCode, 401)
  assert.match(await none.body.text(), /token_missing/)
  const audit = await gateway.api('GET', '/v1/audit?limit=50', okta.person(['postern-auditors']))
  assert.ok(
    audit.json.some(
      (line: { detail?: string }) => line.detail === `${grant.id} is for billing-api, shown at /c/other-api`,
    ),
  )
})

test('a password alone names its grant; a token opens where the connection takes it, and makes one grant', async () => {
  const grant = await granted()
  const bearer = (credential: string, path: string) =>
    request(gateway.url + path, { headers: { authorization: `Bearer ${credential}` } })
  assert.equal((await bearer(grant.credential.password, '/c/billing-api/x')).statusCode, 200)
  const token = okta.token()
  for (const answer of await Promise.all(Array.from({ length: 8 }, () => bearer(token, '/c/token-api/x'))))
    assert.equal(answer.statusCode, 200)
  const grants = await gateway.api('GET', '/v1/grants', okta.person(['postern-auditors']))
  assert.equal(grants.json.filter((one: { connection: string }) => one.connection === 'token-api').length, 1)
  assert.equal((await bearer(okta.token({ groups: ['nobody'] }), '/c/token-api/x')).statusCode, 403)
})

test('Python requests, with a session and a streamed upload', { skip: missing(python3) }, async t => {
  const grant = await granted()
  const ran = await python(`
try:
    import requests
except ImportError:
    print('no requests'); raise SystemExit(0)
s = requests.Session()
s.auth = (${JSON.stringify(grant.credential.username)}, ${JSON.stringify(grant.credential.password)})
base = ${JSON.stringify(grant.endpoint.url)}
print(s.get(base + 'a', params={'q': 'x y'}).json()['url'])
print(s.post(base + 'b', json={'k': 1}).json()['body'])
print(len(s.put(base + 'c', data=iter([b'x' * 100000] * 5)).json()['body']))
print(s.delete(base + 'd').status_code)
`)
  if (ran.stdout.startsWith('no requests')) return t.skip('python3-requests is not installed: make setup')
  assert.equal(ran.stdout, '/api/a?q=x+y\n{"k": 1}\n500000\n403\n', ran.stderr)
})

test('one session for all requests of a grant, each of them recorded before it goes up', async () => {
  const grant = await granted()
  for (const path of ['one', 'two?x=1', 'admin%2fx'])
    await (await request(grant.endpoint.url + path, { headers: { authorization: basic(grant) } })).body.dump()
  await (
    await request(`${grant.endpoint.url}three`, {
      method: 'POST',
      headers: { authorization: basic(grant), 'content-type': 'text/plain' },
      body: 'written',
    })
  ).body.dump()
  const sessions = await gateway.api('GET', '/v1/sessions', okta.person(['postern-auditors']))
  assert.equal(sessions.json.filter((one: { grant: string }) => one.grant === grant.id).length, 1)
  await gateway.api('DELETE', `/v1/grants/${grant.id}`, okta.token())
  await until('the recording is closed', async () =>
    (await recorded(grant)).some(line => line.type === 'seal'),
  )
  const lines = await recorded(grant)
  const statements = lines.filter(line => line.type === 'statement')
  assert.deepEqual(
    statements.map(line => [line.text, line.verdict, line.touches[0]?.on]),
    [
      ['GET /one', 'allow', '/one'],
      ['GET /two?x=1', 'allow', '/two'],
      ['GET /c/billing-api/admin%2fx', 'refused', undefined],
      ['POST /three', 'allow', '/three'],
    ],
  )
  assert.equal(statements[3].parameters, 'written')
  const results = lines.filter(line => line.type === 'result')
  assert.equal(results.length, 3)
  for (const result of results) {
    assert.equal(result.tag, '200')
    assert.ok(result.bytes > 0 && result.ms >= 0)
    assert.match(result.digest, /^[0-9a-f]{64}$/)
  }
  const verified = await gateway.cli([
    'audit',
    'verify',
    '--data',
    'data',
    '--key',
    'data/keys/audit.pub.pem',
  ])
  assert.equal(verified.status, 0, verified.stderr)
})

test("the lease's value comes back in no answer: header, body, base64, split over chunks", async () => {
  const grant = await granted()
  const headers = { authorization: basic(grant) }
  for (const path of ['leak', 'leak-split']) {
    const answer = await request(grant.endpoint.url + path, { headers })
    const all = JSON.stringify(answer.headers) + (await answer.body.text())
    assert.ok(!all.includes(secret), path)
    assert.ok(!all.includes(Buffer.from(secret).toString('base64')), path)
    assert.match(all, /\*{20,}/)
  }
  const gzip = await request(`${grant.endpoint.url}gzip`, { headers })
  assert.equal(gzip.statusCode, 422)
  assert.equal(api.last().headers['accept-encoding'], 'identity')
  const files = await Promise.all((await gateway.dataFiles()).map(file => readFile(file, 'latin1')))
  assert.ok(!files.some(text => text.includes(secret)))
  assert.ok(!(await gateway.log()).includes(secret))
})

test("an answer keeps nothing of the infrastructure's session, and rules nobody's browser", async () => {
  const grant = await granted()
  const { statusCode, headers } = await request(`${grant.endpoint.url}cookie`, {
    headers: { authorization: basic(grant) },
  })
  assert.equal(statusCode, 401)
  for (const name of [
    'set-cookie',
    'www-authenticate',
    'access-control-allow-origin',
    'strict-transport-security',
  ])
    assert.equal(headers[name], undefined, name)
  assert.equal(headers['content-security-policy'], 'sandbox')
  assert.equal(headers['x-content-type-options'], 'nosniff')
})

test('a redirect is never followed; one that stays inside leads through the door', async () => {
  const grant = await granted()
  const to = async (location: string): Promise<string | undefined> => {
    const before = api.seen.length
    const answer = await request(`${grant.endpoint.url}redirect?to=${encodeURIComponent(location)}`, {
      headers: { authorization: basic(grant) },
    })
    assert.equal(answer.statusCode, 302)
    assert.equal(api.seen.length, before + 1)
    return answer.headers['location'] as string | undefined
  }
  assert.equal(await to('/api/orders/1?x=2'), '/c/billing-api/orders/1?x=2')
  assert.equal(await to('orders/2'), '/c/billing-api/orders/2')
  assert.equal(await to(`${api.url}/a`), '/c/billing-api/a')
  assert.equal(await to('https://u:p@elsewhere.example/x'), 'https://elsewhere.example/x')
  assert.equal(await to('//elsewhere.example/x'), 'http://elsewhere.example/x')
  assert.equal(await to('javascript:alert(1)'), undefined)
})

test('a large answer streams with flat memory, and one beyond the scope is cut', async () => {
  const grant = await granted()
  const size = 200 * 1024 * 1024
  const rss = async (): Promise<number> =>
    Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${gateway.pid}/status`, 'utf8'))?.[1])
  const before = await rss()
  const { body } = await request(`${grant.endpoint.url}big?n=${size}`, {
    headers: { authorization: basic(grant) },
  })
  let [bytes, most] = [0, 0]
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length
    // A client that is slow at first: nothing gathers in between.
    if (bytes < 3_000_000) await new Promise(resolve => setTimeout(resolve, 5))
    if (bytes % 1024 < 64) most = Math.max(most, await rss())
  }
  assert.equal(bytes, size)
  assert.ok(Math.max(most, await rss()) - before < 120_000, `grew by ${most - before} KiB`)
  const small = await granted('billing-api', 'order-agents')
  const refused = await request(`${small.endpoint.url}orders/../orders/x`, {
    headers: { authorization: basic(small) },
  })
  assert.equal(refused.statusCode, 200)
})

test('a broken answer ends broken, an unreachable target is 502', async () => {
  const grant = await granted()
  const headers = { authorization: basic(grant) }
  const broken = await request(`${grant.endpoint.url}broken`, { headers })
  await assert.rejects(broken.body.text())
  const dropped = await request(`${grant.endpoint.url}drop`, { headers })
  assert.equal(dropped.statusCode, 502)
  assert.match(await dropped.body.text(), /upstream_unreachable/)
  const down = await granted('down-api')
  const gone = await request(`${down.endpoint.url}x`, { headers: { authorization: basic(down) } })
  assert.equal(gone.statusCode, 502)
})

test('a client that leaves takes its request upstream with it', async () => {
  const grant = await granted()
  const { body } = await request(`${grant.endpoint.url}sse`, { headers: { authorization: basic(grant) } })
  for await (const _ of body) break
  const stream = api.last()
  await until('the API sees it leave', () => stream.left)
})

/** Reads an answer to its end, however that comes: what came, and whether the end was clean. */
function readToEnd(
  url: string,
  authorization: string,
): Promise<{ text: string; clean: boolean; ms: number }> {
  return new Promise((resolve, reject) => {
    const agent = new Agent()
    const asked = nodeRequest(url, { agent, headers: { authorization } }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => (text += chunk))
      response.once('close', () => resolve({ text, clean: response.complete, ms: Date.now() }))
      response.on('error', () => undefined)
    })
    asked.once('error', reject)
    asked.end()
  })
}

test('an event stream flows at once, is cut at the end of the grant, and does not look whole (attack 143)', async () => {
  const grant = await granted('billing-api', 'short-agents')
  const { text, clean, ms } = await readToEnd(`${grant.endpoint.url}sse`, basic(grant))
  assert.match(text, /^data: 0\n\ndata: 1\n\n/)
  assert.equal(clean, false)
  const late = ms - Date.parse(grant.expires_at)
  assert.ok(late > -50 && late < 1000, `cut ${late} ms after the end`)
  await until('the API sees it end', () => api.last().left)
  const again = await request(`${grant.endpoint.url}x`, { headers: { authorization: basic(grant) } })
  assert.equal(again.statusCode, 403)
  assert.match(await again.body.text(), /grant_expired/)
  await until('the cut is recorded', async () => (await recorded(grant)).some(line => line.type === 'cut'))
  assert.ok(
    (await recorded(grant)).some(line => line.type === 'result' && line.error?.code === 'grant_expired'),
  )
})

test('two grants share a TCP connection and never a session; the end of one leaves the other its connection', async () => {
  const [first, second] = [await granted(), await granted()]
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (grant: typeof first): Promise<number> =>
    new Promise((resolve, reject) => {
      nodeRequest(`${grant.endpoint.url}x`, { agent, headers: { authorization: basic(grant) } }, response => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0))
      })
        .once('error', reject)
        .end()
    })
  assert.equal(await ask(first), 200)
  assert.equal(await ask(second), 200)
  await gateway.api('DELETE', `/v1/grants/${first.id}`, okta.token())
  assert.equal(await ask(second), 200)
  assert.equal(await ask(first), 403)
  agent.destroy()
  assert.equal((await recorded(first)).filter(line => line.type === 'statement').length, 1)
  assert.equal((await recorded(second)).filter(line => line.type === 'statement').length, 2)
})

const opened = (ws: WebSocket): Promise<void> =>
  new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject))
const nextMessage = (ws: WebSocket): Promise<string> =>
  new Promise(resolve => ws.once('message', data => resolve(data.toString())))

test('a WebSocket: messages both ways, the lease hidden, recorded', async () => {
  const grant = await granted()
  const ws = new WebSocket(`${grant.endpoint.url.replace('http', 'ws')}socket`, {
    headers: { authorization: basic(grant) },
  })
  await opened(ws)
  assert.equal(api.last().headers.authorization, `Bearer ${secret}`)
  assert.equal(api.last().headers['sec-websocket-extensions'], undefined)
  const answer = nextMessage(ws)
  ws.send('hello')
  assert.equal(await answer, 'hello')
  const leak = nextMessage(ws)
  ws.send('secret?')
  assert.equal(await leak, `it is ${'*'.repeat(secret.length)}!`)
  const large = nextMessage(ws)
  ws.send('y'.repeat(300_000))
  assert.equal((await large).length, 300_000)
  const closed = new Promise<number>(resolve => ws.once('close', resolve))
  ws.close(1000, 'done')
  assert.equal(await closed, 1000)
  await until('the API hears the close', () => api.messages.includes('close 1000 done'))
  await gateway.api('DELETE', `/v1/grants/${grant.id}`, okta.token())
  await until('the recording is closed', async () =>
    (await recorded(grant)).some(line => line.type === 'seal'),
  )
  const lines = await recorded(grant)
  assert.deepEqual(
    lines.filter(line => line.type === 'statement').map(line => [line.kind, line.text]),
    [['upgrade', 'GET /socket']],
  )
  const input = lines.filter(line => line.type === 'input')
  assert.ok(
    input.some(line => line.data?.startsWith('hellosecret?')),
    JSON.stringify(input).slice(0, 300),
  )
  assert.ok(lines.some(line => line.type === 'output' && line.what === 'websocket'))
})

test('a WebSocket is closed with 1001 and the reason within a second of the end of its grant', async () => {
  const grant = await granted('billing-api', 'short-agents')
  const ws = new WebSocket(`${grant.endpoint.url.replace('http', 'ws')}socket`, {
    headers: { authorization: basic(grant) },
  })
  await opened(ws)
  const [code, reason] = await new Promise<[number, string]>(resolve =>
    ws.once('close', (at, why) => resolve([at, why.toString()])),
  )
  assert.ok(Date.now() - Date.parse(grant.expires_at) < 1000)
  assert.equal(code, 1001)
  assert.match(reason, /expired/)
  await until('the API hears it too', () => api.messages.some(message => message.startsWith('close 1001')))
})

test('a WebSocket is asked for by GET, and by nothing that is judged as something else', async () => {
  const grant = await granted()
  const before = api.seen.length
  const asked = nodeRequest(`${grant.endpoint.url}socket`, {
    method: 'POST',
    headers: {
      authorization: basic(grant),
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
      'content-length': '0',
    },
  })
  const status = new Promise<number | undefined>((resolve, reject) => {
    asked.once('response', answer => resolve(answer.resume().statusCode))
    asked.once('error', reject)
  })
  asked.end()
  assert.equal(await status, 400)
  assert.equal(api.seen.length, before)
})

test('a WebSocket that is not in scope, or that the target refuses, is refused with the reason', async () => {
  const refused = (grant: { endpoint: { url: string } }, path: string): Promise<number> =>
    new Promise(resolve => {
      const ws = new WebSocket(grant.endpoint.url.replace('http', 'ws') + path, {
        headers: { authorization: basic(grant) },
      })
      ws.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0))
      ws.once('error', () => undefined)
    })
  const orders = await granted('billing-api', 'order-agents')
  const before = api.seen.length
  assert.equal(await refused(orders, 'orders/1'), 403)
  assert.equal(api.seen.length, before)
  assert.equal(await refused(await granted(), 'no-ws'), 422)
})

test('a one-shot goes through the same guard and recorder', async () => {
  const grant = await granted()
  const token = okta.token()
  const shot = (body: object): Promise<Answer> =>
    gateway.api('POST', `/v1/grants/${grant.id}/request`, token, body)
  const done = await shot({
    method: 'POST',
    path: '/a/../b?x=1',
    headers: { 'Content-Type': 'text/plain', Authorization: 'Bearer mine' },
    body: 'hello',
  })
  assert.equal(done.status, 200, done.text)
  assert.equal(done.json.status, 200)
  assert.equal(done.json.truncated, false)
  assert.deepEqual(JSON.parse(done.json.body), { method: 'POST', url: '/api/b?x=1', body: 'hello' })
  assert.equal(api.last().headers.authorization, `Bearer ${secret}`)
  const leak = await shot({ method: 'GET', path: '/leak' })
  assert.ok(!leak.text.includes(secret))
  const no = await shot({ method: 'DELETE', path: '/b' })
  assert.equal(`${no.status} ${no.json.code}`, '403 statement_refused')
  const unread = await shot({ method: 'GET', path: '/a%2fb' })
  assert.equal(unread.json.code, 'statement_unparsable')
  assert.equal((await shot({ method: 'GET', path: '/b', more: 1 })).status, 400)
  assert.equal((await shot({ method: 'GET', path: 'http://evil/' })).status, 400)
  const big = await shot({ method: 'GET', path: '/big?n=5000000' })
  assert.equal(big.json.truncated, true)
  assert.equal(big.json.body.length, 1024 * 1024)
  assert.equal((await shot({ method: 'GET', path: '/cookie' })).json.status, 401)
})

test('`postern connect` runs curl with the grant and gives it back', { skip: missing('curl') }, async () => {
  const ran = await gateway.cli(['connect', 'billing-api', '--', '/v1/x?y=2', '-sS'], { token: okta.token() })
  assert.equal(ran.status, 0, ran.stderr)
  assert.match(ran.stdout, /"url":"\/api\/v1\/x\?y=2"/)
})
