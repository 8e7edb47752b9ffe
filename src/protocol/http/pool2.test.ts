import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { field, frame, type } from '../../../test/fixtures/frames.ts'
import { Pool2 } from './pool2.ts'

/** Answers each connection's first stream with the frames of the test. */
let answer: Buffer = Buffer.alloc(0)
let target: Server
const sockets: Socket[] = []
let pool: Pool2

before(async () => {
  target = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.write(frame(type.settings, 0, 0))
    let come = Buffer.alloc(0)
    const read = (chunk: Buffer) => {
      come = Buffer.concat([come, chunk])
      // The preface, then frames until the head of a request.
      for (let at = 24; come.length >= at + 9; at += 9 + come.readUIntBE(at, 3)) {
        if (come[at + 3] !== type.headers) continue
        socket.removeListener('data', read)
        socket.write(answer)
        return
      }
    }
    socket.on('data', read)
  })
  target.listen(0, '127.0.0.1')
  await once(target, 'listening')
})
after(() => {
  pool.destroy()
  for (const socket of sockets) socket.destroy()
  target.close()
})

async function ask(frames: Buffer): Promise<string> {
  answer = frames
  const { port } = target.address() as { port: number }
  pool = new Pool2({ address: '127.0.0.1', port, host: `127.0.0.1:${port}` })
  return new Promise(resolve => {
    pool.send(
      { method: 'GET', path: '/', headers: [], body: undefined },
      {
        onHead: status => resolve(`head ${status}`),
        onData: () => undefined,
        onEnd: () => resolve('end'),
        onError: error => resolve(error.message),
      },
    )
  }).finally(() => pool.destroy()) as Promise<string>
}

const [endStream, endHeaders] = [1, 4]
const head = (status: string) => frame(type.headers, endStream | endHeaders, 1, field([':status', status]))

test('a status above 599 is none, whatever Node makes of it', async () => {
  assert.equal(await ask(head('204')), 'head 204')
  for (const status of ['600', '999']) assert.equal(await ask(head(status)), 'a status that is none')
})

test('a stream that ends before its answer began is no answer', async () => {
  assert.equal(
    await ask(frame(type.reset, 0, 1, Buffer.alloc(4))),
    'the target closed the stream without an answer',
  )
})
