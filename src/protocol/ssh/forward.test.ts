import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { after, before, test } from 'node:test'
import { message, Reader } from '../../statement/sftp/fields.ts'
import { channelData, msg } from './messages.ts'
import { sshClients } from './openssh.fixture.ts'
import { RawClient } from './raw.fixture.ts'
import { run, until, type World, world } from './world.fixture.ts'

let w: World
let echo: Server
let port: number
before(async () => {
  w = await world()
  echo = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  port = (echo.address() as { port: number }).port
})
after(async () => {
  echo.close()
  await w.close()
})

test('ssh -W reaches what the scope lists, and its bytes are on record', async () => {
  const g = w.grant({ forward: [`127.0.0.1:${port}`] })
  const ran = await run('ssh', ['-W', `127.0.0.1:${port}`, ...w.args(g), '127.0.0.1'], 'hello there')
  assert.equal(ran.stdout, 'hello there', ran.stderr)
  const { recorder } = w.last()
  await until(() => recorder.of('end').length > 0, 'its end is recorded')
  const touches = [{ act: 'forward', on: `127.0.0.1:${port}` }]
  assert.deepEqual(recorder.of('allowed'), [{ kind: 'forward', text: `127.0.0.1:${port}`, touches }])
  const [end] = recorder.of('end') as [{ tag: string; output: number; input: number }]
  assert.deepEqual([end.tag, end.output, end.input], ['sent 11, received 11', 11, 11])
})

for (const { of, ssh, skip } of sshClients)
  test(`-L and -D of ${of}'s ssh work for what is listed, and for nothing else`, { skip }, async () => {
    const g = w.grant({ forward: [`127.0.0.1:${port}`] })
    const [here, socks] = [await free(), await free()]
    const forwards = ['-L', `${here}:127.0.0.1:${port}`, '-D', String(socks)]
    const control = ['-S', `${w.folder}/fwd-${of.length}`]
    const client = run(ssh, ['-N', '-M', ...control, ...forwards, ...w.args(g), '127.0.0.1'])
    await until(async () => (await run(ssh, [...control, '-O', 'check', 'x'])).code === 0, 'the master is up')
    const python = `
import socket
def talk(s):
    s.sendall(b'ping'); s.shutdown(socket.SHUT_WR); return s.recv(100).decode()
print(talk(socket.create_connection(('127.0.0.1', ${here}))))
for port in (${port}, ${port + 1}):
    s = socket.create_connection(('127.0.0.1', ${socks}))
    s.sendall(b'\\x05\\x01\\x00'); s.recv(2)
    s.sendall(b'\\x05\\x01\\x00\\x01\\x7f\\x00\\x00\\x01' + port.to_bytes(2, 'big'))
    said = s.recv(10)
    print(talk(s) if said[1:2] == b'\\x00' else 'refused')
`
    const ran = await run('/usr/bin/python3', ['-c', python])
    assert.equal(ran.stdout, 'ping\nping\nrefused\n', ran.stderr)
    await run(ssh, [...control, '-O', 'exit', 'x'])
    await client
  })

test('only the literal host and port that are listed are dialled (attack 108)', async () => {
  const g = w.grant({ exec: ['*'], forward: [`127.0.0.1:${port}`, 'db.internal:5432', '[::1]:80'] })
  const client = await RawClient.enter(w, g)
  const asked: readonly (readonly [string, number])[] = [
    ['127.0.0.1', port + 1],
    ['127.0.0.1', 0],
    ['127.0.0.1', port + 65_536],
    ['127.0.0.1.', port],
    ['127.1', port],
    ['127.0.0.01', port],
    ['0177.0.0.1', port],
    ['2130706433', port],
    ['0x7f000001', port],
    ['::ffff:127.0.0.1', port],
    ['localhost', port],
    ['0.0.0.0', port],
    ['', port],
    ['*', port],
    [' 127.0.0.1', port],
    ['127.0.0.1\0', port],
    ['127.0.0.1\n', port],
    [`127.0.0.1:${port}`, port],
    ['169.254.169.254', 80],
    ['[::1]', 80],
    ['0:0:0:0:0:0:0:1', 80],
    ['::1%lo', 80],
    ['db.internal.', 5432],
    ['db.internal.evil.example', 5432],
    ['db\u2024internal', 5432],
    ['db.\u0131nternal', 5432],
    ['db.internal', 5433],
    ['/var/run/docker.sock', 0],
  ]
  for (const [i, [host, to]] of asked.entries())
    client.send(message(msg.channelOpen, 'direct-tcpip', i, 65_536, 32_768, host, to, '', 0))
  await client.see(msg.channelOpenFailure, asked.length)
  const failures = client.seen.filter(one => one.type === msg.channelOpenFailure)
  assert.ok(failures.every(one => new Reader(one.payload, 5).u32() === 1))
  assert.equal(w.last().recorder.of('refused').length, asked.length)
  assert.equal(client.count(msg.channelOpenConfirmation), 0)
  for (const type of [
    'direct-streamlocal@openssh.com',
    'tun@openssh.com',
    'forwarded-tcpip',
    'x11',
    'auth-agent@openssh.com',
  ])
    client.send(message(msg.channelOpen, type, 99, 65_536, 32_768, '127.0.0.1', port, '', 0))
  for (const name of ['tcpip-forward', 'cancel-tcpip-forward', 'streamlocal-forward@openssh.com'])
    client.send(message(msg.globalRequest, name, true, '127.0.0.1', port))
  await client.see(msg.channelOpenFailure, asked.length + 5)
  await client.see(msg.requestFailure, 3)
  client.socket.destroy()
})

test('a forward that the host cannot make is told and recorded; only so many are open at once', async () => {
  const dead = await free()
  const client = await RawClient.enter(w, w.grant({ forward: [`127.0.0.1:${dead}`, `127.0.0.1:${port}`] }))
  const open = (near: number, to: number) =>
    client.send(message(msg.channelOpen, 'direct-tcpip', near, 65_536, 32_768, '127.0.0.1', to, '', 0))
  open(0, dead)
  assert.equal(new Reader(await client.see(msg.channelOpenFailure), 5).u32(), 2)
  assert.equal((w.last().recorder.of('result') as [{ tag: string }])[0].tag, 'not connected')
  for (let i = 0; i < 40; i++) open(i, port)
  await client.see(msg.channelOpenConfirmation, 32)
  await client.see(msg.channelOpenFailure, 9)
  assert.equal(client.count(msg.channelOpenConfirmation), 32)
  // Data beyond the window is no better here than elsewhere.
  for (let i = 0; i < 400 && !client.ended; i++) client.send(channelData(1, Buffer.alloc(32_000), false))
  await client.end()
  assert.equal(w.last().ending?.why, 'protocol_violation')
})

test('at the cut a forwarded connection is closed like everything else', async () => {
  const client = await RawClient.enter(w, w.grant({ forward: [`127.0.0.1:${port}`] }))
  client.send(message(msg.channelOpen, 'direct-tcpip', 0, 65_536, 32_768, '127.0.0.1', port, '', 0))
  const channel = new Reader(await client.see(msg.channelOpenConfirmation), 5).u32()
  client.send(channelData(channel, Buffer.from('x'), false))
  await until(() => client.bytes === 1, 'it is there')
  await w.last().end({ how: 'cut', why: 'grant_expired', text: 'over' })
  await client.end()
  assert.equal(w.last().recorder.of('end').length, 1)
  const connections = () => new Promise<number>(resolve => echo.getConnections((_, count) => resolve(count)))
  await until(async () => (await connections()) === 0, 'the far end is closed')
})

async function free(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: found } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return found
}
