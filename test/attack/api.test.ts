/** ATTACKS.md H146, M164 to M174, R195 and R197: the API itself under attack. One refusal each, and nothing told in passing. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { pgUrl, psql } from '../fixtures/clients.ts'
import { type Answer, type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres } from '../fixtures/postgres.ts'
import { missing } from '../fixtures/run.ts'
import { ask, assertRefused, audit, freshSource, send } from './send.ts'

const skip = missing('psql')
let home: Home
let okta: FakeOkta
let gateway: Gateway
let token: string

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  gateway = await startGateway(home, {
    okta,
    postgres: await startPostgres(home),
    rules:
      '  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders] } }',
  })
  token = okta.token({ groups: ['analyst-agents'], sub: 'analyst@example.com' })
})
after(() => home?.close())

const json = { 'content-type': 'application/json' }
const authorization = (by = token): Record<string, string> => ({ authorization: `Bearer ${by}` })

/** The raw answer to raw bytes, and whether the connection was closed. */
function raw(text: string): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect({ port: gateway.ports.http, host: '127.0.0.1', localAddress: freshSource() })
    let answer = ''
    socket.setEncoding('latin1').on('data', chunk => (answer += chunk))
    socket.once('close', () => done(answer))
    socket.once('error', fail)
    socket.setTimeout(15_000, () => socket.destroy())
    socket.write(text, 'latin1')
  })
}
const host = (): string => `127.0.0.1:${gateway.ports.http}`

test('H146: a Host or Origin that is not this gateway is refused with a token and without', {
  skip,
}, async () => {
  for (const headers of [
    { host: 'evil.example' },
    { host: `evil.example:${gateway.ports.http}` },
    { host: '127.0.0.1' },
    { host: 'localhost:1' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: `http://127.0.0.1.evil.example:${gateway.ports.http}` },
    { origin: 'file://' },
    { origin: '' },
  ])
    for (const more of [authorization(), {}]) {
      const answer = await send(gateway.ports.http, {
        method: 'POST',
        path: '/v1/grants',
        headers: { ...json, ...headers, ...more } as Record<string, string>,
        body: '{"connection":"orders-db"}',
      })
      assert.equal(answer.status, 403, JSON.stringify(headers))
      assert.equal(answer.json?.code, 'not_permitted')
      assert.equal(answer.headers.get('access-control-allow-origin'), null)
    }
  const named = await send(gateway.ports.http, {
    path: '/v1/connections',
    headers: {
      ...authorization(),
      host: `LOCALHOST:${gateway.ports.http}`,
      'x-forwarded-host': 'evil.example',
      forwarded: 'host=evil.example',
    },
  })
  assert.equal(named.status, 200)
})

test('H146: no CORS: a preflight gets no permission, and a form of a web page is no request', {
  skip,
}, async () => {
  const preflight = await send(gateway.ports.http, {
    method: 'OPTIONS',
    path: '/v1/grants',
    headers: {
      origin: gateway.url,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    },
  })
  assert.ok(preflight.status >= 400)
  assert.deepEqual(
    [...preflight.headers.keys()].filter(name => name.startsWith('access-control')),
    [],
  )
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    '',
    'application/jsonx',
    'text/json',
  ])
    await assertRefused(
      { gateway, okta },
      from =>
        ask(
          gateway,
          `Bearer ${token}`,
          { connection: 'orders-db' },
          { from, headers: { 'content-type': type } },
        ),
      { status: 400, code: 'request_invalid' },
    )
})

test('H136: no Host, two Hosts and an absolute-form request for another host are refused', {
  skip,
}, async () => {
  const request = (head: string): Promise<string> =>
    raw(`${head}\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`)
  const refused = [
    await request('GET /v1/connections HTTP/1.1'),
    await request(`GET /v1/connections HTTP/1.1\r\nHost: evil.example\r\nHost: ${host()}`),
    await request('GET http://evil.example/v1/connections HTTP/1.1\r\nHost: evil.example'),
  ]
  for (const answer of refused) assert.match(answer, /^HTTP\/1\.1 4\d\d/, answer.slice(0, 200))
  const good = await request(`GET /v1/connections HTTP/1.1\r\nHost: ${host()}`)
  assert.match(good, /^HTTP\/1\.1 200/)
  // The second of two Hosts must not be the one that was judged.
  const second = await request(`GET /v1/connections HTTP/1.1\r\nHost: ${host()}\r\nHost: evil.example`)
  assert.doesNotMatch(second, /evil/)
})

