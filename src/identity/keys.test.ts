/** Attacks 28 to 32: an issuer that is down, slow, lying or flooded, over real HTTP. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { type Code, Refused } from '../denial.ts'
import { IssuerWrong } from './discovery.ts'
import { type Answer, jwk, startTestIssuer, TestClock, type TestIssuer, TestLog } from './issuer.fixture.ts'
import { lastGood, maxAge, pause } from './keys.ts'
import { createVerifier, type Verifier } from './verify.ts'

function gateway(issuer: TestIssuer, clock = new TestClock()) {
  return createVerifier({ issuers: new Map([['okta', issuer.config]]), clock, fetch, log: new TestLog() })
}

async function says(verifier: Verifier, token: string): Promise<Code | 'accepted'> {
  const answer = await verifier.verify({ token, scheme: 'bearer' })
  return answer instanceof Refused ? answer.denial.code : 'accepted'
}

const fetches = (issuer: TestIssuer) => issuer.hits.filter(path => path.endsWith('/v1/keys')).length
const tomorrow = { exp: 1_900_000_000 }

test('attack 28: every way of not answering well leaves no keys, and is asked again after a pause', async () => {
  await using issuer = await startTestIssuer()
  const canary: string[] = []
  const inside = createServer((request, response) => {
    canary.push(String(request.url))
    response.end(JSON.stringify({ keys: [] }))
  })
  await new Promise<void>(resolve => inside.listen(0, '127.0.0.1', resolve))
  const elsewhere = `http://127.0.0.1:${(inside.address() as AddressInfo).port}/latest/meta-data`
  const answers: Record<string, Answer> = {
    500: (_, response) => response.writeHead(500).end('{"keys":[]}'),
    html: (_, response) => response.end('<html>sign in</html>'),
    'an empty set': (_, response) => response.end('{"keys":[]}'),
    'no set': (_, response) => response.end('[]'),
    'a redirect': (_, response) => response.writeHead(302, { location: elsewhere }).end(),
    'ten megabytes': (_, response) => response.end(`{"keys":[],"x":"${'x'.repeat(10 << 20)}"}`),
    'ten thousand keys': (_, response) =>
      response.end(JSON.stringify({ keys: Array(10_000).fill({ kty: 'RSA' }) })),
    'a reset': (_, response) => response.destroy(),
  }
  for (const [name, answer] of Object.entries(answers)) {
    const clock = new TestClock()
    const verifier = gateway(issuer, clock)
    issuer.keySet = answer
    assert.equal(await says(verifier, issuer.token()), 'issuer_unreachable', name)
    assert.equal(verifier.ready(), false, name)
    issuer.keySet = undefined
    assert.equal(
      await says(verifier, issuer.token()),
      'issuer_unreachable',
      `${name}: no storm on a failing issuer`,
    )
    clock.at += pause
    assert.equal(await says(verifier, issuer.token()), 'accepted', `${name}: and back`)
  }
  inside.close()
  assert.deepEqual(canary, [], 'a redirect was followed')
})

test('the audit is told which URL failed, and why, once', async () => {
  await using issuer = await startTestIssuer()
  const told = async (verifier: Verifier) => {
    const answer = await verifier.verify({ token: issuer.token(), scheme: 'bearer' })
    return answer instanceof Refused ? answer.denial.detail : 'accepted'
  }
  const why: readonly [Answer, string][] = [
    [(_, response) => response.writeHead(500).end('{}'), 'the answer is 500'],
    [(_, response) => response.end('<html>'), 'the answer is not JSON'],
    [(_, response) => response.end('[]'), 'not a key set'],
    [(_, response) => response.destroy(), 'fetch failed: other side closed'],
  ]
  for (const [answer, reason] of why) {
    issuer.keySet = answer
    const detail = await told(gateway(issuer))
    assert.equal(detail, `no usable keys of issuer okta: ${issuer.url}/v1/keys: ${reason}`)
  }
  issuer.down = true
  const [place] = (await told(gateway(issuer))).split('; ')
  const first = `${issuer.url}/.well-known/openid-configuration`
  assert.match(place ?? '', new RegExp(`^no usable keys of issuer okta: ${first}: \\S`))
  assert.equal(place?.split(first).length, 2)
})

test('attack 28: the last good keys hold while the issuer is down, for a bounded time', async () => {
  await using issuer = await startTestIssuer()
  const clock = new TestClock()
  const verifier = gateway(issuer, clock)
  assert.equal(await says(verifier, issuer.token(tomorrow)), 'accepted')
  issuer.down = true
  clock.at += maxAge
  assert.equal(await says(verifier, issuer.token(tomorrow)), 'accepted')
  clock.at += lastGood - maxAge - 1
  assert.equal(await says(verifier, issuer.token(tomorrow)), 'accepted')
  clock.at += 1
  assert.equal(await says(verifier, issuer.token(tomorrow)), 'issuer_unreachable')
  issuer.down = false
  clock.at += pause
  assert.equal(await says(verifier, issuer.token(tomorrow)), 'accepted')
})

test('attack 29: a storm of unknown kids is one fetch, and good tokens do not notice', async () => {
  await using issuer = await startTestIssuer()
  const clock = new TestClock()
  const verifier = gateway(issuer, clock)
  const stranger = () => issuer.token({}, { header: { kid: randomUUID() } })
  assert.equal(await says(verifier, issuer.token()), 'accepted')
  clock.at += 30_000
  const storm = await Promise.all([
    ...Array.from({ length: 300 }, () => says(verifier, stranger())),
    says(verifier, issuer.token()),
  ])
  assert.deepEqual([...new Set(storm)], ['token_key_unknown', 'accepted'])
  for (let n = 0; n < 20; n++) await says(verifier, stranger())
  assert.equal(fetches(issuer), 2)
})

test('callers that come at once share one fetch', async () => {
  await using issuer = await startTestIssuer()
  const verifier = gateway(issuer)
  const answers = await Promise.all(Array.from({ length: 20 }, () => says(verifier, issuer.token())))
  assert.deepEqual([...new Set(answers)], ['accepted'])
  assert.equal(fetches(issuer), 1)
})

test('a new key is learnt from its kid, once the cool-down has passed', async () => {
  await using issuer = await startTestIssuer()
  const clock = new TestClock()
  const verifier = gateway(issuer, clock)
  assert.equal(await says(verifier, issuer.token()), 'accepted')
  issuer.addKey('k2')
  const key = issuer.keys.get('k2')?.privateKey
  assert.ok(key)
  const token = issuer.token({}, { key, header: { kid: 'k2' } })
  assert.equal(await says(verifier, token), 'token_key_unknown')
  clock.at += 30_000
  assert.equal(await says(verifier, token), 'accepted')
})

test('attack 30: a withdrawn key is refused within the age of keys, also for a remembered token', async () => {
  await using issuer = await startTestIssuer()
  const clock = new TestClock()
  const verifier = gateway(issuer, clock)
  const token = issuer.token()
  assert.equal(await says(verifier, token), 'accepted')
  issuer.addKey('k2')
  issuer.keys.delete('k1')
  clock.at += maxAge
  assert.equal(await says(verifier, token), 'token_key_unknown')
})

test('attack 30: another key under the same kid does not vouch for remembered tokens', async () => {
  await using issuer = await startTestIssuer()
  const clock = new TestClock()
  const verifier = gateway(issuer, clock)
  const token = issuer.token()
  assert.equal(await says(verifier, token), 'accepted')
  issuer.addKey('k1')
  clock.at += maxAge
  assert.equal(await says(verifier, token), 'token_signature')
})

test('attack 31: keys that are private, weak, for encryption or for another algorithm are not keys', async () => {
  await using issuer = await startTestIssuer()
  const good = issuer.keys.get('k1')?.publicKey
  const priv = issuer.keys.get('k1')?.privateKey
  assert.ok(good && priv)
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const sets = [
    jwk(good, { use: 'enc' }),
    jwk(good, { alg: 'RS512' }),
    jwk(good, { key_ops: ['encrypt'] }),
    jwk(good, { kid: 7 }),
    jwk(priv),
    jwk(weak.publicKey),
    jwk(ec.publicKey, { alg: undefined }),
    { kty: 'oct', k: 'AAAA' },
    { kty: 'RSA', n: '%', e: 'AQAB' },
    {},
    null,
  ]
  for (const bad of sets) {
    const named = bad === null || 'kid' in bad ? bad : { ...bad, kid: 'k1' }
    issuer.keySet = (_, response) => response.end(JSON.stringify({ keys: [named] }))
    assert.equal(
      await says(gateway(issuer), issuer.token()),
      'issuer_unreachable',
      JSON.stringify(named).slice(0, 80),
    )
  }
  issuer.keySet = (_, response) => response.end(JSON.stringify({ keys: [...sets, jwk(good, { kid: 'k1' })] }))
  assert.equal(await says(gateway(issuer), issuer.token()), 'accepted')
  issuer.keySet = (_, response) =>
    response.end(JSON.stringify({ keys: [jwk(good, { kid: 'k1', use: undefined, alg: undefined })] }))
  assert.equal(await says(gateway(issuer), issuer.token()), 'accepted')
  issuer.keySet = (_, response) =>
    response.end(JSON.stringify({ keys: [jwk(good, { kid: 'k1' }), jwk(good, { kid: 'k1' })] }))
  assert.equal(await says(gateway(issuer), issuer.token()), 'token_key_unknown')
})

test('attack 32: a discovery document of another issuer, or keys on another host, ends the start', async () => {
  await using issuer = await startTestIssuer()
  const lies: Record<string, unknown>[] = [
    { issuer: `${issuer.url}/` },
    { issuer: 'https://evil.example' },
    { issuer: undefined },
    { jwks_uri: undefined },
    { jwks_uri: 'https://evil.example/keys' },
    { jwks_uri: 'http://127.0.0.1:1/keys' },
    { jwks_uri: 'file:///etc/passwd' },
    { jwks_uri: issuer.url.replace('127.0.0.1', 'localhost') },
    { jwks_uri: issuer.url.replace('//', '//a:b@') },
    { jwks_uri: '/v1/keys' },
  ]
  for (const lie of lies) {
    issuer.document = honest => ({ ...honest, ...lie })
    await assert.rejects(gateway(issuer).start(), IssuerWrong, JSON.stringify(lie))
  }
  issuer.document = () => []
  await assert.rejects(gateway(issuer).start(), IssuerWrong)
  issuer.document = undefined
  const verifier = gateway(issuer)
  await verifier.start()
  assert.equal(verifier.ready(), true)
})

test('an issuer that is down at the start is no failure, and is found by the first token after it is back', async () => {
  await using issuer = await startTestIssuer()
  issuer.down = true
  const clock = new TestClock()
  const verifier = gateway(issuer, clock)
  await verifier.start()
  assert.equal(verifier.ready(), false)
  assert.equal(await says(verifier, issuer.token()), 'issuer_unreachable')
  issuer.down = false
  clock.at += pause
  assert.equal(await says(verifier, issuer.token()), 'accepted')
  assert.equal(verifier.ready(), true)
  verifier.close()
})

test('an issuer without openid-configuration is found by oauth-authorization-server', async () => {
  await using issuer = await startTestIssuer()
  const only: typeof fetch = (url, init) =>
    String(url).endsWith('openid-configuration')
      ? Promise.resolve(new Response('', { status: 404 }))
      : fetch(url, init)
  const verifier = createVerifier({
    issuers: new Map([['okta', issuer.config]]),
    clock: new TestClock(),
    fetch: only,
    log: new TestLog(),
  })
  assert.equal(await says(verifier, issuer.token()), 'accepted')
})

test('a reload keeps the keys of an issuer that stays, and is refused whole when a new one answers wrongly', async () => {
  await using issuer = await startTestIssuer()
  await using other = await startTestIssuer({ name: 'other' })
  const verifier = gateway(issuer)
  await verifier.start()
  issuer.down = true
  await verifier.updated({ issuers: new Map([['okta', { ...issuer.config, clockTolerance: 1 }]]) })
  assert.equal(await says(verifier, issuer.token()), 'accepted')
  other.document = honest => ({ ...honest, issuer: 'https://evil.example' })
  await assert.rejects(verifier.updated({ issuers: new Map([['other', other.config]]) }), IssuerWrong)
  assert.equal(await says(verifier, issuer.token()), 'accepted')
  other.document = undefined
  await verifier.updated({ issuers: new Map([['other', other.config]]) })
  assert.equal(await says(verifier, issuer.token()), 'token_issuer')
  assert.equal(await says(verifier, other.token()), 'accepted')
})

test("with two issuers, one's key does not sign for the other", async () => {
  await using one = await startTestIssuer()
  await using two = await startTestIssuer({ name: 'two' })
  two.keys.clear()
  two.addKey('k1')
  const verifier = createVerifier({
    issuers: new Map([
      ['okta', one.config],
      ['two', two.config],
    ]),
    clock: new TestClock(),
    fetch,
    log: new TestLog(),
  })
  assert.equal(await says(verifier, one.token()), 'accepted')
  assert.equal(await says(verifier, one.token({ iss: two.url })), 'token_signature')
})

test("an algorithm that is pinned but not of the key's kind is refused", async () => {
  await using issuer = await startTestIssuer({ algorithms: ['RS256', 'ES256'] })
  const good = issuer.keys.get('k1')?.publicKey
  assert.ok(good)
  issuer.keySet = (_, response) =>
    response.end(JSON.stringify({ keys: [jwk(good, { kid: 'k1', alg: undefined })] }))
  assert.equal(await says(gateway(issuer), issuer.token({}, { header: { alg: 'ES256' } })), 'token_algorithm')
})

test('attack 28: an issuer that begins an answer and hangs is given up, and its callers are told', async () => {
  await using issuer = await startTestIssuer()
  issuer.keySet = (_, response) => void response.writeHead(200).write('{"keys":[')
  assert.equal(await says(gateway(issuer), issuer.token()), 'issuer_unreachable')
})
