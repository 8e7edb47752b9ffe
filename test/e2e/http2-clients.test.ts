/** HTTP/2 and gRPC with real clients: grpc-js, curl and Node's own, through the gateway's TLS to grpc-js's server. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:http2'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Api, startApi } from '../fixtures/api.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { missing, run, until } from '../fixtures/run.ts'

const secret = 'sk-live-4f9a8b7c6d5e4f3a2b1c'
let home: Home
let okta: FakeOkta
let gateway: Gateway
let api: Api
let ca: string
const seen: grpc.Metadata[] = []
let cancelled = 0

const bytes = (value: Buffer) => value
const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
})
const service = (prefix: string) => ({
  unary: method(`${prefix}/echo.Echo/Unary`, false, false),
  many: method(`${prefix}/echo.Echo/Many`, false, true),
  both: method(`${prefix}/echo.Echo/Both`, true, true),
  fail: method(`${prefix}/echo.Echo/Fail`, false, false),
  admin: method(`${prefix}/echo.Admin/Drop`, false, false),
})

async function echoServer(): Promise<number> {
  const server = new grpc.Server()
  const unary: grpc.handleUnaryCall<Buffer, Buffer> = ({ request, metadata }, answer) => {
    seen.push(metadata)
    const trailers = new grpc.Metadata()
    trailers.set('x-trailer', String(metadata.get('authorization')[0]))
    answer(
      null,
      request.length === 0 ? Buffer.from(String(metadata.get('authorization')[0])) : request,
      trailers,
    )
  }
  server.addService(service(''), {
    unary,
    admin: unary,
    many(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      let n = 0
      const each = setInterval(() => call.write(Buffer.from(String(n++))), 20)
      call.on('cancelled', () => {
        cancelled += 1
        clearInterval(each)
      })
      if (call.request.toString() === 'three')
        setTimeout(() => {
          clearInterval(each)
          call.end()
        }, 90)
    },
    both(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', chunk => call.write(chunk))
      call.on('end', () => call.end())
    },
    fail(_: unknown, answer: grpc.sendUnaryData<Buffer>) {
      answer({ code: grpc.status.FAILED_PRECONDITION, details: 'not now' })
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  home.onEnd(() => server.forceShutdown())
  return port
}

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  api = await startApi(home, secret)
  const port = await echoServer()
  gateway = await startGateway(home, {
    okta,
    env: { SECRET: secret },
    connections: `  echo:
    protocol: http
    target: { url: "http://127.0.0.1:${port}", http2: true }
    lease: { bearer: "env:SECRET" }
  billing:
    protocol: http
    target: { url: "${api.url}" }
    lease: { bearer: "env:SECRET" }
`,
    rules: `
  - { id: all, group: sre-agents, connection: echo, ttl: 10m, scope: { methods: [POST], paths: [/echo.Echo/*], content_types: [application/grpc] } }
  - { id: short, group: short-agents, connection: echo, ttl: 2s, scope: { methods: [POST], paths: [/echo.Echo/*] } }
  - { id: billing, group: sre-agents, connection: billing, ttl: 10m, scope: { methods: [GET, POST], paths: ["/**"] } }
`,
  })
  ca = await readFile(join(gateway.dir, 'data/keys/ca.pem'), 'utf8')
})
after(() => home?.close())

async function client(
  group = 'sre-agents',
  password?: string,
  // biome-ignore lint/suspicious/noExplicitAny: a client made of a definition has its methods by name
): Promise<{ echo: any; metadata: grpc.Metadata }> {
  const grant = await gateway.grant(okta.token({ groups: [group] }), 'echo')
  assert.equal(grant.status, 201, grant.text)
  const Echo = grpc.makeClientConstructor(service('/c/echo'), 'Echo')
  const echo = new Echo(`localhost:${gateway.ports.http}`, grpc.credentials.createSsl(Buffer.from(ca)))
  home.onEnd(() => echo.close())
  const metadata = new grpc.Metadata()
  metadata.set('authorization', `Bearer ${password ?? grant.json.credential.password}`)
  return { echo, metadata }
}

interface Got {
  readonly error: grpc.ServiceError | null
  readonly text: string
  readonly trailer: unknown
}

// biome-ignore lint/suspicious/noExplicitAny: as above
const call = (echo: any, name: string, body: string, metadata: grpc.Metadata): Promise<Got> =>
  new Promise(resolve => {
    let trailer: unknown
    const made = echo[name](Buffer.from(body), metadata, (error: grpc.ServiceError | null, answer?: Buffer) =>
      setImmediate(() => resolve({ error, text: String(answer ?? ''), trailer })),
    )
    made.on('status', (status: grpc.StatusObject) => {
      trailer = status.metadata.get('x-trailer')[0]
    })
  })

test('gRPC, unary: the lease goes, its value does not come back, trailers and statuses do', async () => {
  const { echo, metadata } = await client()
  assert.deepEqual(await call(echo, 'unary', 'hello', metadata), {
    error: null,
    text: 'hello',
    trailer: `Bearer ${'*'.repeat(secret.length)}`,
  })
  assert.deepEqual(seen.at(-1)?.get('authorization'), [`Bearer ${secret}`])
  assert.equal((await call(echo, 'unary', '', metadata)).text, `Bearer ${'*'.repeat(secret.length)}`)
  const failed = await call(echo, 'fail', 'x', metadata)
  assert.deepEqual([failed.error?.code, failed.error?.details], [grpc.status.FAILED_PRECONDITION, 'not now'])
})

test('gRPC, refused: in statuses that its clients know, before anything arrives', async () => {
  const { echo, metadata } = await client()
  const before = seen.length
  const refused = await call(echo, 'admin', 'x', metadata)
  assert.equal(refused.error?.code, grpc.status.PERMISSION_DENIED)
  assert.match(refused.error?.details ?? '', /\/echo\.Admin\/Drop is not in scope/)
  const wrong = await client('sre-agents', 'pst_wrong')
  assert.equal(
    (await call(wrong.echo, 'unary', 'x', wrong.metadata)).error?.code,
    grpc.status.UNAUTHENTICATED,
  )
  assert.equal(seen.length, before)
})

test('gRPC, streams: messages pass as they come, both ways at once', async () => {
  const { echo, metadata } = await client()
  const many: string[] = []
  const stream = echo.many(Buffer.from('three'), metadata)
  for await (const one of stream) many.push(String(one))
  assert.ok(many.length >= 2, many.join())
  const both = echo.both(metadata)
  const echoed: string[] = []
  both.on('data', (chunk: Buffer) => echoed.push(String(chunk)))
  for (const [n, text] of ['a', 'b', 'c'].entries()) {
    both.write(Buffer.from(text))
    await until('it is echoed', async () => echoed.length > n)
  }
  assert.deepEqual(echoed, ['a', 'b', 'c'])
  const ended = new Promise(resolve => both.once('status', resolve))
  both.end()
  assert.equal(((await ended) as grpc.StatusObject).code, grpc.status.OK)
})

test('gRPC, the cut: a stream ends on time with a status that says why, and upstream too', async () => {
  const { echo, metadata } = await client('short-agents')
  const began = Date.now()
  const stream = echo.many(Buffer.from('for ever'), metadata)
  stream.on('data', () => undefined)
  const error = await new Promise<grpc.ServiceError>(resolve => stream.once('error', resolve))
  assert.equal(error.code, grpc.status.PERMISSION_DENIED, error.message)
  assert.match(error.details, /expired/)
  assert.ok(Date.now() - began < 6000)
  await until('the target is told', async () => cancelled > 0)
})

test('HTTP/2: curl, and the API too', { skip: missing('curl') }, async () => {
  const grant = await gateway.grant(okta.token(), 'billing')
  const { username, password } = grant.json.credential
  const file = join(gateway.dir, 'data/keys/ca.pem')
  const url = `https://localhost:${gateway.ports.http}`
  const curl = (args: readonly string[]) =>
    run('curl', [
      '-sS',
      '--http2',
      '-m',
      '20',
      '--cacert',
      file,
      '-w',
      '\n%{http_version} %{http_code}',
      ...args,
    ])
  assert.match((await curl([`${url}/healthz`])).stdout, /\n2 200$/)
  const got = await curl(['-u', `${username}:${password}`, `${url}/c/billing/x/../v1/items?a=1`])
  assert.match(got.stdout, /"url":"\/api\/v1\/items\?a=1"[\s\S]*\n2 200$/)
  const posted = await curl(['-u', `${username}:${password}`, '--json', '{"a":1}', `${url}/c/billing/v1`])
  assert.match(posted.stdout, /\n2 200$/)
  assert.equal(api.last().body, '{"a":1}')
  const large = await curl([
    '-u',
    `${username}:${password}`,
    `${url}/c/billing/big?n=3000000`,
    '-o',
    '/dev/null',
  ])
  assert.match(large.stdout, /2 200$/)
  assert.match(
    (await curl(['-u', `${username}:${password}`, '-X', 'DELETE', `${url}/c/billing/v1`])).stdout,
    /"code":"statement_refused"[\s\S]*\n2 403$/,
  )
  assert.match((await curl([`${url}/c/billing/v1`])).stdout, /"code":"token_missing"[\s\S]*\n2 401$/)
})

test('HTTP/2: two grants on one connection, each its own session', async () => {
  const session = connect(`https://localhost:${gateway.ports.http}`, { ca })
  const ask = (path: string, password: string) =>
    new Promise<number>((resolve, reject) => {
      const stream = session.request({ ':path': path, authorization: `Bearer ${password}` })
      stream.on('response', headers => resolve(headers[':status'] ?? 0))
      stream.on('error', reject)
      stream.resume()
    })
  const [one, two] = await Promise.all([0, 1].map(() => gateway.grant(okta.token(), 'billing')))
  const passwords = [one, two].map(grant => String(grant?.json.credential.password))
  assert.deepEqual(await Promise.all(passwords.map(password => ask('/c/billing/v1', password))), [200, 200])
  await gateway.api('DELETE', `/v1/grants/${one?.json.id}`, okta.token())
  assert.deepEqual(await Promise.all(passwords.map(password => ask('/c/billing/v1', password))), [403, 200])
  session.close()
})
