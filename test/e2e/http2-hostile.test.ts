/** HTTP/2 clients and targets that mean harm: what they do ends their own exchange, and the gateway goes on. */
import assert from 'node:assert/strict'
import { connect } from 'node:http2'
import { createServer, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { type Home, openHome } from '../../src/demo/home.ts'
import { rawHttp2 } from '../fixtures/frames.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { until } from '../fixtures/run.ts'

let home: Home
let okta: FakeOkta
let gateway: Gateway
/** Connections of the target, and how many of them have been closed. */
const reached: Socket[] = []
let closed = 0

/** Takes a head and nothing more; answers with the status that a path names. */
const target = createServer(socket => {
  reached.push(socket)
  socket.on('error', () => undefined)
  socket.once('close', () => {
    closed += 1
  })
  socket.once('data', chunk => {
    const status = /^GET \/status\/(\d+)/.exec(chunk.toString('latin1'))?.[1]
    if (status === undefined) socket.pause()
    else socket.end(`HTTP/1.1 ${status} X\r\ncontent-length: 2\r\n\r\nok`)
  })
})

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  await new Promise<void>(resolve => target.listen(0, '127.0.0.1', resolve))
  home.onEnd(() => {
    for (const socket of reached) socket.destroy()
    target.close()
  })
  const { port } = target.address() as { port: number }
  gateway = await startGateway(home, {
    okta,
    env: { SECRET: 'sk-live-4f9a8b7c6d5e' },
    connections: `  api:
    protocol: http
    target: { url: "http://127.0.0.1:${port}" }
    lease: { bearer: "env:SECRET" }
`,
    rules: `
  - { id: all, group: sre-agents, connection: api, ttl: 10m, scope: { methods: [GET, POST], paths: ["/**"] } }
`,
  })
})
after(() => home?.close())

const size = 9 * 1024 * 1024

/** An upload that the target does not take, reset with NO_ERROR: its stream is closed, and never destroyed by Node. */
async function stalledAndReset(): Promise<{ id: string; upstream: Socket; client: { destroy(): void } }> {
  const { json: grant } = await gateway.grant(okta.token(), 'api')
  const before = reached.length
  const { socket, open, fill, reset } = await rawHttp2(gateway.ports.http)
  open(1, [
    [':method', 'POST'],
    [':scheme', 'https'],
    [':path', '/c/api/upload'],
    [':authority', `127.0.0.1:${gateway.ports.http}`],
    ['authorization', `Bearer ${grant.credential.password}`],
    ['content-length', String(size)],
  ])
  const sent = await fill(1, size)
  assert.ok(sent < size, 'the target took all of it')
  // The target hears of it a moment later than the client's window is full.
  const upstream = await until('it goes on before it is whole', () => reached[before])
  reset(1, 0)
  return { id: grant.id, upstream, client: socket }
}

const isAlive = async () => (await fetch(`${gateway.url}/healthz`)).status === 200
const noDefects = async () => assert.doesNotMatch(await gateway.log(), /a defect|a protocol failed/)

const then: readonly [string, (at: { id: string; upstream: Socket }) => Promise<unknown>][] = [
  [
    'the target answers',
    async ({ upstream }) => void upstream.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'),
  ],
  ['the target closes', async ({ upstream }) => void upstream.destroy()],
  ['the grant ends', async ({ id }) => gateway.api('DELETE', `/v1/grants/${id}`, okta.token())],
]
for (const [name, act] of then) {
  test(`an upload that is reset with NO_ERROR under backpressure is over, whatever follows: ${name}`, async () => {
    const pid = gateway.pid
    const closedBefore = closed
    const at = await stalledAndReset()
    await act(at)
    at.upstream.resume()
    await until('the target is told that nobody waits', async () => closed > closedBefore)
    assert.ok(await isAlive())
    assert.equal(gateway.pid, pid)
    await noDefects()
    at.client.destroy()
  })
}

test('a status that is none is an answer that cannot be read, over HTTP/1.1 and HTTP/2', async () => {
  const { json: grant } = await gateway.grant(okta.token(), 'api')
  const authorization = `Bearer ${grant.credential.password}`
  const session = connect(gateway.url.replace('http:', 'https:'), { rejectUnauthorized: false })
  const ask = (path: string) =>
    new Promise<number>((resolve, reject) => {
      const stream = session.request({ ':path': path, authorization })
      stream.on('response', headers => resolve(headers[':status'] ?? 0))
      stream.on('error', reject)
      stream.resume()
    })
  for (const status of [600, 700, 999]) {
    assert.equal(await ask(`/c/api/status/${status}`), 502)
    const answer = await fetch(`${gateway.url}/c/api/status/${status}`, { headers: { authorization } })
    assert.equal(answer.status, 502)
  }
  assert.equal(await ask('/c/api/status/599'), 599)
  session.close()
  assert.ok(await isAlive())
  await noDefects()
})

test('a grant has 256 requests under way, and no more until one is over', async () => {
  const { json: grant } = await gateway.grant(okta.token(), 'api')
  const authorization = `Bearer ${grant.credential.password}`
  const before = reached.length
  const session = () => {
    const opened = connect(gateway.url.replace('http:', 'https:'), { rejectUnauthorized: false })
    for (let n = 0; n < 128; n++)
      opened.request({ ':path': '/c/api/wait', authorization }).on('error', () => undefined)
    return opened
  }
  const one = () => fetch(`${gateway.url}/c/api/status/200`, { headers: { authorization } })
  const shot = () =>
    gateway.api('POST', `/v1/grants/${grant.id}/request`, okta.token(), {
      method: 'GET',
      path: '/status/200',
    })
  // One that is not refused waits too, and so takes the place that was left.
  const leaving = new AbortController()
  const tried = () =>
    Promise.race([
      fetch(`${gateway.url}/c/api/wait`, { headers: { authorization }, signal: leaving.signal }).catch(
        () => undefined,
      ),
      setTimeout(300),
    ])
  const served = session()
  await until('as many as may be are under way at the target', async () => reached.length >= before + 128)
  const waiting = session()
  await until('as many wait', async () => (await tried())?.status === 429)
  const full = await one()
  assert.equal(full.status, 429)
  assert.equal(full.headers.get('retry-after'), '1')
  assert.match(await full.text(), /"code":"limit_exceeded".*|256 requests under way/)
  assert.equal((await shot()).status, 429)
  // Those that wait go first: else they would be sent as soon as the others are gone, and rightly.
  waiting.destroy()
  await until('those that waited have left', async () => (await tried())?.status !== 429)
  leaving.abort()
  served.destroy()
  await until('there is room again', async () => (await one()).status === 200)
  assert.equal((await shot()).status, 200)
  assert.ok(reached.length < before + 128 + 20, 'what was given up while it waited is not sent')
})

test('a one-shot whose caller has left goes on no more', async () => {
  const { json: grant } = await gateway.grant(okta.token(), 'api')
  const before = reached.length
  const closedBefore = closed
  const leaving = new AbortController()
  const shot = fetch(`${gateway.url}/v1/grants/${grant.id}/request`, {
    method: 'POST',
    headers: { authorization: `Bearer ${okta.token()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ method: 'GET', path: '/wait' }),
    signal: leaving.signal,
  }).catch(() => undefined)
  await until('it is at the target', async () => reached.length > before)
  leaving.abort()
  await shot
  reached[before]?.resume()
  await until('the target is told', async () => closed > closedBefore)
  await noDefects()
})
