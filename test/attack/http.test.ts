/** ATTACKS.md section 4.5 over raw sockets: framing, hops, other requests' paths, and what a browser could be made to send. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { connect as connectHttp2, type OutgoingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Api, startApi } from '../fixtures/api.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { until } from '../fixtures/run.ts'

const secret = 'lease-value-7f3a9c2e5b8d'
let home: Home
let okta: FakeOkta
let api: Api
let gateway: Gateway
let authorization: string

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  api = await startApi(home, secret)
  gateway = await startGateway(home, {
    okta,
    env: { KEY: secret },
    connections: `  api:\n    protocol: http\n    target: { url: "${api.url}" }\n    lease: { header: X-Api-Key, value: "env:KEY" }\n  by-token:\n    protocol: http\n    target: { url: "${api.url}" }\n    lease: { header: X-Api-Key, value: "env:KEY" }\n    token_login: true\n`,
    rules:
      '  - { group: token-agents, connection: by-token, ttl: 10m, scope: { methods: [GET], paths: ["/orders/**"] } }\n  - { group: sre-agents, connection: api, ttl: 10m, scope: { methods: [GET, POST, OPTIONS], paths: ["/orders/**"], headers: ["*"], max_body: 1000, websocket: true } }',
  })
  const { json } = await gateway.grant(okta.token(), 'api')
  authorization = `Basic ${Buffer.from(`${json.credential.username}:${json.credential.password}`).toString('base64')}`
})
after(() => home?.close())

/** Sends bytes as they are, and reads until the other side ends or nothing comes for a moment. */
function raw(text: string, quiet = 400): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(gateway.ports.http, '127.0.0.1', () => socket.write(Buffer.from(text, 'latin1')))
    let answer = ''
    const end = (): void => {
      socket.destroy()
      resolve(answer)
    }
    let timer = setTimeout(end, 5000)
    socket.on('data', chunk => {
      answer += chunk.toString('latin1')
      clearTimeout(timer)
      timer = setTimeout(end, quiet)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(answer)
    })
  })
}

const line = (target: string, method = 'GET'): string => `${method} ${target} HTTP/1.1\r\n`
const host = (): string => `Host: 127.0.0.1:${gateway.ports.http}\r\n`
const auth = (): string => `Authorization: ${authorization}\r\n`
const good = (more = '', body = '', method = 'GET'): string =>
  `${line('/c/api/orders/1', method)}${host()}${auth()}${more}\r\n${body}`
