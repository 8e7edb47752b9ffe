/** What one client may pour into an HTTP/2 connection, frame by frame: it is sent away, and nobody else notices. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { field, frame, type as known } from '../../test/fixtures/frames.ts'
import { createLog } from '../telemetry/log.ts'
import { type HttpListening, listenHttp } from './http.ts'
import { loadTls, type TlsKeys } from './tls.ts'

let folder: string
let tls: TlsKeys
let open: HttpListening
let served = 0

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-floods-'))
  tls = await loadTls('auto', folder, [], Date.now())
  open = await listenHttp({
    at: { host: '127.0.0.1', port: 0 },
    tls,
    insecure: false,
    limits: { total: 100, perSource: 100 },
    log: createLog('silent'),
    onRequest: (request, response) => {
      served += 1
      if (request.url === '/wait') return
      request.resume()
      request.on('end', () => response.end('x'.repeat(1000)))
    },
  })
})
after(async () => {
  open.destroy()
  await open.close()
  await rm(folder, { recursive: true })
})

// Beside the fixture's (RFC 9113 section 6).
const type = { ...known, priority: 2, ping: 6, continuation: 9 }
const [ack, endStream, endHeaders] = [1, 1, 4]

const word = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
/** GET, https, and the path and authority in full. */
const request = (path: string) =>
  Buffer.concat([Buffer.from([0x82, 0x87]), field([':path', path]), field([':authority', 'localhost'])])
const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(type.settings, 0, 0)])
const get = (stream: number, path: string) =>
  frame(type.headers, endStream | endHeaders, stream, request(path))

/** Pours without ever reading, until it is sent away or `most` bytes are gone. */
async function pour(next: (round: number) => Buffer, most = 64 * 1024 * 1024): Promise<number> {
  const socket: TLSSocket = connect({
    host: '127.0.0.1',
    port: open.address.port,
    servername: 'localhost',
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ALPNProtocols: ['h2'],
  })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  let over = false
  socket.once('close', () => {
    over = true
  })
  socket.write(preface)
  let sent = 0
  for (let round = 0; !over && sent < most; round++) {
    const bytes = next(round)
    sent += bytes.length
    if (!socket.write(bytes)) {
      const blocked = await Promise.race([
        once(socket, 'drain').then(() => false),
        once(socket, 'close').then(() => false),
        new Promise<boolean>(resolve => setTimeout(resolve, 2000, true)),
      ]).catch(() => false)
      // It takes nothing more and holds nothing more: as good as gone.
      if (blocked) break
    } else await new Promise(resolve => setImmediate(resolve))
  }
  socket.destroy()
  return sent
}

async function othersAreServed(): Promise<void> {
  const session = connectHttp2(`https://localhost:${open.address.port}`, { ca: tls.ca })
  const stream = session.request({ ':path': '/' })
  const [headers] = (await once(stream, 'response')) as [{ ':status'?: number }]
  assert.equal(headers[':status'], 200)
  stream.resume()
  await once(stream, 'close')
  session.close()
}

const thousand = (bytes: Buffer) => Buffer.concat(Array.from({ length: 1000 }, () => bytes))
const junk = field(['x-junk', 'j'.repeat(100)])
const firstHeaders = (stream: number) => frame(type.headers, endStream, stream, request('/'))

/** Each pours what RFC 9113 section 10.5 warns of. `most` requests may come through. */
const floods: readonly [name: string, next: (round: number) => Buffer, most: number][] = [
  [
    'CONTINUATION without end (CVE-2024-27983)',
    round =>
      round === 0
        ? firstHeaders(1)
        : frame(type.continuation, 0, 1, Buffer.concat(Array.from({ length: 100 }, () => junk))),
    0,
  ],
  [
    'empty CONTINUATION frames',
    round => (round === 0 ? firstHeaders(1) : thousand(frame(type.continuation, 0, 1))),
    0,
  ],
  [
    'SETTINGS whose acknowledgements nobody reads (CVE-2019-9515)',
    () => thousand(frame(type.settings, 0, 0)),
    0,
  ],
  [
    'PINGs whose answers nobody reads (CVE-2019-9512)',
    () => thousand(frame(type.ping, 0, 0, Buffer.alloc(8))),
    0,
  ],
  [
    'SETTINGS of a hundred entries',
    () =>
      frame(
        type.settings,
        0,
        0,
        Buffer.concat(Array.from({ length: 100 }, () => Buffer.from([0, 3, 0, 0, 0, 1]))),
      ),
    0,
  ],
  ['acknowledgements of settings never sent', () => thousand(frame(type.settings, ack, 0)), 0],
  [
    'PRIORITY for streams that are not (CVE-2019-9513)',
    round => thousand(frame(type.priority, 0, 2 * round + 1, Buffer.alloc(5))),
    0,
  ],
  [
    'empty DATA on one stream (CVE-2019-9518)',
    round =>
      round === 0 ? frame(type.headers, endHeaders, 1, request('/wait')) : thousand(frame(type.data, 0, 1)),
    1,
  ],
  ['WINDOW_UPDATE beyond what a window holds', () => frame(type.window, 0, 0, word(0x7fffffff)), 0],
  [
    'requests, each reset in the same breath (CVE-2023-44487)',
    round =>
      Buffer.concat(
        Array.from({ length: 100 }, (_, n) => {
          const stream = 2 * (round * 100 + n) + 1
          return Buffer.concat([get(stream, '/wait'), frame(type.reset, 0, stream, word(8))])
        }),
      ),
    2000,
  ],
  [
    'more requests at once than were allowed',
    round => Buffer.concat(Array.from({ length: 100 }, (_, n) => get(2 * (round * 100 + n) + 1, '/wait'))),
    2000,
  ],
  [
    'requests whose answers nobody reads (CVE-2019-9517)',
    round => Buffer.concat(Array.from({ length: 100 }, (_, n) => get(2 * (round * 100 + n) + 1, '/'))),
    5000,
  ],
  ['frames of a size nobody agreed on', () => frame(type.data, 0, 1, Buffer.alloc(20_000)), 0],
  ['something that is no HTTP/2', () => Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(100)), 0],
]

for (const [name, next, most] of floods) {
  test(`sent away: ${name}`, async () => {
    const servedBefore = served
    const memoryBefore = process.memoryUsage().rss
    const sent = await pour(next)
    assert.ok(sent < 64 * 1024 * 1024, `took all ${sent} bytes`)
    assert.ok(served - servedBefore <= most, `${served - servedBefore} were served`)
    const grown = (process.memoryUsage().rss - memoryBefore) / 1024 / 1024
    assert.ok(grown < 96, `${grown.toFixed(0)} MB more`)
    await othersAreServed()
  })
}
