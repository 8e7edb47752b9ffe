/** ATTACKS.md section 4.1 over the wire: every forged, foreign, stale or odd token is refused by its own code, and audited. */
import assert from 'node:assert/strict'
import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Gateway, type Setting, startGateway } from '../fixtures/gateway.ts'
import { type Claims, type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { ask, assertRefused, audit, freshSource, type Refusal, send } from './send.ts'

let home: Home
let okta: FakeOkta
let gateway: Gateway
let setting: Setting
let k2: KeyObject

const connection = `
  web-1:
    protocol: ssh
    target: { host: 127.0.0.1, port: 9, host_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDaWHuGKVYkBlIZnM2jJYbaLT3mNyNfOOYNZ9kZNg3k" }
    lease: { user: deploy, password: "env:ORDERS_PASSWORD" }
  web-2:
    protocol: ssh
    target: { host: 127.0.0.1, port: 9, host_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDaWHuGKVYkBlIZnM2jJYbaLT3mNyNfOOYNZ9kZNg3k" }
    lease: { user: deploy, password: "env:ORDERS_PASSWORD" }
`
before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  k2 = okta.addKey('k2')
  setting = {
    okta,
    connections: connection,
    issuerKeys:
      'clients: [0oaAgent1, 0oaAgent2, 0oaService]\nclient_groups: { 0oaService: [sre-agents] }\nclock_tolerance: 5s',
    rules: `
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { shell: true, exec: ["*"] } }
  - { group: near-agents, connection: web-1, ttl: 10m, scope: { shell: true }, when: { source: [10.0.0.0/8] } }
  - { group: person-agents, connection: web-2, ttl: 10m, scope: { shell: true }, when: { clients: [0oaAgent2] } }
`,
    env: { ORDERS_PASSWORD: 'the-lease-of-web-1' },
  }
  gateway = await startGateway(home, setting)
})
after(() => home?.close())

/** Shown as a bearer token for web-1: refused so. */
function refused(token: string, refusal: Refusal): Promise<void> {
  const secrets = [token, token.split('.')[2] ?? '']
  return assertRefused(
    { gateway, okta },
    from => ask(gateway, `Bearer ${token}`, { connection: 'web-1' }, { from }),
    { secrets, ...refusal },
  )
}

const unauthorised = (code: string, why?: RegExp): Refusal => ({ status: 401, code, ...(why && { why }) })
const text = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url')

/** Signed as it stands: whatever the text of header and payload. */
function signRaw(header: string | Uint8Array, payload: string | Uint8Array): string {
  const input = `${text(header)}.${text(payload)}`
  return `${input}.${signBytes('sha256', Buffer.from(input), k2).toString('base64url')}`
}
const head = '{"alg":"RS256","kid":"k2"}'
const payload = (over: Claims = {}): string => JSON.stringify(okta.claims(over))

test('a good token opens what its group may have, so the refusals below are for their own reasons', async () => {
  for (const token of [okta.token(), okta.token({}, { kid: 'k2' }), signRaw(head, payload())]) {
    const answer = await ask(gateway, `Bearer ${token}`, { connection: 'web-1' })
    assert.equal(answer.status, 201, answer.text)
  }
})

test('T1: alg none in any case, and an empty signature, are refused', async () => {
  for (const alg of ['none', 'None', 'nOnE', 'NONE', '', null, ['RS256'], { RS256: 1 }])
    await refused(
      `${text(JSON.stringify({ alg, kid: 'k1' }))}.${text(payload())}.`,
      unauthorised('token_algorithm'),
    )
  const [header, body] = okta.token().split('.')
  await refused(`${header}.${body}.`, unauthorised('token_signature'))
})