const statuses = (answer: string): string[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(found => found[1] ?? '')

/** None of these reaches the API, whatever it is answered. */
async function assertStopped(text: string, label: string, allowed = /^(4\d\d|50\d)?$/): Promise<void> {
  const before = api.seen.length
  const answer = await raw(text)
  assert.match(statuses(answer).join(), allowed, `${label}: ${answer.slice(0, 200)}`)
  assert.equal(api.seen.length, before, `${label} reached the API: ${JSON.stringify(api.seen.at(-1))}`)
}

test('H134: no framing that two readers could read differently goes on', async () => {
  const post = (more: string, body: string): string => good(more, body, 'POST')
  const smuggled = 'GET /c/api/orders/smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
  for (const [label, text] of [
    ['TE and CL', post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', `0\r\n\r\n${smuggled}`)],
    ['CL and TE', post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`)],
    ['two CLs', post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello!')],
    ['CL list', post('Content-Length: 5, 5\r\n', 'hello')],
    ['CL plus', post('Content-Length: +5\r\n', 'hello')],
    ['CL hex', post('Content-Length: 0x5\r\n', 'hello')],
    ['CL negative', post('Content-Length: -1\r\n', 'hello')],
    ['TE list', post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n')],
    ['TE xchunked', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
    ['TE VT', post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n')],
    ['TE gzip', post('Transfer-Encoding: gzip\r\n', 'x')],
    ['TE space', post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n')],
    ['TE twice', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', '0\r\n\r\n')],
    ['obs-fold', post('X-A: a\r\n b\r\nContent-Length: 0\r\n', '')],
    ['bare LF', good().replaceAll('\r\n', '\n')],
    ['bare CR', good('X-A: a\rX-B: b\r\n')],
    ['NUL in a header', good('X-A: a\0b\r\n')],
    ['space before colon', good('X-A : a\r\n')],
    ['no colon', good('X-A\r\n')],
  ] as const)
    await assertStopped(text, label)
  for (const [label, body] of [
    ['bad chunk size', 'zz\r\nhello\r\n0\r\n\r\n'],
    ['negative chunk', '-1\r\nhello\r\n0\r\n\r\n'],
    ['huge chunk size', 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n'],
    ['no CRLF after a chunk', '5\r\nhelloX0\r\n\r\n'],
  ] as const) {
    const answer = await raw(good('Transfer-Encoding: chunked\r\n', body, 'POST'))
    assert.ok(!statuses(answer).includes('200'), `${label}: ${answer.slice(0, 100)}`)
    assert.ok(!api.seen.some(one => one.body.includes('hello')), label)
  }
})

test('H134: what is well framed is framed anew', async () => {
  const answer = await raw(
    good(
      'Transfer-Encoding: chunked\r\nContent-Type: text/plain\r\n',
      '5;ext=1\r\nhello\r\n0\r\nX-Trailer: evil\r\n\r\n',
      'POST',
    ),
  )
  assert.deepEqual(statuses(answer), ['200'])
  assert.equal(api.last().body, 'hello')
  assert.ok(!JSON.stringify(api.last().rawHeaders).includes('railer'))
})

test('H135: h2c, CONNECT and pseudo-headers are nothing here', async () => {
  const h2c = await raw(
    good('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'),
  )
  assert.deepEqual(statuses(h2c), ['200'])
  assert.equal(api.last().headers.upgrade, undefined)
  assert.equal(api.last().headers['http2-settings'], undefined)
  await assertStopped(`CONNECT 169.254.169.254:80 HTTP/1.1\r\n${host()}${auth()}\r\n`, 'CONNECT')
  await assertStopped(`${line('/c/api/orders/1')}${host()}${auth()}:method: POST\r\n\r\n`, 'pseudo-header')
  await assertStopped('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'HTTP/2 preface')
})

test('H136: the target is fixed by configuration, whatever Host and the request line say', async () => {
  for (const [label, text] of [
    ['no Host', `${line('/c/api/orders/1')}${auth()}\r\n`],
    ['two Hosts', `${line('/c/api/orders/1')}${host()}Host: evil.example\r\n${auth()}\r\n`],
    ['another Host', `${line('/c/api/orders/1')}Host: evil.example\r\n${auth()}\r\n`],
    [
      'Host with userinfo',
      `${line('/c/api/orders/1')}Host: a@127.0.0.1:${gateway.ports.http}\r\n${auth()}\r\n`,
    ],
    ['absolute-form', `${line('http://evil.example/c/api/orders/1')}${host()}${auth()}\r\n`],
    [
      'absolute-form of ours',
      `${line(`http://127.0.0.1:${gateway.ports.http}/c/api/orders/1`)}${host()}${auth()}\r\n`,
    ],
    ['authority-form', `${line('evil.example:80')}${host()}${auth()}\r\n`],
    ['asterisk-form', `${line('*', 'OPTIONS')}${host()}${auth()}\r\n`],
    ['two slashes', `${line('//c/api/orders/1')}${host()}${auth()}\r\n`],
    ['encoded door', `${line('/%63/api/orders/1')}${host()}${auth()}\r\n`],
    ['other scheme', `${line('file:///etc/passwd')}${host()}${auth()}\r\n`],
  ] as const)
    await assertStopped(text, label)
  await raw(
    good('X-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\nX-Host: evil.example\r\n'),
  )
  assert.equal(api.last().headers.host, `127.0.0.1:${api.port}`)
  assert.ok(!JSON.stringify(api.last().rawHeaders).includes('evil'))
})

test('H137, H138: exactly one credential arrives, the lease, though the client strikes it out and sends its own', async () => {
  await raw(
    good(
      'Connection: x-api-key, authorization, x-trace\r\nX-Trace: 1\r\nX-Api-Key: mine\r\nx_api_key: mine\r\nX-API-KEY: mine\r\nCookie: s=1\r\nProxy-Authorization: x\r\n',
    ),
  )
  const { rawHeaders, headers } = api.last()
  assert.equal(headers['x-api-key'], secret)
  assert.equal(rawHeaders.filter(name => /^x[-_]api[-_]key$/i.test(name)).length, 1)
  assert.ok(!rawHeaders.includes('mine'))
  for (const name of ['authorization', 'cookie', 'proxy-authorization', 'x-trace'])
    assert.equal(headers[name], undefined, name)
})

test('H139: nothing else than what was judged is asked for', async () => {
  await raw(
    good(
      'X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX_HTTP_METHOD_OVERRIDE: DELETE\r\nX-Accel-Redirect: /admin\r\n',
    ),
  )
  assert.ok(!/DELETE|admin/.test(JSON.stringify(api.last().rawHeaders)))
  await assertStopped(
    `${line('/c/api/orders/1?_method=DELETE', 'POST')}${host()}${auth()}Content-Length: 0\r\n\r\n`,
    '_method',
  )
})

test('H141: TRACE shows nothing', async () => {
  await assertStopped(good('', '', 'TRACE'), 'TRACE')
})

test('H144: each of two pipelined requests is judged by itself, and a stalled body is not waited for upstream', async () => {
  const second = `${line('/c/api/admin')}${host()}${auth()}\r\n`
  assert.deepEqual(statuses(await raw(second + good() + second)), ['403', '200', '403'])
  const before = api.seen.length
  const expects = await raw(
    good('Expect: 100-continue\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n', '', 'POST'),
  )
  assert.deepEqual(statuses(expects), ['100'])
  assert.equal(api.seen.length, before)
  const refused = await raw(
    `${line('/c/api/admin', 'POST')}${host()}${auth()}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
  )
  assert.deepEqual(statuses(refused), ['403'])
})

test('H144: a body beyond the scope is refused before or while it comes', async () => {
  const before = api.seen.length
  assert.match(
    await raw(good(`Content-Length: 1001\r\nContent-Type: text/plain\r\n`, 'x'.repeat(1001), 'POST')),
    /^HTTP\/1\.1 413[\s\S]*limit_exceeded/,
  )
  assert.equal(api.seen.length, before)
  const chunk = `200\r\n${'x'.repeat(512)}\r\n`
  const streamed = await raw(
    good('Transfer-Encoding: chunked\r\nContent-Type: text/plain\r\n', `${chunk.repeat(4)}0\r\n\r\n`, 'POST'),
  )
  assert.match(streamed, /^HTTP\/1\.1 413[\s\S]*limit_exceeded/)
  await until('the API sees no whole body', () => api.seen.slice(before).every(one => one.body === ''))
})

test('H146: a page of somebody else reaches no door, by a name it controls or from its own origin', async () => {
  for (const [label, more] of [
    ['Origin null', 'Origin: null\r\n'],
    ['another Origin', 'Origin: https://evil.example\r\n'],
    ['an Origin that looks like ours', `Origin: http://127.0.0.1:${gateway.ports.http}.evil.example\r\n`],
  ] as const)
    await assertStopped(good(more), label, /^403$/)
  await assertStopped(
    `${line('/c/api/orders/1')}Host: rebound.example:${gateway.ports.http}\r\n${auth()}\r\n`,
    'a rebound name',
    /^403$/,
  )
  await assertStopped(
    good(
      'Origin: https://evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
    ),
    'a WebSocket of another origin',
    /^403$/,
  )
  const preflight = await raw(good('Access-Control-Request-Method: DELETE\r\n', '', 'OPTIONS'))
  assert.ok(!/access-control-allow/i.test(preflight))
})

test('H142: a WebSocket handshake in any other form is refused', async () => {
  const ws = (more: string): string => good(`Connection: Upgrade\r\nUpgrade: websocket\r\n${more}`)
  for (const [label, more] of [
    ['no key', 'Sec-WebSocket-Version: 13\r\n'],
    ['a short key', 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: abc\r\n'],
    [
      'two keys',
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
    ],
    ['version 8', 'Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'],
    [
      'a body',
      'Content-Length: 3\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
    ],
  ] as const)
    await assertStopped(ws(more), label)
  const unmasked = await raw(
    `${ws('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n')}\x81\x05hello`,
  )
  assert.match(unmasked, /^HTTP\/1\.1 101/)
  // 0x88, then 1002: the protocol was violated.
  assert.ok(unmasked.includes('\x03\xea'), JSON.stringify(unmasked.slice(-80)))
  assert.ok(!api.messages.includes('hello'))
})

test('H135: over HTTP/2 nothing becomes a second request or another header on its way to HTTP/1.1', async () => {
  const ca = await readFile(join(gateway.dir, 'data/keys/ca.pem'), 'utf8')
  const before = api.seen.length
  const table: readonly [string, Readonly<Record<string, string | readonly string[]>>, string?][] = [
    ['transfer-encoding', { 'transfer-encoding': 'chunked' }],
    ['connection', { connection: 'x-api-key' }],
    [
      'a length that is not the body',
      { ':method': 'POST', 'content-length': '3', 'content-type': 'text/plain' },
      'hello',
    ],
    [
      'two lengths',
      { ':method': 'POST', 'content-length': ['5', '6'], 'content-type': 'text/plain' },
      'hello',
    ],
    ['a space in the path', { ':path': '/c/api/orders/1 HTTP/1.1' }],
    ['a line in the path', { ':path': '/c/api/orders/1\r\nx: y' }],
    ['an absolute path', { ':path': 'http://evil.example/c/api/orders/1' }],
    ['out of the connection', { ':path': '/c/api/../other/x' }],
    ['another authority', { ':authority': 'evil.example' }],
    ['a Host beside it', { host: 'evil.example' }],
    ['TRACE', { ':method': 'TRACE' }],
    ['a method in small letters', { ':method': 'get' }],
    ['two credentials', { authorization: [authorization, 'Bearer pst_other'] }],
    ['a foreign Origin', { origin: 'https://evil.example' }],
  ]
  for (const [label, more, body] of table) {
    const session = connectHttp2(`https://localhost:${gateway.ports.http}`, {
      ca,
    })
    session.on('error', () => undefined)
    const status = await new Promise<number>(resolve => {
      try {
        const stream = session.request(
          { ':path': '/c/api/orders/1', authorization, ...more } as OutgoingHttpHeaders,
          { endStream: body === undefined },
        )
        stream.on('response', headers => resolve(headers[':status'] ?? 0))
        stream.on('error', () => resolve(0))
        stream.on('close', () => resolve(0))
        if (body !== undefined) stream.end(body)
      } catch {
        // Node's own client will not send it.
        resolve(0)
      }
    })
    session.destroy()
    assert.ok(status === 0 || status >= 400, `${label}: ${status}`)
  }
  assert.equal(api.seen.length, before)
})

test('who is refused with a right credential slows down nobody else at its connection (attacks 46, 199)', async () => {
  const at = async (credential: string) =>
    (await gateway.api('GET', '/c/by-token/orders/1', credential)).status
  const untilSlowed = async (credential: string): Promise<number> => {
    for (let n = 0; n < 300; n++) {
      const status = await at(credential)
      if (status === 429) return n
      assert.equal(status, 403)
    }
    return Number.POSITIVE_INFINITY
  }
  const neighbour = okta.token({ groups: ['token-agents'] })
  const { json: own } = await gateway.grant(neighbour, 'by-token')
  const other = okta.token({ groups: ['token-agents'], sub: 'other@example.com' })
  const { json: over } = await gateway.grant(other, 'by-token')
  await gateway.api('DELETE', `/v1/grants/${over.id}`, other)

  // A token without a rule, and an ended grant's password, which names its grant by itself.
  for (const refused of [okta.token({ sub: 'stranger@example.com' }), over.credential.password]) {
    assert.ok((await untilSlowed(refused)) >= 100)
    assert.equal(await at(neighbour), 200)
    assert.equal(await at(own.credential.password), 200)
  }
  const { text } = await gateway.api('GET', '/metrics')
  assert.match(text, /postern_denials_total\{code="rate_limited",where="door"\} 2\n/)
})
