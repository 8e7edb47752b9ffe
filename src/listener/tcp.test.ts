import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { createLog } from '../telemetry/log.ts'
import { listenStream, type StreamClient } from './tcp.ts'

const log = createLog('silent')
const at = { host: '127.0.0.1', port: 0 }
const limits = { total: 100, perSource: 100 }

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => socket.destroy())
  await once(socket, 'connect')
  return socket
}

test('a client is handed over with its source, and echoes', async () => {
  const clients: StreamClient[] = []
  const door = await listenStream({
    at,
    limits,
    log,
    onClient: client => {
      clients.push(client)
      client.socket.pipe(client.socket)
    },
  })
  const socket = await dial(door.address.port)
  socket.write('hello')
  const [bytes] = await once(socket, 'data')
  assert.equal(String(bytes), 'hello')
  assert.deepEqual(
    clients.map(({ source, loopback }) => ({ source, loopback })),
    [{ source: '127.0.0.1', loopback: true }],
  )
  socket.end()
  await door.close()
})

test('silent clients stall nobody', async () => {
  const door = await listenStream({
    at,
    limits,
    log,
    onClient: async ({ socket }) =>
      void socket.write(await new Promise<string>(() => once(socket, 'data').then(() => socket.end('late')))),
  })
  const silent = await Promise.all(Array.from({ length: 20 }, () => dial(door.address.port)))
  const speaking = await dial(door.address.port)
  speaking.write('x')
  const [bytes] = await once(speaking, 'data')
  assert.equal(String(bytes), 'late')
  for (const socket of silent) socket.destroy()
  await door.close()
})

test('one source cannot take more than its share, and what it gives back can be taken again', async () => {
  const door = await listenStream({
    at,
    limits: { total: 100, perSource: 2 },
    log,
    onClient: ({ socket }) => void socket.write('in'),
  })
  const first = await dial(door.address.port)
  const second = await dial(door.address.port)
  await Promise.all([once(first, 'data'), once(second, 'data')])
  const third = await dial(door.address.port)
  third.resume()
  await once(third, 'close')
  assert.equal(third.bytesRead, 0)
  first.destroy()
  await once(first, 'close')
  for (let tries = 0; ; tries += 1) {
    const again = await dial(door.address.port)
    const let_in = await Promise.race([
      once(again, 'data').then(() => true),
      once(again, 'close').then(() => false),
    ])
    again.destroy()
    if (let_in) break
    assert.ok(tries < 50, 'the slot never came back')
  }
  second.destroy()
  await door.close()
})

test('the whole door has a cap', async () => {
  const door = await listenStream({
    at,
    limits: { total: 1, perSource: 5 },
    log,
    onClient: ({ socket }) => void socket.write('in'),
  })
  const first = await dial(door.address.port)
  await once(first, 'data')
  const second = await dial(door.address.port)
  second.resume()
  await once(second, 'close')
  door.destroy()
  await door.close()
})

test('a handler that throws or rejects costs its own client only', async () => {
  let n = 0
  const door = await listenStream({
    at,
    limits,
    log,
    onClient: client => {
      n += 1
      if (n === 1) throw new Error('planted')
      if (n === 2) return Promise.reject(new Error('planted'))
      client.socket.end('fine')
      return undefined
    },
  })
  for (const expected of ['', '', 'fine']) {
    const socket = await dial(door.address.port)
    let got = ''
    socket.on('data', bytes => {
      got += bytes
    })
    await once(socket, 'close')
    assert.equal(got, expected)
  }
  await door.close()
})

test('a reset by the client never leaves its socket', async () => {
  const door = await listenStream({
    at,
    limits,
    log,
    onClient: ({ socket }) => void socket.write(Buffer.alloc(1 << 20)),
  })
  for (let i = 0; i < 20; i += 1) (await dial(door.address.port)).resetAndDestroy()
  const socket = await dial(door.address.port)
  await once(socket, 'data')
  socket.destroy()
  await door.close()
})

test('an address that is taken is an error of the one who listens', async () => {
  const door = await listenStream({ at, limits, log, onClient: ({ socket }) => void socket.end() })
  await assert.rejects(listenStream({ at: door.address, limits, log, onClient: () => undefined }), {
    code: 'EADDRINUSE',
  })
  await door.close()
})