test("T2: HS256 signed with the issuer's public key, as PEM, DER or modulus, is refused", async () => {
  await refused(okta.token({}, { header: { alg: 'HS256' } }), unauthorised('token_algorithm'))
  const { keys } = (await (await fetch(`${okta.issuer}/v1/keys`)).json()) as { keys: { n: string }[] }
  const [jwk = { n: '' }] = keys
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const secrets = [key.export({ type: 'spki', format: 'der' }), Buffer.from(jwk.n, 'base64url'), jwk.n]
  for (const secret of secrets) {
    const input = `${text('{"alg":"HS256","kid":"k1"}')}.${text(payload())}`
    const forged = `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
    await refused(forged, unauthorised('token_algorithm', /alg "HS256" is none of \["RS256"\]/))
  }
})

test('T3: an algorithm that is not pinned is refused although the signature is good', async () => {
  const input = (alg: string): string => `${text(JSON.stringify({ alg, kid: 'k2' }))}.${text(payload())}`
  const rs384 = input('RS384')
  await refused(
    `${rs384}.${signBytes('sha384', Buffer.from(rs384), k2).toString('base64url')}`,
    unauthorised('token_algorithm'),
  )
  const ps256 = input('PS256')
  const pss = { key: k2, padding: 6, saltLength: 32 }
  await refused(
    `${ps256}.${signBytes('sha256', Buffer.from(ps256), pss).toString('base64url')}`,
    unauthorised('token_algorithm'),
  )
  for (const alg of ['ES256', 'EdDSA', 'RS256 ', 'rs256', 'RS256\u0000'])
    await refused(`${input(alg)}.${text('sig')}`, unauthorised('token_algorithm'))
})

test('T4: a kid that is a path, a query, a property or too long names no key', async () => {
  const kids = [
    '../../../dev/null',
    "'; DROP TABLE grants; --",
    'k1\u0000',
    '__proto__',
    'constructor',
    'toString',
    '',
    'K1',
    'k'.repeat(300),
    7,
    ['k1'],
    {},
    null,
  ]
  for (const kid of kids)
    await refused(okta.token({}, { header: { kid } }), unauthorised('token_key_unknown'))
})

test('T5: no kid while two keys are published: no key is tried', async () => {
  await refused(
    okta.token({}, { header: { kid: undefined } }),
    unauthorised('token_key_unknown', /no kid, and the issuer has 2 keys/),
  )
})

test("T6: jku, x5u, jwk and x5c with the attacker's key change nothing, and nothing of them is fetched", async () => {
  const fetched: string[] = []
  const canary = createServer((request, response) => {
    fetched.push(request.url ?? '')
    response.end('{}')
  })
  await new Promise<void>(done => canary.listen(0, '127.0.0.1', done))
  home.onEnd(() => void canary.close())
  const evil = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const url = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/keys`
  const jwk = { ...evil.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' }
  const der = evil.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  for (const header of [
    { jku: url },
    { x5u: url },
    { jwk },
    { x5c: [der] },
    { jku: url, x5u: url, jwk, x5t: 'x' },
  ])
    await refused(okta.token({}, { header, key: evil.privateKey }), unauthorised('token_signature'))
  assert.deepEqual(fetched, [])
})

test('T7: crit and b64 ask for what is not understood', async () => {
  for (const header of [
    { crit: ['exp'] },
    { crit: ['https://evil/x'], 'https://evil/x': 1 },
    { b64: false, crit: ['b64'] },
    { b64: false },
  ])
    await refused(okta.token({}, { header }), unauthorised('token_malformed'))
})

test('T8: a JWE, a nested JWT, the JSON serialisation and a compressed payload are no access tokens', async () => {
  const good = okta.token()
  const [header = '', body = '', signature = ''] = good.split('.')
  await refused(
    `${header}.${body}.${signature}.${text('iv')}.${text('tag')}`,
    unauthorised('token_malformed'),
  )
  await refused(signRaw('{"alg":"RS256","kid":"k2","cty":"JWT"}', good), unauthorised('token_malformed'))
  await refused(signRaw('{"alg":"RS256","kid":"k2","zip":"DEF"}', payload()), unauthorised('token_malformed'))
  await refused(
    text(JSON.stringify({ payload: body, protected: header, signature })),
    unauthorised('token_malformed'),
  )
  for (const odd of ['a', '.', '..', '...', `${header}.${body}`, `.${body}.${signature}`, `${good}.`])
    await refused(odd, unauthorised('token_malformed'))
})

test('T9: an issuer that is nearly ours is not ours', async () => {
  const { issuer } = okta
  const near = [
    `${issuer}/`,
    issuer.toUpperCase(),
    issuer.replace('http:', 'https:'),
    issuer.replace('/oauth2/default', ''),
    `${issuer}#`,
    ` ${issuer}`,
    'https://evil.okta.com/oauth2/default',
    '',
    undefined,
    null,
  ]
  for (const iss of near) await refused(okta.token({ iss }), unauthorised('token_issuer'))
})

test('T220: iss as a list that holds ours beside theirs is refused', async () => {
  await refused(okta.token({ iss: ['https://evil', okta.issuer] }), unauthorised('token_issuer'))
})

test('T10: a foreign, absent or empty audience is refused, and the operator reads which; ours among others passes', async () => {
  for (const aud of [
    'api://billing',
    undefined,
    [],
    '',
    'API://postern',
    'api://postern/',
    ['api://postern', 7],
    null,
    { 'api://postern': 1 },
  ])
    await refused(
      okta.token({ aud }),
      unauthorised('token_audience', /aud is .*, wanted \["api:\/\/postern"\]/),
    )
  const answer = await ask(gateway, `Bearer ${okta.token({ aud: ['api://billing', okta.audience] })}`, {
    connection: 'web-1',
  })
  assert.equal(answer.status, 201, answer.text)
})

test('T11: an ID token is not an access token', async () => {
  await refused(okta.token({ aud: '0oaAgent1', nonce: 'n' }), unauthorised('token_audience'))
  await refused(okta.token({ nonce: 'n' }), unauthorised('token_type'))
  await refused(okta.token({ at_hash: 'n' }), unauthorised('token_type'))
})

test('T12: the typ of another kind of JWT is refused; JWT, at+jwt and none are taken', async () => {
  for (const typ of [
    'logout+jwt',
    'secevent+jwt',
    'dpop+jwt',
    'oauth-id-jag+jwt',
    'application/okta-internal-at+jwt',
    'JWT2',
    7,
    ['at+jwt'],
  ])
    await refused(okta.token({}, { header: { typ } }), unauthorised('token_type'))
  for (const typ of ['JWT', 'at+jwt', 'application/at+jwt', undefined]) {
    const answer = await ask(gateway, `Bearer ${okta.token({}, { header: { typ } })}`, {
      connection: 'web-1',
    })
    assert.equal(answer.status, 201, answer.text)
  }
})

test('T13: an exp that is past, or no date, is refused', async () => {
  const now = Math.floor(Date.now() / 1000)
  for (const exp of [now - 6, now - 3600, 0, 1])
    await refused(okta.token({ exp }), unauthorised('token_expired'))
  for (const exp of ['1e99', String(now + 60), -1, 2 ** 60, undefined, null, [now + 60], true])
    await refused(okta.token({ exp }), unauthorised('token_malformed'))
  await refused(signRaw(head, payload().replace(/"exp":\d+/, '"exp":1e400')), unauthorised('token_malformed'))
})

test('T14: nbf or iat in the future, and iat absent, are refused', async () => {
  const later = Math.floor(Date.now() / 1000) + 120
  await refused(okta.token({ nbf: later }), unauthorised('token_not_yet_valid'))
  await refused(okta.token({ iat: later }), unauthorised('token_not_yet_valid'))
  for (const iat of [undefined, 'now', null])
    await refused(okta.token({ iat }), unauthorised('token_malformed'))
})

test('T15: a client that is not listed, or two claims that disagree on it, are refused', async () => {
  for (const cid of ['0oaEvil', '', undefined, null, ['0oaAgent1'], 7, '0oaagent1'])
    await refused(okta.token({ cid }), unauthorised('token_client'))
  await refused(okta.token({ client_id: '0oaAgent2' }), unauthorised('token_client', /disagree/))
  await refused(okta.token({ azp: '0oaEvil' }), unauthorised('token_client', /disagree/))
})

test('T16: groups missing has its own code and says what to add; an empty list is permitted nothing', async () => {
  const answer = await ask(gateway, `Bearer ${okta.token({ groups: undefined })}`, { connection: 'web-1' })
  assert.match(answer.json.detail, /0oaAgent1.*service app.*client_groups/)
  await refused(okta.token({ groups: undefined }), unauthorised('groups_missing'))
  await refused(okta.token({ groups: [] }), { status: 403, code: 'not_permitted' })
})

test('T17: groups of another form are refused: nothing is split, searched or coerced', async () => {
  for (const groups of [
    'sre-agents',
    'a,sre-agents',
    7,
    { 'sre-agents': true },
    [['sre-agents']],
    ['sre-agents', 7],
    [null],
    true,
    null,
  ])
    await refused(okta.token({ groups }), unauthorised('groups_missing'))
})

test('T18: the marks of an issuer that left groups out are no partial yes', async () => {
  await refused(okta.token({ _claim_names: { groups: 'src1' } }), unauthorised('groups_missing'))
  await refused(okta.token({ hasgroups: true }), unauthorised('groups_missing', /hasgroups/))
})

test('T19: a group that only looks like ours is another group', async () => {
  const near = [
    'SRE-Agents',
    'sre-agents ',
    ' sre-agents',
    'sre-agents\u0000',
    'sre-agents\u200b',
    'sre-\u0430gents',
    'ｓre-agents',
    'sre‐agents',
  ]
  for (const group of near)
    await refused(okta.token({ groups: [group] }), { status: 403, code: 'not_permitted' })
})

test('T20: a group named as a pattern, a property or with a line break is a name like any other, on one audit line', async () => {
  for (const group of [
    '*',
    '.*',
    '__proto__',
    'constructor',
    'sre-agents\n{"type":"grant.issued"}',
    '\u2028sre-agents',
    '"sre-agents"',
  ])
    await refused(okta.token({ groups: [group] }), { status: 403, code: 'not_permitted' })
  for (const file of (await gateway.dataFiles()).filter(name => name.endsWith('.jsonl'))) {
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
    const seqs = lines.map(line => JSON.parse(line).seq)
    assert.deepEqual(
      seqs,
      seqs.map((_, at) => seqs[0] + at),
    )
  }
})

test('T21: only the configured claim holds groups', async () => {
  await refused(
    okta.token({
      groups: undefined,
      roles: ['sre-agents'],
      'https://x/claims': { groups: ['sre-agents'] },
      scp: ['sre-agents'],
    }),
    unauthorised('groups_missing'),
  )
})

test('T22: a member twice in header or payload is refused', async () => {
  const twice = (name: string, value: string): string => payload().replace(/}$/, `,"${name}":${value}}`)
  await refused(signRaw(head, twice('aud', '"api://postern"')), unauthorised('token_malformed', /twice/))
  await refused(signRaw(head, twice('groups', '["sre-agents"]')), unauthorised('token_malformed', /twice/))
  await refused(
    signRaw('{"alg":"none","alg":"RS256","kid":"k2"}', payload()),
    unauthorised('token_malformed', /twice/),
  )
})

test('T23: escaped member names, a BOM, trailing bytes, bad UTF-8 and sloppy base64 are refused', async () => {
  const malformed = unauthorised('token_malformed')
  await refused(signRaw(head, payload().replace('"aud"', '"\\u0061ud"')), malformed)
  await refused(signRaw(head, `\ufeff${payload()}`), malformed)
  await refused(signRaw(head, `${payload()}{}`), malformed)
  await refused(
    signRaw(
      head,
      Buffer.concat([Buffer.from(payload().slice(0, -1)), Buffer.from(',"x":"\xff\xfe"}', 'latin1')]),
    ),
    malformed,
  )
  const good = okta.token()
  await refused(`${good}=`, malformed)
  await refused(good.replace('.', '+.'), malformed)
  await refused(good.replace(/[-_]/, '/'), malformed)
  for (const odd of ['[]', '"x"', '7', 'null', 'true', '']) await refused(signRaw(head, odd), malformed)
})

test('T24: a huge, wide or deep token costs nothing', async () => {
  const big = await ask(gateway, `Bearer ${'a'.repeat(1024 * 1024)}`, { connection: 'web-1' }).catch(
    () => undefined,
  )
  assert.ok(big === undefined || big.status === 431, JSON.stringify(big))
  const nested = '['.repeat(5000) + ']'.repeat(5000)
  await refused(signRaw(head, payload().replace(/}$/, `,"x":${nested}}`)), unauthorised('token_malformed'))
  const wide = Array.from({ length: 1500 }, (_, at) => `"${at.toString(36)}":1`).join(',')
  await refused(signRaw(head, payload().replace(/}$/, `,"x":{${wide}}}`)), unauthorised('token_malformed'))
  await refused(`${'a'.repeat(17_000)}.b.c`, unauthorised('token_malformed', /characters/))
})

