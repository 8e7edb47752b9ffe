import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpRequest, type RequestListener } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect as tlsConnect } from 'node:tls'
import { createLog } from '../telemetry/log.ts'
import { type HttpListener, listenHttp } from './http.ts'
import { loadTls, type TlsKeys } from './tls.ts'

let folder: string
let tls: TlsKeys
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-http-'))
  tls = await loadTls('auto', folder, [], Date.now())
})
after(() => rm(folder, { recursive: true }))

const outside = Object.values(networkInterfaces())
  .flatMap(list => list ?? [])
  .find(one => !one.internal && one.family === 'IPv4')?.address

const echo: RequestListener = (request, response) => {
  request.resume()
  request.on('end', () => response.end(`${request.method} ${request.url} ${'encrypted' in request.socket}`))
}

function open(more: Partial<HttpListener> = {}) {
  const at = { host: '127.0.0.1', port: 0 }
  const limits = { total: 100, perSource: 100 }
  return listenHttp({ at, tls, insecure: false, limits, log: createLog('silent'), onRequest: echo, ...more })
}

async function get(
  scheme: 'http' | 'https',
  host: string,
  port: number,
  headers: Record<string, string> = {},
): Promise<string> {
  const options = {
    host,
    port,
    path: '/healthz',
    headers,
    agent: false as const,
    ca: tls.ca,
    servername: 'localhost',
    method: 'POST',
  }
  const request = scheme === 'http' ? httpRequest(options) : httpsRequest(options)
  const answer = once(request, 'response')
  request.end('x'.repeat(100_000))
  const [response] = await answer
  let text = ''
  for await (const part of response) text += part
  return `${response.statusCode} ${text}`
}

async function raw(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect(port, host)
  socket.on('error', () => socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function all(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', part => {
    text += part
  })
  await once(socket, 'close')
  return text
}

test('on loopback one port takes TLS and plaintext', async () => {
  const listener = await open()
  assert.equal(await get('http', '127.0.0.1', listener.address.port), '200 POST /healthz false')
  assert.equal(await get('https', '127.0.0.1', listener.address.port), '200 POST /healthz true')
  await listener.close()
})

test('off loopback plaintext is never taken, unless TLS ends in front', {
  skip: outside === undefined,
}, async () => {
  const host = outside ?? ''
  const strict = await open({ at: { host: '0.0.0.0', port: 0 } })
  await assert.rejects(get('http', host, strict.address.port))
  assert.equal(await get('https', host, strict.address.port), '200 POST /healthz true')
  await strict.close()
  const behind = await open({ at: { host: '0.0.0.0', port: 0 }, insecure: true })
  assert.equal(await get('http', host, behind.address.port), '200 POST /healthz false')
  await behind.close()
})

test('clients that say nothing, or half a TLS hello, stall nobody and are ended', async () => {
  const listener = await open({ deadlines: { hello: 300, headers: 5000, request: 5000, idle: 5000 } })
  const silent = await raw(listener.address.port)
  const half = await raw(listener.address.port)
  half.write(Uint8Array.of(0x16, 3, 1))
  const gone = [once(silent, 'close'), once(half, 'close')]
  assert.equal(await get('http', '127.0.0.1', listener.address.port), '200 POST /healthz false')
  assert.equal(await get('https', '127.0.0.1', listener.address.port), '200 POST /healthz true')
  silent.resume()
  half.resume()
  await Promise.all(gone)
  await listener.close()
})

test('headers that never end meet their deadline, in TLS too', async () => {
  const listener = await open({ deadlines: { hello: 5000, headers: 200, request: 400, idle: 5000 } })
  const slow = await raw(listener.address.port)
  slow.write('GET / HTTP/1.1\r\nHost: x\r\nA: ')
  assert.match(await all(slow), /^HTTP\/1\.1 408/)
  const secure = tlsConnect({
    port: listener.address.port,
    host: '127.0.0.1',
    ca: tls.ca,
    servername: 'localhost',
  })
  await once(secure, 'secureConnect')
  secure.write('GET / HTTP/1.1\r\nHost: x\r\nA: ')
  assert.match(await all(secure), /^HTTP\/1\.1 408/)
  await listener.close()
})

const refused: readonly (readonly [name: string, bytes: string, answer: RegExp])[] = [
  ['a PROXY line', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 400/],
  ['a PROXY v2 header', '\r\n\r\n\0\r\nQUIT\n!\x11\0\x0cAAAABBBBCCDD', /^HTTP\/1\.1 400/],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    /^HTTP\/1\.1 400/,
  ],
  [
    'a length and chunks',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    /^HTTP\/1\.1 400/,
  ],
  ['a bare LF', 'GET / HTTP/1.1\nHost: x\n\n', /^HTTP\/1\.1 400/],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400/],
  [
    'a header beyond 32 KiB',
    `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: ${'a'.repeat(40_000)}\r\n\r\n`,
    /^HTTP\/1\.1 431/,
  ],
  ['an SSH client', 'SSH-2.0-OpenSSH_9.2\r\n', /^HTTP\/1\.1 400/],
  ['HTTP/2 by prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 (400|505)/],
]

for (const [name, bytes, answer] of refused) {
  test(`${name} is refused and the connection closed`, async () => {
    const listener = await open()
    const socket = await raw(listener.address.port)
    socket.write(bytes, 'latin1')
    assert.match(await all(socket), answer)
    await listener.close()
  })
}

