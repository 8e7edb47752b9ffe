import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { type ClientHttp2Session, connect, constants } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createLog } from '../telemetry/log.ts'
import { type HttpListening, listenHttp } from './http.ts'
import { loadTls, type TlsKeys } from './tls.ts'

let folder: string
let tls: TlsKeys
let open: HttpListening
let served = 0

const echo: RequestListener = (request, response) => {
  served += 1
  if (request.url === '/wait') return
  const chunks: Buffer[] = []
  request.on('data', chunk => chunks.push(chunk as Buffer))
  request.on('end', () =>
    response.end(
      `${request.method} ${request.headers.host} ${request.rawHeaders.includes('host')} ${Buffer.concat(chunks)}`,
    ),
  )
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-http2-'))
  tls = await loadTls('auto', folder, [], Date.now())
  open = await listenHttp({
    at: { host: '127.0.0.1', port: 0 },
    tls,
    insecure: false,
    limits: { total: 100, perSource: 100 },
    log: createLog('silent'),
    onRequest: echo,
  })
})
after(async () => {
  open.destroy()
  await open.close()
  await rm(folder, { recursive: true })
})

const session = (): ClientHttp2Session => {
  const made = connect(`https://localhost:${open.address.port}`, { ca: tls.ca })
  made.on('error', () => undefined)
  return made
}

async function ask(on: ClientHttp2Session, headers: Record<string, string>, body?: string): Promise<string> {
  const stream = on.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  let status = 0
  stream.once('response', got => {
    status = got[':status'] ?? 0
  })
  let text = ''
  stream.on('data', chunk => {
    text += String(chunk)
  })
  await once(stream, 'close').catch(error => {
    text = String(error.code)
  })
  return `${status} ${text}`
}

test('a request looks as it does over HTTP/1.1', async () => {
  const on = session()
  const host = `localhost:${open.address.port}`
  assert.equal(await ask(on, { ':path': '/x' }), `200 GET ${host} true `)
  assert.equal(await ask(on, { ':path': '/x', ':method': 'POST' }, 'body'), `200 POST ${host} true body`)
  on.close()
})

test('a Host beside the authority is refused (attack 136)', async () => {
  const on = session()
  assert.equal(await ask(on, { ':path': '/x', host: 'evil.example' }), '400 ')
  on.close()
})

test('extended CONNECT is not offered, and a plain one goes nowhere', async () => {
  const on = session()
  await once(on, 'remoteSettings')
  assert.notEqual(on.remoteSettings.enableConnectProtocol, true)
  const before = served
  assert.match(await ask(on, { ':method': 'CONNECT', ':authority': 'localhost:1' }), /^405/)
  assert.equal(served, before)
  on.close()
})

test('headers beyond the cap are refused and never served', async () => {
  const on = session()
  const before = served
  assert.doesNotMatch(await ask(on, { ':path': '/x', 'x-long': 'a'.repeat(40_000) }), /^200/)
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`x-${n}`, 'v']))
  assert.doesNotMatch(await ask(on, { ':path': '/x', ...many }), /^200/)
  assert.equal(served, before)
  on.destroy()
})

test('whoever resets without end is sent away; others do not notice (CVE-2023-44487)', async () => {
  const [on, other] = [session(), session()]
  await Promise.all([once(on, 'connect'), once(other, 'connect')])
  const before = served
  const closed = new Promise(resolve => on.once('close', resolve))
  // As many as are allowed at once, given up as soon as they were sent, over and over.
  const pour = () => {
    if (on.closed || on.destroyed) return
    for (let n = 0; n < 100; n++) {
      const stream = on.request({ ':path': '/wait' })
      stream.on('error', () => undefined)
      setImmediate(() => stream.close(constants.NGHTTP2_CANCEL))
    }
    setTimeout(pour, 5)
  }
  pour()
  await closed
  assert.ok(served - before < 2000, `${served - before} were served`)
  assert.match(await ask(other, { ':path': '/x' }), /^200/)
  other.close()
})

test('how many streams may be open is said at once', async () => {
  const on = session()
  await once(on, 'remoteSettings')
  assert.equal(on.remoteSettings.maxConcurrentStreams, 128)
  on.destroy()
})

test('M200: requests that come at once are begun a few in a turn', async () => {
  const began = served
  let most = 0
  let before = served
  let isOver = false
  const look = () => {
    most = Math.max(most, served - before)
    before = served
    if (!isOver) setImmediate(look)
  }
  const on = session()
  await once(on, 'connect')
  setImmediate(look)
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(on, { ':path': '/x' })))
  isOver = true
  assert.ok(answers.every(answer => answer.startsWith('200 GET')))
  assert.equal(served - began, 100)
  // Two turns of the loop may lie between two looks.
  assert.ok(most <= 16, `${most} in a turn`)
  on.close()
})