test('T25: a header that claims another address does not meet a condition on the source', async () => {
  const token = okta.token({ groups: ['near-agents'] })
  const forged = {
    'x-forwarded-for': '10.0.0.1',
    forwarded: 'for=10.0.0.1',
    'x-real-ip': '10.0.0.1',
    'x-client-ip': '10.0.0.1',
  }
  await assertRefused(
    { gateway, okta },
    from => ask(gateway, `Bearer ${token}`, { connection: 'web-1' }, { from, headers: forged }),
    { status: 403, code: 'condition_unmet', secrets: [token] },
  )
})

test('T29: a storm of made-up kids causes no storm of fetches, and good tokens pass meanwhile', async () => {
  const before = okta.keyFetches
  const started = performance.now()
  for (let round = 0; round < 20; round++) {
    const storm = Array.from({ length: 20 }, (_, at) =>
      ask(gateway, `Bearer ${okta.token({}, { header: { kid: `storm-${round}-${at}` } })}`, {
        connection: 'web-1',
      }),
    )
    for (const answer of await Promise.all(storm)) assert.equal(answer.json.code, 'token_key_unknown')
  }
  assert.equal((await ask(gateway, `Bearer ${okta.token()}`, { connection: 'web-1' })).status, 201)
  const allowed = 1 + Math.floor((performance.now() - started) / 30_000)
  assert.ok(okta.keyFetches - before <= allowed, `${okta.keyFetches - before} fetches, ${allowed} allowed`)
})

