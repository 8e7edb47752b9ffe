/** Attacks 1 to 41 as far as they concern tokens, each against a real issuer with real keys. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { IssuerConfig } from '../config/config.ts'
import { type Code, Refused, sayOf } from '../denial.ts'
import type { Identity } from '../words.ts'
import { base64url, start, startTestIssuer, TestClock, type TestIssuer, TestLog } from './issuer.fixture.ts'
import { createVerifier, type Verifier } from './verify.ts'

let issuer: TestIssuer
before(async () => {
  issuer = await startTestIssuer()
})
after(async () => {
  await issuer[Symbol.asyncDispose]()
})

const people = { issuers: ['okta'], clients: ['0oaPeople'], operators: ['postern-operators'], auditors: [] }

function gateway(over: Partial<IssuerConfig> = {}, clock = new TestClock(), log = new TestLog()) {
  const config = { ...issuer.config, ...over }
  return createVerifier({ issuers: new Map([['okta', config]]), people, clock, fetch, log })
}

async function refused(verifier: Verifier, token: string, code: Code): Promise<Refused> {
  const answer = await verifier.verify({ token, scheme: 'bearer' })
  assert.ok(answer instanceof Refused, `accepted, wanted ${code}`)
  assert.equal(answer.denial.code, code, answer.denial.detail)
  assert.doesNotMatch(answer.denial.detail + sayOf(answer.denial), /eyJ[\w-]{20}/, 'a token in a message')
  return answer
}

async function accepted(verifier: Verifier, token: string): Promise<Identity> {
  const answer = await verifier.verify({ token, scheme: 'bearer' })
  assert.ok(
    !(answer instanceof Refused),
    answer instanceof Refused ? `${answer.denial.code}: ${answer.denial.detail}` : '',
  )
  return answer
}

test('a good token is an identity: issuer, subject, uid, client, groups, expiry', async () => {
  const identity = await accepted(gateway(), issuer.token({ jti: 'AT.1' }))
  assert.match(identity.tokenDigest, /^[0-9a-f]{64}$/)
  assert.deepEqual(
    { ...identity, tokenDigest: '' },
    {
      issuer: 'okta',
      subject: 'agent-7@example.com',
      uid: '00u1',
      tokenId: 'AT.1',
      client: '0oaAgent1',
      kind: 'agent',
      groups: ['sre-agents'],
      actors: [],
      tokenDigest: '',
      expiresAt: start + 3_600_000,
    },
  )
})

test('attack 1: no spelling of alg none, and no empty signature, is accepted', async () => {
  const verifier = gateway()
  for (const alg of ['none', 'None', 'nOnE', 'NONE', '', 'RS256 ', 'rs256']) {
    const [head, body] = issuer.token({}, { header: { alg } }).split('.')
    await refused(verifier, `${head}.${body}.`, 'token_algorithm')
  }
  const [head, body] = issuer.token().split('.')
  await refused(verifier, `${head}.${body}.`, 'token_signature')
  for (const alg of [undefined, null, 256, ['RS256'], { RS256: 1 }]) {
    const header = base64url({ alg, kid: 'k1' })
    await refused(verifier, `${header}.${body}.AAAA`, 'token_algorithm')
  }
})

test('attack 2: HS256 keyed with the public key is refused by the pinned algorithm', async () => {
  await refused(gateway(), issuer.token({}, { header: { alg: 'HS256' } }), 'token_algorithm')
})

test('attack 3: a good signature with an algorithm that is not pinned is refused', async () => {
  const input = `${base64url({ alg: 'RS384', kid: 'k1' })}.${base64url(issuer.claims())}`
  const key = issuer.keys.get('k1')?.privateKey
  assert.ok(key)
  const token = `${input}.${sign('sha384', Buffer.from(input), key).toString('base64url')}`
  await refused(gateway(), token, 'token_algorithm')
  await refused(gateway({ algorithms: ['RS256', 'RS384'] }), token, 'token_key_unknown') // published for RS256 alone
})

test('attack 4: a kid is a map key and nothing else', async () => {
  const verifier = gateway()
  for (const kid of [
    '../../../dev/null',
    "'; DROP TABLE keys--",
    'k1\0',
    '__proto__',
    'constructor',
    'toString',
    '',
    'x'.repeat(257),
    null,
    1,
    ['k1'],
    {},
  ]) {
    await refused(verifier, issuer.token({}, { header: { kid } }), 'token_key_unknown')
  }
  await refused(verifier, issuer.token({}, { header: { kid: 'x'.repeat(1 << 20) } }), 'token_malformed')
})

test('attack 5: without a kid two keys are nothing to try in turn; one key is plain', async () => {
  const unnamed = issuer.token({}, { header: { kid: undefined } })
  await accepted(gateway(), unnamed)
  issuer.addKey('k2')
  await refused(gateway(), unnamed, 'token_key_unknown')
  issuer.keys.delete('k2')
})

test('attack 6: a key that the token brings along is not looked at, and nothing is fetched', async () => {
  let visits = 0
  const canary = createServer((_, response) => {
    visits++
    response.end('{}')
  })
  await new Promise<void>(resolve => canary.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/`
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const mine = publicKey.export({ format: 'jwk' })
  for (const header of [{ jku: url }, { x5u: url }, { jwk: mine }, { x5c: ['AAAA'] }]) {
    await refused(gateway(), issuer.token({}, { key: privateKey, header }), 'token_signature')
  }
  canary.close()
  assert.equal(visits, 0)
})

test('attack 7: crit and b64 are refused', async () => {
  for (const header of [{ crit: ['x'] }, { crit: [] }, { b64: false }, { b64: true }]) {
    await refused(gateway(), issuer.token({}, { header }), 'token_malformed')
  }
})

test('attack 8: JWE, nested JWT, JSON serialisation and compression are refused', async () => {
  const token = issuer.token()
  const [head, body, signature] = token.split('.')
  const forms = [
    `${token}.AAAA.AAAA`,
    `${token}.`,
    `${token}.AAAA`,
    `.${token}`,
    token.slice(0, token.lastIndexOf('.')),
    '..',
    '',
    'opaque',
    JSON.stringify({ protected: head, payload: body, signature }),
    issuer.token({}, { header: { zip: 'DEF' } }),
    issuer.token({}, { header: { cty: 'JWT' } }),
  ]
  for (const form of forms) await refused(gateway(), form, 'token_malformed')
})

test('attack 9: iss is compared byte for byte, and an org token gets a hint', async () => {
  const { url } = issuer
  const verifier = gateway()
  const near = [
    `${url}/`,
    url.toUpperCase(),
    url.replace('http:', 'https:'),
    'https://other.okta.com/oauth2/default',
    ` ${url}`,
    [url],
    undefined,
    null,
    1,
  ]
  for (const iss of near) await refused(verifier, issuer.token({ iss }), 'token_issuer')
  const org = await refused(verifier, issuer.token({ iss: new URL(url).origin }), 'token_issuer')
  assert.match(org.denial.detail, /org authorization server/)
  assert.equal(issuer.hits.length > 0, true)
})

test('a token of a foreign issuer causes no fetch at all', async () => {
  const before = issuer.hits.length
  await refused(gateway(), issuer.token({ iss: 'https://evil.example' }), 'token_issuer')
  assert.equal(issuer.hits.length, before)
})

test('attack 10: aud must name us exactly; a list passes when one entry is ours', async () => {
  const verifier = gateway()
  for (const aud of [
    'api://other',
    'api://postern/',
    'API://postern',
    undefined,
    null,
    '',
    [],
    [['api://postern']],
    ['api://other'],
    ['api://postern', 7],
    { 'api://postern': 1 },
  ]) {
    const { denial } = await refused(verifier, issuer.token({ aud }), 'token_audience')
    assert.match(denial.say ?? '', /api:\/\/postern/)
  }
  const other = await refused(verifier, issuer.token({ aud: 'api://other' }), 'token_audience')
  assert.match(other.denial.detail, /api:\/\/other/)
  assert.doesNotMatch(sayOf(other.denial), /api:\/\/other/, 'the caller is told the wanted audience alone')
  await accepted(verifier, issuer.token({ aud: ['api://other', 'api://postern'] }))
})

test('attack 11: an ID token is not an access token', async () => {
  const verifier = gateway()
  for (const over of [{ nonce: 'n' }, { at_hash: 'h' }, { c_hash: 'h' }])
    await refused(verifier, issuer.token(over), 'token_type')
  await refused(verifier, issuer.token({ aud: '0oaAgent1' }), 'token_audience')
  await refused(gateway({ audience: ['0oaAgent1'] }), issuer.token({ aud: '0oaAgent1' }), 'token_type')
  await refused(gateway({ audience: ['0oaAgent1'] }), issuer.token({ aud: ['0oaAgent1'] }), 'token_type')
})

test('attack 12: another kind of JWT is no access token; typ may be absent, JWT or at+jwt', async () => {
  const verifier = gateway()
  for (const typ of [
    'logout+jwt',
    'secevent+jwt',
    'dpop+jwt',
    'oauth-id-jag+jwt',
    'global-token-revocation+jwt',
    '',
    null,
    1,
    ['JWT'],
  ]) {
    await refused(verifier, issuer.token({}, { header: { typ } }), 'token_type')
  }
  for (const typ of ['JWT', 'jwt', 'at+jwt', 'application/at+jwt'])
    await accepted(verifier, issuer.token({}, { header: { typ } }))
  const org = await refused(
    verifier,
    issuer.token({}, { header: { typ: 'application/okta-internal-at+jwt' } }),
    'token_type',
  )
  assert.match(sayOf(org.denial), /custom authorization server/)
})

test('attack 13: exp', async () => {
  const verifier = gateway()
  const now = start / 1000
  await accepted(verifier, issuer.token({ exp: now - 4 }))
  await accepted(verifier, issuer.token({ exp: now + 0.5 }))
  await refused(verifier, issuer.token({ exp: now - 5 }), 'token_expired')
  await refused(verifier, issuer.token({ exp: now - 6 }), 'token_expired')
  await refused(gateway({ clockTolerance: 0 }), issuer.token({ exp: now }), 'token_expired')
  for (const exp of ['1e99', String(now + 60), -1, 2 ** 53 + 2, 9e12, undefined, null, true, [now + 60]]) {
    await refused(verifier, issuer.token({ exp }), 'token_malformed')
  }
  const infinite = JSON.stringify(issuer.claims()).replace(/"exp":\d+/, '"exp":1e999')
  await refused(verifier, issuer.sign(infinite), 'token_malformed')
})

test('attack 14: nbf and iat in the future, iat absent', async () => {
  const verifier = gateway()
  const now = start / 1000
  for (const name of ['nbf', 'iat']) {
    await accepted(verifier, issuer.token({ [name]: now + 5 }))
    await refused(verifier, issuer.token({ [name]: now + 6 }), 'token_not_yet_valid')
    await refused(verifier, issuer.token({ [name]: String(now) }), 'token_malformed')
  }
  await refused(verifier, issuer.token({ iat: undefined }), 'token_malformed')
})

test('attack 15: the client is named once, agrees with itself, and is listed', async () => {
  const verifier = gateway({ clients: ['0oaAgent1'] })
  await accepted(verifier, issuer.token({ client_id: '0oaAgent1', azp: '0oaAgent1' }))
  await accepted(verifier, issuer.token({ cid: '0oaPeople' }))
  for (const over of [
    { cid: '0oaOther' },
    { cid: '0oaagent1' },
    { client_id: '0oaAgent2' },
    { azp: 'x' },
    { cid: undefined },
    { cid: null },
    { cid: ['0oaAgent1'] },
    { cid: '' },
    { azp: null },
  ]) {
    await refused(verifier, issuer.token(over), 'token_client')
  }
})

test('attacks 16, 17: groups that are missing or of another form are refused, an empty list is empty', async () => {
  const verifier = gateway()
  for (const groups of [
    undefined,
    null,
    'sre-agents',
    'a,sre-agents',
    7,
    { 0: 'sre-agents' },
    ['sre-agents', 7],
    [['sre-agents']],
    ['sre-agents', null],
    [''],
  ]) {
    const { denial } = await refused(verifier, issuer.token({ groups }), 'groups_missing')
    assert.match(denial.say ?? '', /client_groups: \{ 0oaAgent1: \[<group>\] \}/)
  }
  assert.deepEqual((await accepted(verifier, issuer.token({ groups: [] }))).groups, [])
})

test('attack 18: marks of groups that did not fit are a refusal, and a list of just 100 is told to the operator', async () => {
  const verifier = gateway()
  await refused(verifier, issuer.token({ _claim_names: { groups: 'src1' } }), 'groups_missing')
  await refused(verifier, issuer.token({ hasgroups: true }), 'groups_missing')
  const log = new TestLog()
  const groups = Array.from({ length: 100 }, (_, n) => `g${n}`)
  await accepted(gateway({}, new TestClock(), log), issuer.token({ groups }))
  assert.match(log.lines.join('\n'), /exactly 100 groups/)
})

test('attacks 19, 20: group names are kept byte for byte', async () => {
  const groups = [
    'SRE-Agents',
    'sre-agents ',
    'sre-agents\0',
    'sre-agents\u200b',
    'sre-age\u0301',
    'sre-\u0430gents',
    '*',
    '.*',
    '__proto__',
    'sre-agents\n',
  ]
  assert.deepEqual((await accepted(gateway(), issuer.token({ groups }))).groups, groups)
})

test('attack 21: an exact top-level name wins, else the path; nothing else is read', async () => {
  const claim = 'https://x.example/claims.groups'
  const verifier = gateway({ groupsClaim: claim })
  const nested = { 'https://x.example/claims': { groups: ['nested'] } }
  assert.deepEqual((await accepted(verifier, issuer.token(nested))).groups, ['nested'])
  assert.deepEqual((await accepted(verifier, issuer.token({ ...nested, [claim]: ['exact'] }))).groups, [
    'exact',
  ])
  await refused(verifier, issuer.token({ [claim]: 'exact', ...nested }), 'groups_missing')
  await refused(verifier, issuer.token(), 'groups_missing')
  await refused(gateway({ groupsClaim: 'constructor.name' }), issuer.token(), 'groups_missing')
})

test('attack 22: no member may stand twice, in the payload or the header', async () => {
  const verifier = gateway()
  const good = JSON.stringify(issuer.claims())
  for (const extra of ['"aud":"api://postern"', '"groups":["admins"]', '"act":{"sub":"a","sub":"b"}']) {
    await refused(verifier, issuer.sign(good.replace(/}$/, `,${extra}}`)), 'token_malformed')
  }
})

test('attack 23: escaped member names, BOM, trailing bytes, bad UTF-8 and loose base64url are refused', async () => {
  const verifier = gateway()
  const good = JSON.stringify(issuer.claims())
  for (const text of [
    good.replace('"aud"', '"\\u0061ud"'),
    `\ufeff${good}`,
    `${good}{}`,
    `${good}\0`,
    '[]',
    '"x"',
    'null',
    '',
  ]) {
    await refused(verifier, issuer.sign(text), 'token_malformed')
  }
  const [head, body, signature] = issuer.token().split('.')
  const latin = Buffer.from(good.replace('agent-7', 'agent-\u00ff'), 'latin1').toString('base64url')
  for (const payload of [latin, `${body}=`, `${body} `, `${body}+`, `${body}/`, `${body}\n`]) {
    await refused(verifier, `${head}.${payload}.${signature}`, 'token_malformed')
  }
})

test('attack 24: size, count and depth are capped', async () => {
  const verifier = gateway()
  await refused(verifier, 'x'.repeat(1 << 20), 'token_malformed')
  const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`c${n}`, 1]))
  await refused(verifier, issuer.token(many), 'token_malformed')
  let deep = issuer.sign(
    JSON.stringify(issuer.claims()).replace(/}$/, `,"x":${'['.repeat(2_000)}${']'.repeat(2_000)}}`),
  )
  await refused(verifier, deep, 'token_malformed')
  deep = issuer.sign(
    JSON.stringify(issuer.claims()).replace(/}$/, `,"x":${'['.repeat(10)}${']'.repeat(10)}}`),
  )
  await accepted(verifier, deep)
})

test('attack 39: a token bound to a key is no bearer token, whatever dpop says', async () => {
  for (const dpop of ['never', 'optional', 'required'] as const) {
    await refused(gateway({ dpop }), issuer.token({ cnf: { jkt: 'x' } }), 'dpop_required')
    await refused(gateway({ dpop }), issuer.token({ cnf: null }), 'dpop_required')
  }
  await refused(gateway({ dpop: 'required' }), issuer.token(), 'dpop_required')
})

test('the DPoP scheme is refused, also for a token that was just taken as a bearer token', async () => {
  const verifier = gateway()
  const token = issuer.token()
  await accepted(verifier, token)
  const answer = await verifier.verify({ token, scheme: 'dpop' })
  assert.ok(answer instanceof Refused)
  assert.equal(answer.denial.code, 'dpop_invalid')
})

test('attack 40: the outermost actor acts, the rest is for audit, and the chain is capped', async () => {
  const verifier = gateway()
  const chain = (depth: number): unknown =>
    depth === 0 ? undefined : { sub: `a${depth}`, groups: ['dba'], act: chain(depth - 1) }
  const identity = await accepted(verifier, issuer.token({ act: chain(3) }))
  assert.equal(identity.actor, 'a3')
  assert.deepEqual(identity.actors, ['a3', 'a2', 'a1'])
  assert.deepEqual(identity.groups, ['sre-agents'])
  for (const act of [chain(9), 'a', {}, { sub: 7 }, { sub: 'a', act: 'b' }, null])
    await refused(verifier, issuer.token({ act }), 'token_malformed')
})

test('attack 41: a person comes by a client for people, is not delegated, and is not the client itself', async () => {
  const verifier = gateway()
  const kind = async (over: Record<string, unknown>) => (await accepted(verifier, issuer.token(over))).kind
  assert.equal(await kind({ cid: '0oaPeople' }), 'person')
  assert.equal(await kind({ cid: '0oaAgent1' }), 'agent')
  assert.equal(await kind({ cid: '0oaPeople', sub: '0oaPeople' }), 'agent')
  assert.equal(await kind({ cid: '0oaPeople', act: { sub: 'bot' } }), 'agent')
})

test('sub is a non-empty string', async () => {
  for (const sub of [undefined, null, '', 7, ['a'], 'x'.repeat(513), '\ud800'])
    await refused(gateway(), issuer.token({ sub }), 'token_malformed')
})

test('client_groups holds instead of the claim, for its clients alone', async () => {
  const verifier = gateway({ clientGroups: new Map([['0oaAgent2', ['sre-agents']]]) })
  const service = { cid: '0oaAgent2', sub: '0oaAgent2', uid: undefined }
  assert.deepEqual((await accepted(verifier, issuer.token({ ...service, groups: undefined }))).groups, [
    'sre-agents',
  ])
  assert.deepEqual((await accepted(verifier, issuer.token({ ...service, groups: ['admins'] }))).groups, [
    'sre-agents',
  ])
  await refused(verifier, issuer.token({ groups: undefined }), 'groups_missing')
})

test('attack 219: a remembered token is judged by its own expiry on every use', async () => {
  const clock = new TestClock()
  const verifier = gateway({}, clock)
  const token = issuer.token({ exp: start / 1000 + 60 })
  await accepted(verifier, token)
  clock.at += 64_999
  await accepted(verifier, token)
  clock.at += 1
  await refused(verifier, token, 'token_expired')
  await refused(verifier, `${token.slice(0, -4)}AAAA`, 'token_signature')
})

test('a reload forgets every remembered token and judges by the new rules', async () => {
  const verifier = gateway()
  const token = issuer.token()
  await accepted(verifier, token)
  await verifier.updated({ issuers: new Map([['okta', { ...issuer.config, audience: ['api://new'] }]]) })
  await refused(verifier, token, 'token_audience')
})

test('a token shown again is remembered, not verified again', async () => {
  const verifier = gateway()
  const token = issuer.token()
  assert.equal(await accepted(verifier, token), await accepted(verifier, token))
})

test('attack 23: a token has one spelling: loose bits at the end of a part are refused', async () => {
  const token = issuer.token()
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(token.at(-1) ?? '')
  const twin = token.slice(0, -1) + alphabet[last ^ 1]
  assert.deepEqual(
    Buffer.from(twin.split('.')[2] ?? '', 'base64url'),
    Buffer.from(token.split('.')[2] ?? '', 'base64url'),
  )
  await refused(gateway(), twin, 'token_malformed')
})
