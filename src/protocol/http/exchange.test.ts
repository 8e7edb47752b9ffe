import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { Recorder, Result, Seq } from '../../recording/record.ts'
import { Exchange, type Onward, type Sink } from './exchange.ts'
import { HttpUpstream } from './upstream.ts'

let target: Server
let port: number
const upstreams: HttpUpstream[] = []
let left = 0

before(async () => {
  target = createServer((request, response) => {
    response.once('close', () => {
      if (!response.writableFinished) left += 1
    })
    request.resume()
    if (request.url === '/wait') return
    if (request.url === '/tagged' || request.url === '/same') {
      const of = { etag: '"md5"', 'repr-digest': 'sha-256=:x:', 'content-md5': 'x' }
      response.writeHead(request.url === '/same' ? 304 : 200, { ...of, 'content-length': '15' })
      return void response.end()
    }
    response.writeHead(200, { 'content-type': 'text/plain' })
    if (request.url === '/half') response.write('half')
    else response.end('whole')
  })
  target.listen(0, '127.0.0.1')
  await once(target, 'listening')
  port = (target.address() as AddressInfo).port
})
after(() => {
  for (const upstream of upstreams) upstream.destroy()
  target.closeAllConnections()
  target.close()
})

function live() {
  const abort = new AbortController()
  const results: Result[] = []
  const recorder = { result: (_: Seq, result: Result) => results.push(result) } as unknown as Recorder
  const upstream = new HttpUpstream({
    url: new URL(`http://127.0.0.1:${port}`),
    address: { address: '127.0.0.1', family: 4 },
    credential: { headers: [], secrets: [] },
  })
  upstreams.push(upstream)
  return { session: { upstream, recorder, signal: abort.signal }, abort, results }
}

const onward = (path: string, more: Partial<Onward> = {}): Onward => ({
  method: 'GET',
  path,
  headers: [],
  body: undefined,
  maxResponse: 1000,
  door: '/c/api',
  ...more,
})

const defect = new TypeError('no such stream')
const fails = () => {
  throw defect
}

function sink(more: Partial<Sink> = {}): Sink & { readonly told: string[] } {
  const told: string[] = []
  return {
    told,
    start: status => void told.push(`start ${status}`),
    write: chunk => told.push(`write ${chunk}`) > 0,
    end: () => void told.push('end'),
    refuse: denial => void told.push(`refuse ${denial.code}`),
    cut: denial => void told.push(`cut ${denial.code}`),
    ...more,
  }
}

const failing: readonly [name: string, path: string, more: Partial<Sink>, told: readonly string[]][] = [
  ['the head', '/', { start: fails }, ['cut internal_error']],
  ['a piece', '/', { write: fails }, ['start 200', 'cut internal_error']],
  ['the end', '/', { end: fails }, ['start 200', 'write whole', 'cut internal_error']],
]
for (const [name, path, more, told] of failing) {
  test(`a client's side that throws at ${name} ends its own exchange, and whoever waits for it learns why`, async () => {
    const { session, results } = live()
    const broken = sink(more)
    const exchange = new Exchange(session, 1 as Seq, onward(path), broken)
    exchange.run()
    await assert.rejects(exchange.over, defect)
    assert.deepEqual(broken.told, told)
    assert.equal(results[0]?.error?.code, 'internal_error')
    const sound = sink()
    const next = new Exchange(session, 2 as Seq, onward('/'), sound)
    next.run()
    await next.over
    assert.deepEqual(sound.told, ['start 200', 'write whole', 'end'])
  })
}

test('a filter that throws what is no refusal ends its own exchange', async () => {
  const { session } = live()
  const broken = sink()
  const answer = () => ({ push: fails, end: fails })
  const exchange = new Exchange(session, 1 as Seq, onward('/', { answer }), broken)
  exchange.run()
  await assert.rejects(exchange.over, defect)
  assert.deepEqual(broken.told, ['start 200', 'cut internal_error'])
})

test('at the cut of a session every exchange is cut, though the first throws; the target is told', async () => {
  const { session, abort } = live()
  const before = left
  const broken = sink({ cut: fails, refuse: fails })
  const sound = sink()
  const half = new Exchange(session, 1 as Seq, onward('/half'), broken)
  const waiting = new Exchange(session, 2 as Seq, onward('/wait'), sound)
  const over = assert.rejects(half.over, defect)
  half.run()
  waiting.run()
  while (broken.told.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  abort.abort({ how: 'cut', why: 'grant_revoked', text: 'over' })
  await over
  await waiting.over
  assert.deepEqual(sound.told, ['refuse grant_revoked'])
  while (left < before + 2) await new Promise(resolve => setTimeout(resolve, 5))
})

test('a record that cannot be kept for whatever reason ends the exchange, and not the process', async () => {
  const { session } = live()
  const recorder = { result: fails } as unknown as Recorder
  const exchange = new Exchange({ ...session, recorder }, 1 as Seq, onward('/'), sink())
  exchange.run()
  await assert.rejects(exchange.over, defect)
  const gone = new Exchange({ ...session, recorder }, 2 as Seq, onward('/wait'), sink())
  gone.run()
  gone.abandon()
  await assert.rejects(gone.over, defect)
})

test('of what a filter would change nothing is told by a HEAD or a 304 either', async () => {
  for (const [method, path, kept] of [
    ['HEAD', '/tagged', false],
    ['GET', '/same', false],
    ['HEAD', '/tagged', true],
  ] as const) {
    const { session } = live()
    let names: string[] = []
    const one = sink({
      start: (_, headers) => {
        names = headers.filter((_, at) => at % 2 === 0)
      },
    })
    const answer = () => ({ push: (chunk: Buffer) => chunk, end: () => Buffer.alloc(0) })
    const exchange = new Exchange(
      session,
      1 as Seq,
      onward(path, { method, ...(kept ? {} : { answer }) }),
      one,
    )
    exchange.run()
    await exchange.over
    const told = ['etag', 'repr-digest', 'content-md5'].filter(name => names.includes(name))
    assert.equal(told.length, kept ? 3 : 0, `${method} ${told}`)
    assert.equal(names.includes('content-length'), kept)
  }
})
