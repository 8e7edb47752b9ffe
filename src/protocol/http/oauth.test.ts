/** Leases that are fetched or computed, against a token endpoint and a target that look at what they get. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { Refused } from '../../denial.ts'
import { issueAuthority, issueServer } from '../../listener/certificate.ts'
import { clientCredentials, fetchToken, type TokenClient } from './oauth.ts'
import { KeptToken, type TokenSource } from './token.ts'
import { HttpUpstream } from './upstream.ts'

interface Asked {
  readonly authorization: string | undefined
  readonly url: string | undefined
  readonly body: string
}

const asked: Asked[] = []
let answer: (response: ServerResponse, count: number) => void
let port = 0
const server = createServer((request: IncomingMessage, response) => {
  const chunks: Buffer[] = []
  request.on('data', chunk => chunks.push(chunk as Buffer))
  request.on('end', () => {
    const { authorization } = request.headers
    asked.push({ authorization, url: request.url, body: Buffer.concat(chunks).toString() })
    if (request.url === '/token') answer(response, asked.length)
    else response.end(`${authorization}|${request.url}|${request.headers['x-amz-date'] !== undefined}`)
  })
})
before(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
after(() => {
  server.closeAllConnections()
  server.close()
})

const give = (body: unknown, status = 200) => {
  asked.length = 0
  answer = (response, count) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    response.writeHead(status, { 'content-type': 'application/json' }).end(text.replace('#', String(count)))
  }
}
const client =
  (more: Partial<TokenClient> = {}, url = `http://127.0.0.1:${port}/token`): TokenSource =>
  () =>
    fetchToken(
      { url: new URL(url) },
      clientCredentials({ id: 'the id', secret: 's3cret:+', auth: 'basic', ...more }),
    )
const good = { access_token: 'token-#', token_type: 'Bearer', expires_in: 100 }

test('one token for all who wait, kept until a while before its end, then fetched in the background', async () => {
  give(good)
  let now = 0
  const tokens: string[] = []
  const token = new KeptToken(
    client({ scope: 'a b' }),
    got => void tokens.push(got),
    () => now,
  )
  const all = await Promise.all([token.ready(), token.ready(), token.ready()])
  assert.deepEqual([all, tokens], [[undefined, undefined, undefined], ['token-1']])
  assert.equal(token.ready(), undefined)
  now = 60_000
  assert.equal(token.ready(), undefined, 'still good: nobody waits')
  while (tokens.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  now = 200_000
  assert.equal(await token.ready(), undefined)
  assert.deepEqual(tokens, ['token-1', 'token-2', 'token-3'])
  assert.equal(asked[0]?.authorization, `Basic ${Buffer.from('the+id:s3cret%3A%2B').toString('base64')}`)
  assert.equal(asked[0]?.body, 'grant_type=client_credentials&scope=a+b')
})

test('the credential in the form, where the endpoint wants it there', async () => {
  give(good)
  const token = new KeptToken(
    client({ auth: 'post', audience: 'api' }),
    () => undefined,
    () => 0,
  )
  await token.ready()
  assert.equal(asked[0]?.authorization, undefined)
  assert.equal(
    asked[0]?.body,
    'grant_type=client_credentials&audience=api&client_id=the+id&client_secret=s3cret%3A%2B',
  )
})

test('what is no bearer token is refused without a word of it, and asked for again', async () => {
  for (const [body, status] of [
    [{ error: 'invalid_client', error_description: 's3cret:+' }, 401],
    [{ ...good, token_type: 'mac' }, 200],
    [{ ...good, access_token: 'a b' }, 200],
    [{ ...good, access_token: 'a\r\nx: y' }, 200],
    [{ ...good, access_token: '' }, 200],
    [{ ...good, expires_in: 0 }, 200],
    ['not json', 200],
    [`"${'x'.repeat(70_000)}"`, 200],
    ['', 302],
  ] as const) {
    give(body, status)
    const token = new KeptToken(
      client(),
      () => assert.fail('taken'),
      () => 0,
    )
    const refused = await token.ready()
    assert.ok(refused instanceof Refused, JSON.stringify(body))
    assert.equal(refused.denial.code, 'upstream_unreachable')
    assert.ok(!JSON.stringify(refused).includes('s3cret'))
    assert.ok((await token.ready()) instanceof Refused)
    assert.equal(asked.length, 2)
  }
})

test('the token endpoint is judged as any target is (attack 147)', async () => {
  const token = new KeptToken(
    client({}, 'http://no-such.invalid/t'),
    () => assert.fail(),
    () => 0,
  )
  assert.ok((await token.ready()) instanceof Refused)
})

test('inside TLS a token endpoint may be an address, and must be of a CA that is trusted and for its name', async t => {
  const day = 86_400_000
  const ca = await issueAuthority(Date.now(), day)
  const secure = createSecureServer(await issueServer(ca, ['127.0.0.1'], Date.now(), day), (_, response) =>
    response.end(JSON.stringify(good)),
  )
  await new Promise<void>(resolve => secure.listen(0, '127.0.0.1', resolve))
  t.after(() => secure.close())
  const { port } = secure.address() as AddressInfo
  const fetched = (host: string, ca?: string) =>
    fetchToken({ url: new URL(`https://${host}:${port}/token`), ca }, { form: {} })
  const detailOf = (got: object) => (got instanceof Refused ? got.denial.detail : '')
  assert.deepEqual(await fetched('127.0.0.1', ca.cert), { token: 'token-#', life: 100_000 })
  assert.match(detailOf(await fetched('127.0.0.1')), /token endpoint: (UNABLE_TO|SELF_SIGNED|DEPTH)/)
  assert.match(detailOf(await fetched('localhost', ca.cert)), /ERR_TLS_CERT_ALTNAME_INVALID/)
})

test('a source that throws is a refusal, for who waits and in the background alike', async () => {
  let now = 0
  let source: TokenSource = async () => ({ token: 'one', life: 100_000 })
  const token = new KeptToken(
    () => source(),
    () => undefined,
    () => now,
  )
  await token.ready()
  const unhandled: unknown[] = []
  const note = (error: unknown) => void unhandled.push(error)
  process.on('unhandledRejection', note)
  try {
    source = () => Promise.reject(new RangeError('with the s3cret in it'))
    now = 60_000
    assert.equal(token.ready(), undefined, 'still good: nobody waits')
    await new Promise(resolve => setTimeout(resolve, 20))
  } finally {
    process.off('unhandledRejection', note)
  }
  assert.deepEqual(unhandled, [])
  now = 200_000
  const refused = await token.ready()
  assert.ok(refused instanceof Refused)
  assert.equal(refused.denial.code, 'internal_error')
  assert.match(refused.denial.detail, /RangeError/)
  assert.ok(!JSON.stringify(refused).includes('s3cret'))
})

const target = () => ({
  url: new URL(`http://127.0.0.1:${port}/api`),
  address: { address: '127.0.0.1', family: 4 as const },
})
const ask = (upstream: HttpUpstream, path: string, headers: string[] = []) =>
  new Promise<string>((resolve, reject) => {
    let text = ''
    upstream.send(
      { method: 'GET', path, headers, body: undefined },
      {
        onHead: () => undefined,
        onData: chunk => {
          text += chunk.toString()
        },
        onEnd: () => resolve(text),
        onError: reject,
      },
    )
  })

test('a fetched token goes with each request and is taken out of what comes back', async () => {
  give(good)
  await using upstream = new HttpUpstream({
    ...target(),
    credential: { headers: [], secrets: ['s3cret:+'], token: client() },
  })
  assert.equal(await upstream.ready(), undefined)
  assert.equal(await ask(upstream, '/x'), 'Bearer token-1|/api/x|false')
  assert.equal(upstream.secrets.inText('a token-1 b'), 'a ******* b')
  assert.ok(upstream.sets('authorization'))
})

test('a query parameter is put behind whatever query there is', async () => {
  const query = { name: 'api_key', value: 'k&y=1' }
  await using upstream = new HttpUpstream({
    ...target(),
    credential: { headers: [], secrets: ['k&y=1'], query },
  })
  assert.equal(await ask(upstream, '/x'), 'undefined|/api/x?api_key=k%26y%3D1|false')
  assert.equal(await ask(upstream, '/x?a=b'), 'undefined|/api/x?a=b&api_key=k%26y%3D1|false')
  assert.equal(upstream.parameter, 'api_key')
})

test("AWS: each request is signed, and a client's own of these headers are not passed on", async () => {
  const aws = {
    keyId: 'AKID',
    secret: 'aws-secret',
    region: 'r',
    service: 'execute-api',
    unsignedPayload: false,
  }
  await using upstream = new HttpUpstream({
    ...target(),
    credential: { headers: [], secrets: ['aws-secret'], aws },
  })
  const form =
    /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/r\/execute-api\/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=[0-9a-f]{64}\|\/api\/x\|true$/
  assert.match(await ask(upstream, '/x', ['x-amz-target', 'T', 'accept', 'a/b']), form)
  for (const name of ['authorization', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token'])
    assert.ok(upstream.sets(name), name)
  assert.ok(upstream.wantsBody)
})