test('T28: while the issuer is down its last good keys hold, and a kid it never published stays unknown', async () => {
  okta.down = true
  try {
    assert.equal((await ask(gateway, `Bearer ${okta.token()}`, { connection: 'web-1' })).status, 201)
    await refused(okta.token({}, { header: { kid: 'new' } }), unauthorised('token_key_unknown'))
    const { status } = await send(gateway.ports.http, { path: '/readyz' })
    assert.equal(status, 200)
  } finally {
    okta.down = false
  }
})

test('T32: an issuer that describes another, or keeps its keys elsewhere, keeps the gateway from starting', async () => {
  let document: (issuer: string) => object = () => ({})
  const server = createServer((_, response) => {
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth2/default`
    response.setHeader('content-type', 'application/json').end(JSON.stringify(document(issuer)))
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  home.onEnd(() => void server.close())
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth2/default`
  const start = (): Promise<Gateway> =>
    startGateway(home, { ...setting, okta: { issuer, audience: okta.audience } })
  document = () => ({ issuer: okta.issuer, jwks_uri: `${okta.issuer}/v1/keys` })
  await assert.rejects(start(), /of another issuer/)
  document = of => ({ issuer: of, jwks_uri: `${okta.issuer}/v1/keys` })
  await assert.rejects(start(), /on another host/)
})

test('T35: two headers, two tokens, a tab, or a token in query or body are refused; the scheme may be in lower case', async () => {
  const token = okta.token()
  const invalid = (authorization: string | string[]): Promise<void> =>
    assertRefused({ gateway, okta }, from => ask(gateway, authorization, { connection: 'web-1' }, { from }), {
      status: 400,
      code: 'request_invalid',
      secrets: [token],
    })
  await invalid([`Bearer ${token}`, `Bearer ${token}`])
  await invalid(['Bearer evil', `Bearer ${token}`])
  await invalid(`Bearer ${token}, Bearer ${token}`)
  await invalid(`Bearer\t${token}`)
  await invalid(`Bearer ${token} ${token}`)
  const missing = (sent: Parameters<typeof send>[1]): Promise<void> =>
    assertRefused({ gateway, okta }, from => send(gateway.ports.http, { ...sent, from }), {
      status: 401,
      code: 'token_missing',
      secrets: [token],
    })
  const json = { 'content-type': 'application/json' }
  const body = JSON.stringify({ connection: 'web-1' })
  await missing({ method: 'POST', path: `/v1/grants?access_token=${token}`, headers: json, body })
  await missing({ method: 'POST', path: '/v1/grants', headers: { ...json, cookie: `token=${token}` }, body })
  await missing({
    method: 'POST',
    path: '/v1/grants',
    headers: { ...json, authorization: `Basic ${text('a:b')}` },
    body,
  })
  const inBody = await send(gateway.ports.http, {
    method: 'POST',
    path: '/v1/grants',
    headers: json,
    body: JSON.stringify({ connection: 'web-1', access_token: token }),
  })
  assert.equal(inBody.json.code, 'token_missing')
  for (const scheme of ['bearer', 'BEARER', 'Bearer '])
    assert.equal((await ask(gateway, `${scheme} ${token}`, { connection: 'web-1' })).status, 201)
})

test('T35: a 401 says how to authenticate, without an error where no token was sent, and points at the metadata', async () => {
  const none = await ask(gateway, [], { connection: 'web-1' })
  assert.match(none.headers.get('www-authenticate') ?? '', /^Bearer realm="postern", resource_metadata="http/)
  const bad = await ask(gateway, 'Bearer a.b.c', { connection: 'web-1' })
  assert.match(
    bad.headers.get('www-authenticate') ?? '',
    /^Bearer realm="postern", error="invalid_token", error_description="/,
  )
  const little = await ask(gateway, `Bearer ${okta.token({ groups: ['x'] })}`, { connection: 'web-1' })
  assert.match(little.headers.get('www-authenticate') ?? '', /error="insufficient_scope"/)
})

test('T39: a token bound to a key is worth nothing as a bearer token', async () => {
  for (const cnf of [{ jkt: 'A'.repeat(43) }, { 'x5t#S256': 'A'.repeat(43) }, {}, 'x', null])
    await refused(okta.token({ cnf }), unauthorised('dpop_required'))
})

test('T40: a deep, odd or cyclic-looking actor chain is refused', async () => {
  const chain = (deep: number): Claims =>
    deep === 0 ? { sub: 'first' } : { sub: `a${deep}`, act: chain(deep - 1) }
  await refused(okta.token({ act: chain(12) }), unauthorised('token_malformed'))
  for (const act of ['me', [], { sub: 7 }, {}, null])
    await refused(okta.token({ act }), unauthorised('token_malformed'))
})

test("T40: an actor's own groups count for nothing: the subject's do", async () => {
  await refused(okta.token({ groups: ['x'], act: { sub: 'agent', groups: ['sre-agents'] } }), {
    status: 403,
    code: 'not_permitted',
  })
})

test("T41: a person's client gets no grant; a service app has the groups its client is given and no others", async () => {
  await refused(okta.person(['sre-agents']), { status: 403, code: 'not_permitted' })
  const service = okta.claims({ cid: '0oaService', sub: '0oaService', groups: undefined, uid: undefined })
  assert.equal((await ask(gateway, `Bearer ${okta.sign(service)}`, { connection: 'web-1' })).status, 201)
  await refused(okta.sign({ ...service, cid: '0oaAgent1', sub: '0oaAgent1' }), unauthorised('groups_missing'))
  // The claim does not add to what the operator says of a client.
  const claims = okta.sign({ ...service, groups: ['person-agents'] })
  await assertRefused(
    { gateway, okta },
    from => ask(gateway, `Bearer ${claims}`, { connection: 'web-2' }, { from }),
    { status: 403, code: 'not_permitted' },
  )
})

test('T41: a rule that names a client is for that client alone', async () => {
  const token = okta.token({ groups: ['person-agents'] })
  await assertRefused(
    { gateway, okta },
    from => ask(gateway, `Bearer ${token}`, { connection: 'web-2' }, { from }),
    { status: 403, code: 'condition_unmet' },
  )
  const other = okta.token({ groups: ['person-agents'], cid: '0oaAgent2' })
  assert.equal((await ask(gateway, `Bearer ${other}`, { connection: 'web-2' })).status, 201)
})

test('T199: a flood of refused tries from one address is slowed, and other addresses are not', async () => {
  const from = freshSource()
  const codes: string[] = []
  for (let round = 0; round < 8; round++) {
    const flood = Array.from({ length: 25 }, () =>
      ask(gateway, 'Bearer a.b.c', { connection: 'web-1' }, { from }),
    )
    codes.push(...(await Promise.all(flood)).map(answer => answer.json.code))
  }
  assert.ok(codes.includes('rate_limited'), `${codes.length} refused tries, none slowed`)
  const written = (await audit(gateway, okta, { limit: '1000' })).filter(line => line['source'] === from)
  assert.ok(written.length < codes.length, 'what was slowed is not written once more')
  assert.equal((await ask(gateway, `Bearer ${okta.token()}`, { connection: 'web-1' })).status, 201)
})

test('T219: a remembered token is still refused once it has expired, and another with the same beginning is another', async () => {
  const exp = Math.floor(Date.now() / 1000) - 3
  const token = okta.token({ exp })
  const first = await ask(gateway, `Bearer ${token}`, { connection: 'web-1' })
  // Within the tolerance the token is read, but nothing may outlive it: no grant comes of it.
  assert.notEqual(first.status, 201)
  const good = okta.token()
  assert.equal((await ask(gateway, `Bearer ${good}`, { connection: 'web-1' })).status, 201)
  const last = good.at(-5) === 'A' ? 'B' : 'A'
  await refused(`${good.slice(0, -5)}${last}${good.slice(-4)}`, unauthorised('token_signature'))
})

test('T: no whole token that was shown stands in the log or the audit', async () => {
  const log = await gateway.log()
  assert.ok(!/eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/.test(log))
  const lines = JSON.stringify(await audit(gateway, okta, { limit: '1000' }))
  assert.ok(!/eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/.test(lines))
})