test('a token of 16 KiB fits', async () => {
  const listener = await open()
  const headers = { authorization: `Bearer ${'a'.repeat(16 * 1024)}` }
  assert.match(await get('https', '127.0.0.1', listener.address.port, headers), /^200/)
  await listener.close()
})

test('inside TLS HTTP/2 is for who asks for it, and HTTP/1.1 for all others', async () => {
  const listener = await open()
  for (const [offered, agreed] of [
    [['h2', 'http/1.1'], 'h2'],
    [['http/1.1'], 'http/1.1'],
    [undefined, false],
  ] as const) {
    const socket = tlsConnect({
      port: listener.address.port,
      host: '127.0.0.1',
      ca: tls.ca,
      servername: 'localhost',
      ...(offered === undefined ? {} : { ALPNProtocols: [...offered] }),
    })
    await once(socket, 'secureConnect')
    assert.equal(socket.alpnProtocol, agreed)
    socket.destroy()
  }
  await listener.close()
})

test('CONNECT and upgrades go to their own handlers', async () => {
  const listener = await open({
    onConnect: (request, socket) => socket.end(`HTTP/1.1 200 ${request.url}\r\n\r\n`),
    onUpgrade: (request, socket) => socket.end(`HTTP/1.1 101 ${request.headers.upgrade}\r\n\r\n`),
  })
  const tunnel = await raw(listener.address.port)
  tunnel.write('CONNECT web-1:22 HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.match(await all(tunnel), /^HTTP\/1\.1 200 web-1:22/)
  const upgrade = await raw(listener.address.port)
  upgrade.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
  assert.match(await all(upgrade), /^HTTP\/1\.1 101 websocket/)
  await listener.close()
})

test('without a handler CONNECT is not a way through', async () => {
  const listener = await open()
  const tunnel = await raw(listener.address.port)
  tunnel.write('CONNECT web-1:22 HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.doesNotMatch(await all(tunnel), /200/)
  await listener.close()
})

test('connections are counted, and their ends too, in TLS as in plaintext', async () => {
  const listener = await open({ limits: { total: 2, perSource: 2 } })
  for (let i = 0; i < 6; i += 1)
    assert.match(
      await get(i % 2 === 0 ? 'http' : 'https', '127.0.0.1', listener.address.port, { connection: 'close' }),
      /^200/,
    )
  const held = [await raw(listener.address.port), await raw(listener.address.port)]
  const third = await raw(listener.address.port)
  assert.equal(await all(third), '')
  for (const socket of held) socket.destroy()
  await listener.close()
})

test('destroy ends what is open, TLS included, so that close comes to its end', async () => {
  const listener = await open()
  const secure = tlsConnect({
    port: listener.address.port,
    host: '127.0.0.1',
    ca: tls.ca,
    servername: 'localhost',
  })
  secure.on('error', () => secure.destroy())
  await once(secure, 'secureConnect')
  const plain = await raw(listener.address.port)
  plain.write('GET /slow HTTP/1.1\r\nHost: x\r\n')
  // Not events.once: it takes the reset that we provoke for a failure.
  const gone = [secure, plain].map(socket => new Promise(resolve => socket.once('close', resolve)))
  const closed = listener.close()
  listener.destroy()
  await Promise.all([closed, ...gone])
})

test('renewed keys are shown to new connections', async () => {
  const listener = await open()
  const other = await mkdtemp(join(tmpdir(), 'postern-http-'))
  const renewed = await loadTls('auto', other, [], Date.now())
  listener.renew(renewed)
  await assert.rejects(
    get('https', '127.0.0.1', listener.address.port),
    /unable to verify|self-signed|signature/i,
  )
  await listener.close()
  await rm(other, { recursive: true })
})

test('a client that pipelines on without an answer is sent away; one whose requests are answered is not', async () => {
  const held: string[] = []
  const listener = await open({
    onRequest(request, response) {
      if (request.url !== '/wait') return void response.end('x')
      held.push(request.url)
    },
  })
  const pipelined = (path: string, times: number) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(times)
  const flood = await raw(listener.address.port)
  const closed = new Promise(resolve => flood.once('close', resolve))
  flood.resume()
  flood.write(pipelined('/wait', 5000))
  await closed
  assert.equal(held.length, 1)
  const patient = await raw(listener.address.port)
  let text = ''
  patient.on('data', part => {
    text += part
  })
  const answers = () => text.split('HTTP/1.1 200').length - 1
  for (let round = 1; round <= 5; round++) {
    patient.write(pipelined('/', 60))
    while (answers() < round * 60) await new Promise(resolve => setTimeout(resolve, 2))
  }
  patient.destroy()
  await listener.close()
})

test('M200: requests that come at once are begun one after the other, each in a turn of its own', async () => {
  let isFresh = true
  let begun = 0
  const listener = await open({
    onRequest(_, response) {
      begun += isFresh ? 1 : 1000
      isFresh = false
      setImmediate(() => {
        isFresh = true
      })
      response.end('x')
    },
  })
  const client = await raw(listener.address.port)
  let text = ''
  client.on('data', part => {
    text += part
  })
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(60))
  while (text.split('HTTP/1.1 200').length <= 60) await new Promise(setImmediate)
  client.destroy()
  await listener.close()
  assert.equal(begun, 60)
})