test('H134: requests that two parsers would cut in two places are refused and the connection is closed', {
  skip,
}, async () => {
  const head = `POST /v1/grants HTTP/1.1\r\nHost: ${host()}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`
  const smuggled = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
  const odd = [
    `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    `Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}   ${smuggled}`,
    `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
    `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
    `Content-Length: +2\r\n\r\n{}${smuggled}`,
    `Content-Length : 2\r\n\r\n{}${smuggled}`,
    `X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}${smuggled}`,
    `X: a\nContent-Length: 2\r\n\r\n{}${smuggled}`,
    'Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n',
  ]
  for (const rest of odd) {
    const answer = await raw(head + rest)
    assert.ok(!/HTTP\/1\.1 2\d\d/.test(answer), `${JSON.stringify(rest)} gave ${answer.slice(0, 300)}`)
  }
})

test('M164, M172, R197: wrong types, unknown members and prototype keys are refused, none ignored', {
  skip,
}, async () => {
  const bodies = [
    '',
    'null',
    '[]',
    '"orders-db"',
    '7',
    '{}',
    '{"connection":["orders-db"]}',
    '{"connection":{"a":1}}',
    '{"connection":"orders-db","x":1}',
    '{"connection":"orders-db","__proto__":{"rule":"x"}}',
    '{"connection":"orders-db","constructor":{"prototype":{}}}',
    '{"connection":"orders-db","state":"active"}',
    '{"connection":"orders-db","expires_at":"2099-01-01T00:00:00Z"}',
    '{"connection":"orders-db","id":"g_x"}',
    '{"connection":"orders-db","identity":{}}',
    '{"connection":"orders-db","approved_by":"me"}',
    '{"connection":"orders-db","reason":7}',
    '{"connection":"orders-db","reason":NaN}',
    `{"connection":"orders-db","reason":"${'x'.repeat(2000)}"}`,
    '{"connection":"orders-db","reason":"\\ud800"}',
    '{"connection":"orders-db"',
    '{"connection":"orders-db"}}',
    "{connection:'orders-db'}",
  ]
  for (const body of bodies)
    await assertRefused({ gateway, okta }, from => ask(gateway, `Bearer ${token}`, body, { from }), {
      status: 400,
      code: 'request_invalid',
    })
  assert.equal((await ask(gateway, `Bearer ${token}`, { connection: 'orders-db' })).status, 201)
})

test('M164, R195: a body of megabytes, or of many levels, is refused by its size, also when it comes in pieces', {
  skip,
}, async () => {
  const deep = `{"connection":"orders-db","scope":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
  const answers = [
    await ask(
      gateway,
      `Bearer ${token}`,
      `{"connection":"orders-db","reason":"${'x'.repeat(10 * 1024 * 1024)}"}`,
    ).catch(() => undefined),
    await ask(gateway, `Bearer ${token}`, deep),
    await ask(
      gateway,
      `Bearer ${token}`,
      `{"connection":"orders-db","scope":{"tables":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`,
    ),
    await ask(gateway, `Bearer ${token}`, `{${Array.from({ length: 5000 }, (_, at) => `"${at}":1`).join()}}`),
  ]
  for (const answer of answers)
    assert.ok(
      answer === undefined || answer.status === 413 || answer.json?.code === 'request_invalid',
      `${answer?.text}`,
    )
  const chunk = 'x'.repeat(16 * 1024)
  const chunks = Array.from({ length: 40 }, () => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')
  const pieces = await raw(
    `POST /v1/grants HTTP/1.1\r\nHost: ${host()}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunks}0\r\n\r\n`,
  )
  assert.match(pieces, /^HTTP\/1\.1 4(13|00)/)
  assert.equal((await send(gateway.ports.http, { path: '/readyz' })).status, 200)
})

const peoples: readonly (readonly [string, string, string?])[] = [
  ['GET', '/v1/grants'],
  ['GET', '/v1/sessions'],
  ['GET', '/v1/sessions/s_x'],
  ['GET', '/v1/sessions/s_x/recording'],
  ['GET', '/v1/audit'],
  ['DELETE', '/v1/sessions/s_x'],
  ['GET', '/v1/locks'],
  ['POST', '/v1/locks', '{"subject":"victim@example.com","reason":"x"}'],
  ['DELETE', '/v1/locks/l_x'],
  // What was sent is looked at only once the caller may send it.
  ['POST', '/v1/locks', '{"subjekt":7}'],
  ['GET', '/v1/audit?before=nonsense'],
]

test("M171: an agent at people's calls is refused and audited, whatever groups its token has", {
  skip,
}, async () => {
  const everything = okta.token({
    groups: ['postern-operators', 'postern-auditors', 'analyst-agents'],
    sub: 'mole@example.com',
  })
  for (const [method, path, body] of peoples) {
    const answer = await send(gateway.ports.http, {
      method,
      path,
      headers: { ...authorization(everything), ...json },
      ...(body && { body }),
    })
    assert.equal(`${answer.status} ${answer.json?.code}`, '403 not_permitted', `${method} ${path}`)
  }
  const lines = await audit(gateway, okta, { type: 'people.refused', subject: 'mole@example.com' })
  assert.deepEqual(
    lines.map(line => (line['facts'] as { call: string }).call).sort(),
    peoples.map(([method, path]) => `${method} ${path.replace(/\?.*/, '')}`).sort(),
  )
})

test('M171: a person without the group, one that acts for another, and one whose subject is its client are refused', {
  skip,
}, async () => {
  const fakes = [
    okta.person([]),
    okta.person(['dba']),
    okta.person(['postern-operators'], { act: { sub: 'agent' } }),
    okta.person(['postern-operators'], { sub: '0oaPeople' }),
    okta.person(['Postern-Operators']),
  ]
  for (const fake of fakes)
    for (const [method, path, body] of peoples) {
      const answer = await send(gateway.ports.http, {
        method,
        path,
        headers: { ...authorization(fake), ...json },
        ...(body && { body }),
      })
      assert.equal(answer.json?.code, 'not_permitted', `${method} ${path}`)
    }
  const auditor = okta.person(['postern-auditors'])
  for (const [method, path, body] of peoples.filter(([method]) => method !== 'GET')) {
    const answer = await send(gateway.ports.http, {
      method,
      path,
      headers: { ...authorization(auditor), ...json },
      ...(body && { body }),
    })
    assert.equal(answer.json?.code, 'not_permitted', `${method} ${path}`)
  }
})

test('M171: method overrides and paths written otherwise reach nothing that the plain ones do not', {
  skip,
}, async () => {
  const overrides = {
    'x-http-method-override': 'DELETE',
    'x-method-override': 'DELETE',
    'x-original-url': '/v1/audit',
    'x-rewrite-url': '/v1/audit',
    'x-forwarded-uri': '/healthz',
  }
  const mine = await ask(gateway, `Bearer ${token}`, { connection: 'orders-db' })
  const looked = await send(gateway.ports.http, {
    path: `/v1/grants/${mine.json.id}?_method=DELETE`,
    headers: { ...authorization(), ...overrides },
  })
  assert.equal(looked.json.state, 'active')
  for (const path of [
    '/v1/./audit',
    '/v1//audit',
    '//v1/audit',
    '/v1/grants/../audit',
    '/v1/%61udit',
    '/V1/AUDIT',
    '/v1/audit/',
    '/v1/audit;x=1',
    '/healthz/../v1/audit',
    '/v1/grants/%2e%2e/audit',
    '/v1/audit%00',
    '/v1\\audit',
    '/healthz%2f..%2fv1%2faudit',
    '/readyz/v1/audit',
  ]) {
    for (const by of [authorization(), {}]) {
      const answer = await send(gateway.ports.http, { path, headers: by as Record<string, string> })
      assert.ok(answer.status >= 400, `${path} gave ${answer.status}`)
      assert.ok(!Array.isArray(answer.json))
    }
  }
  for (const method of ['PUT', 'PATCH', 'TRACE', 'PROPFIND', 'SEARCH']) {
    const answer = await send(gateway.ports.http, {
      method,
      path: '/v1/grants',
      headers: { ...authorization(), ...json },
    })
    assert.ok(answer.status >= 400, method)
    assert.ok(!answer.text.includes(token))
  }
})

test("M173: another's session, its recording and files beside it cannot be read by any id", {
  skip,
}, async () => {
  const auditor = okta.person(['postern-auditors'])
  const grant = (await ask(gateway, `Bearer ${token}`, { connection: 'orders-db' })).json
  await psql(pgUrl(gateway, grant), 'select 1')
  const [line] = await audit(gateway, okta, { type: 'session.opened', grant: grant.id })
  const session = String(line?.['session'])
  assert.match(session, /^s_[A-Za-z0-9]{16,}$/)
  const own = await send(gateway.ports.http, {
    path: `/v1/sessions/${session}/recording`,
    headers: authorization(),
  })
  assert.equal(own.json.code, 'not_permitted')
  const read = await send(gateway.ports.http, {
    path: `/v1/sessions/${session}/recording`,
    headers: authorization(auditor),
  })
  assert.equal(read.status, 200)
  assert.match(read.text, /select 1/)
  for (const path of [
    '..%2f..%2fkeys',
    '..',
    '%2e%2e',
    `${session}%00`,
    's_',
    '.',
    `..%2frecordings%2f${session}`,
  ]) {
    const answer = await send(gateway.ports.http, {
      path: `/v1/sessions/${path}/recording`,
      headers: authorization(auditor),
    })
    assert.ok(answer.status >= 400, path)
  }
  for (const file of [
    '../../keys/audit.key.pem',
    '..%2f..%2fkeys%2faudit.key.pem',
    '/etc/passwd',
    'session.jsonl/../../../keys/audit.key.pem',
    '.',
    'terminal.cast%00',
    '../session.jsonl',
  ]) {
    const answer = await send(gateway.ports.http, {
      path: `/v1/sessions/${session}/recording?file=${file}`,
      headers: authorization(auditor),
    })
    assert.ok(answer.status >= 400, file)
    assert.doesNotMatch(answer.text, /PRIVATE KEY|root:/)
  }
})

test('M173: ids are random: nothing of the next follows from the last', { skip }, async () => {
  const ids: string[] = []
  for (let at = 0; at < 12; at++)
    ids.push((await ask(gateway, `Bearer ${token}`, { connection: 'orders-db' })).json.id)
  assert.equal(new Set(ids.map(id => id.slice(-12))).size, ids.length)
  for (const id of ids) assert.match(id, /^g_[A-Za-z0-9]{18,}$/)
})

test('M174: health, readiness, metrics, metadata and OpenAPI name no connection, subject or secret', {
  skip,
}, async () => {
  for (const path of [
    '/healthz',
    '/readyz',
    '/metrics',
    '/.well-known/oauth-protected-resource',
    '/openapi.json',
    '/',
    '/nothing',
  ]) {
    const { text } = await send(gateway.ports.http, { path })
    for (const secret of ['orders-db', 'web-1', 'analyst', 'app_ro', '127.10.', gateway.dir])
      assert.ok(!text.includes(secret), `${path} says ${secret}`)
    assert.doesNotMatch(text, /\b[gs]_[A-Za-z0-9]{10}|at .*\.ts:\d+/)
  }
})

test('H: every answer forbids sniffing and storing, and errors are problem+json with a correlation id', {
  skip,
}, async () => {
  const tries: Promise<Answer>[] = [
    send(gateway.ports.http, { path: '/v1/connections' }),
    send(gateway.ports.http, { path: '/no' }),
    ask(gateway, `Bearer ${token}`, '{'),
    send(gateway.ports.http, { path: '/v1/connections', headers: authorization() }),
  ]
  for (const answer of await Promise.all(tries)) {
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    if (answer.status < 400) continue
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
    assert.match(answer.json.instance, /^urn:postern:request:[0-9a-f]{16}$/)
    assert.deepEqual(Object.keys(answer.json).slice(0, 6), [
      'type',
      'title',
      'status',
      'detail',
      'code',
      'instance',
    ])
  }
})

test('A180: line breaks, terminal escapes and separators in what an agent states stay inside one JSON line', {
  skip,
}, async () => {
  const evil = 'a\r\n{"type":"grant.issued"}\u0000\u001b[2J\u2028\u202e\u0007'
  const answer = await ask(gateway, `Bearer ${token}`, { connection: 'orders-db', reason: evil, task: evil })
  const shown = [await audit(gateway, okta, { grant: answer.json?.id ?? 'none' }), await gateway.log()]
  assert.ok(!gateway.dir.includes(evil) && !String(shown[1]).includes('\u001b[2J'))
  for (const line of String(shown[1]).trim().split('\n')) JSON.parse(line)
  const tail = await gateway.cli(['audit', 'tail', '--data', `${gateway.dir}/data`, '--once', '-n', '50'])
  assert.equal(tail.status, 0, tail.stderr)
  assert.doesNotMatch(tail.stdout, /[\u0000-\u0008\u000b-\u001f\u202e]/)
})
