import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Accepted, takeOver } from './reads.ts'

interface Pair {
  readonly client: Socket
  readonly server: Accepted
  readonly accepted: Socket
  /** Resolves when the listener has nobody left. */
  close(): Promise<void>
}

async function pair(t: TestContext): Promise<Pair> {
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const taken = Promise.withResolvers<{ server: Accepted; accepted: Socket }>()
  listener.on('connection', accepted => taken.resolve({ server: takeOver(accepted), accepted }))
  const client = connect((listener.address() as AddressInfo).port, '127.0.0.1')
  client.on('error', () => undefined)
  t.after(() => {
    client.destroy()
    listener.close()
  })
  const close = () => new Promise<void>(resolve => listener.close(() => resolve()))
  return { client, ...(await taken.promise), close }
}

test('what comes before there is a reader comes from the stream, the rest from the reader', async t => {
  const { client, server } = await pair(t)
  client.write('one')
  const [first] = (await once(server.socket, 'data')) as [Buffer]
  assert.equal(String(first), 'one')
  const got: string[] = []
  server.socket.on('data', () => assert.fail('past the stream'))
  server.readBy({ take: chunk => void got.push(String(chunk)), keeps: () => false })
  client.write('two')
  while (got.length === 0) await sleep(1)
  assert.deepEqual(got, ['two'])
})

test('a buffer serves again, unless the reader keeps what is in it', async t => {
  const { client, server } = await pair(t)
  let keeps = false
  const got: Buffer[] = []
  server.readBy({ take: chunk => void got.push(chunk), keeps: () => keeps })
  server.socket.resume()
  const say = async (text: string) => {
    const before = got.length
    client.write(text)
    while (got.length === before) await sleep(1)
  }
  // The first read goes into a buffer that was made before there was a reader.
  for (const text of ['a', 'b']) await say(text)
  assert.equal(got[0]?.buffer, got[1]?.buffer)
  keeps = true
  for (const text of ['c', 'd', 'e']) await say(text)
  assert.deepEqual(got.slice(2).map(String), ['c', 'd', 'e'], 'none of the kept ones was written over')
  assert.equal(new Set(got.slice(2).map(({ buffer }) => buffer)).size, 3)
})

test('a paused socket is not read from, and goes on where it was', async t => {
  const { client, server } = await pair(t)
  let bytes = 0
  server.readBy({
    take(chunk) {
      bytes += chunk.length
    },
    keeps: () => false,
  })
  server.socket.resume()
  server.socket.pause()
  client.write(Buffer.alloc(1 << 20))
  await sleep(50)
  assert.equal(bytes, 0)
  server.socket.resume()
  while (bytes < 1 << 20) await sleep(1)
  assert.equal(server.socket.readableLength, 0)
})

test('the end of the client is told, and both sockets close', async t => {
  const { client, server, accepted, close } = await pair(t)
  server.readBy({ take: () => undefined, keeps: () => false })
  server.socket.resume()
  const closed = Promise.all([
    once(server.socket, 'end'),
    once(server.socket, 'close'),
    once(accepted, 'close'),
  ])
  client.end()
  await closed
  await close()
})

test('whoever counts the socket that was accepted can destroy it', async t => {
  const { client, server, accepted, close } = await pair(t)
  const gone = Promise.all([once(server.socket, 'close'), once(client, 'close')])
  accepted.destroy()
  client.resume()
  await gone
  await close()
})

test('one that has gone already is not waited for', async () => {
  const gone = new Socket()
  gone.destroy()
  await once(gone, 'close')
  const { socket } = takeOver(gone)
  await once(socket, 'close')
})
