import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { type Field, message, Reader } from '../../statement/sftp/fields.ts'
import { framed, fxp, fxStatus } from '../../statement/sftp/packet.ts'
import { newKey } from './hostkey.ts'
import { channelData, channelRequest, msg } from './messages.ts'
import { RawClient } from './raw.fixture.ts'
import { signerOf } from './signature.ts'
import { processes, until, type World, world } from './world.fixture.ts'

let w: World
before(async () => {
  w = await world()
})
after(() => w.close())

test('nothing but authentication is heard before it has succeeded (attack 124)', async () => {
  const g = w.grant({ exec: ['*'] })
  for (const early of [
    message(msg.channelOpen, 'session', 0, 65_536, 32_768),
    channelRequest(0, 'exec', true, 'id'),
    message(msg.globalRequest, 'tcpip-forward', true, '', 0),
    message(msg.serviceRequest, 'ssh-connection'),
    message(msg.userauthSuccess),
  ]) {
    const client = await RawClient.connect(w)
    client.send(message(msg.serviceRequest, 'ssh-userauth'), early)
    client.password(g.id, g.password)
    await client.end()
    assert.equal(client.count(msg.userauthSuccess), 0)
  }
  assert.equal(w.sessions.length, 0)
})

test('a key that is merely offered opens nothing, and a signature of another connection neither (attack 123)', async () => {
  const g = w.grant({ exec: ['*'] })
  const key = Buffer.from(w.publicKey.split(' ')[1] ?? '', 'base64')
  const client = await RawClient.connect(w)
  const ask = (signed: boolean, ...more: readonly Field[]) =>
    message(msg.userauthRequest, g.id, 'ssh-connection', 'publickey', signed, 'ssh-ed25519', key, ...more)
  client.send(message(msg.serviceRequest, 'ssh-userauth'), ask(false))
  await client.see(msg.userauth60)
  const signature = message(0, 'ssh-ed25519', Buffer.alloc(64, 7)).subarray(1)
  client.send(ask(true, signature))
  await client.see(msg.userauthFailure)
  client.send(message(msg.channelOpen, 'session', 0, 65_536, 32_768))
  await client.end()
  assert.equal(w.sessions.length, 0)
  assert.ok(w.notes.some(note => note.denial.detail.includes('does not verify')))
})

test('by a key or an authority that a stranger made up nothing is verified (attack 190)', async () => {
  const g = w.grant({ exec: ['*'] })
  const made = message(0, 'ssh-rsa', Buffer.of(1, 0, 1), Buffer.alloc(2048, 0x7f)).subarray(1)
  const signature = message(0, 'rsa-sha2-512', Buffer.alloc(2048, 7)).subarray(1)
  const own = signerOf(newKey()) ?? assert.fail()
  for (const user of [g.id, 'g_000000000000']) {
    const client = await RawClient.connect(w)
    client.send(message(msg.serviceRequest, 'ssh-userauth'))
    const before = w.notes.length
    const ask = (algorithm: string, key: Uint8Array, by: Uint8Array) =>
      client.send(message(msg.userauthRequest, user, 'ssh-connection', 'publickey', true, algorithm, key, by))
    // It could not even be read as a key: too long.
    ask('rsa-sha2-512', made, signature)
    await client.see(msg.userauthFailure)
    // One that does verify is told the same.
    const covered = message(
      0,
      client.wire.sessionId,
      ...[
        { raw: Buffer.of(msg.userauthRequest) },
        user,
        'ssh-connection',
        'publickey',
        true,
        own.type,
        own.blob,
      ],
    ).subarray(1)
    ask(own.type, own.blob, own.sign(own.type, covered))
    await client.see(msg.userauthFailure, 2)
    assert.deepEqual(
      w.notes.slice(before).map(note => note.denial.detail),
      ['not the key of a grant of this name', 'not the key of a grant of this name'],
    )
    client.socket.destroy()
  }
  assert.equal(w.sessions.length, 0)
})

test('the user name is fixed by the first try, and tries are counted (attack 123)', async () => {
  const g = w.grant({ exec: ['*'] })
  const client = await RawClient.connect(w)
  client.send(message(msg.serviceRequest, 'ssh-userauth'))
  client.password('g_other', 'x')
  await client.see(msg.userauthFailure)
  client.password(g.id, g.password)
  await client.end()
  const guesser = await RawClient.connect(w)
  guesser.send(message(msg.serviceRequest, 'ssh-userauth'))
  for (let i = 0; i < 20 && !guesser.ended; i++) {
    guesser.password(g.id, `guess ${i}`)
    await until(() => guesser.ended || guesser.count(msg.userauthFailure) > i, 'an answer')
  }
  assert.ok(guesser.ended)
  assert.ok(guesser.count(msg.userauthFailure) < 10)
  assert.equal(w.sessions.length, 0)
})

test('what is not SSH, or never ends its first line, is shown out (attack 127)', async () => {
  for (const first of [
    'x'.repeat(300),
    'GET / HTTP/1.1\r\n\r\n',
    `SSH-2.0-${'y'.repeat(9000)}\r\n`,
    '\0\0\0\0\n',
    `SSH-2.0-x\r\n${'z'.repeat(5000)}`,
    'SSH-2.0-x\r\n\0\0\0\u000c\u000a\u0015\0\0\0\0\0\0\0\0\0\0',
    'SSH-2.0-x\r\n\0\0\0\0',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nSSH-2.0-x\r\n',
  ]) {
    const socket = connect(w.port, '127.0.0.1')
    socket.on('error', () => socket.destroy())
    socket.write(first)
    await until(
      () => socket.destroyed || socket.readableEnded || (socket.read() === null && socket.readableEnded),
      `an end of ${first.slice(0, 20)}`,
    )
    socket.destroy()
  }
})

test('data beyond the window that was given ends the session (attack 121, mscdex/ssh2 #1505)', async () => {
  const client = await RawClient.enter(w, w.grant({ exec: ['*'] }))
  const channel = await client.channel(0)
  await client.start(channel, 'exec', 'sleep 30')
  const chunk = Buffer.alloc(32_000)
  for (let i = 0; i < 400 && !client.ended; i++) client.send(channelData(channel, chunk, false))
  await client.end()
  assert.equal(w.last().ending?.why, 'protocol_violation')
})

test('windows that overflow and packets of nothing end the session (attack 121)', async () => {
  const overflow = await RawClient.enter(w, w.grant({ exec: ['*'] }))
  const channel = await overflow.channel(0, 0xffff_ffff)
  overflow.send(message(msg.channelWindowAdjust, channel, 1))
  await overflow.end()
  assert.equal(w.last().ending?.why, 'protocol_violation')
  const zero = await RawClient.enter(w, w.grant({ exec: ['*'] }))
  zero.send(message(msg.channelOpen, 'session', 0, 65_536, 0))
  await zero.end()
  assert.equal(w.last().ending?.why, 'protocol_violation')
})

test('a channel runs one thing, and there are only so many channels (attacks 116, 121)', async () => {
  const client = await RawClient.enter(w, w.grant({ exec: ['*'], shell: true, sftp: 'read' }))
  const channel = await client.channel(0)
  await client.start(channel, 'exec', 'sleep 30')
  client.send(
    channelRequest(channel, 'exec', true, 'id'),
    channelRequest(channel, 'shell', true),
    channelRequest(channel, 'subsystem', true, 'sftp'),
    channelRequest(channel, 'pty-req', true, 'xterm', 80, 24, 0, 0, Buffer.of(0)),
    channelRequest(channel, 'env', true, 'LANG', 'C'),
    channelRequest(channel, 'break', true, 0),
  )
  await client.see(msg.channelFailure, 6)
  for (let i = 1; i < 200; i++) client.send(message(msg.channelOpen, 'session', i, 65_536, 32_768))
  await client.see(msg.channelOpenFailure, 190)
  await client.see(msg.channelOpenConfirmation, 10)
  await wait(50)
  assert.equal(client.count(msg.channelOpenConfirmation), 10)
  client.socket.destroy()
})

test('no channel but a session is opened, and knocking a thousand times ends it (attacks 108, 109)', async () => {
  const client = await RawClient.enter(w, w.grant({ exec: ['*'] }))
  for (const type of [
    'tun@openssh.com',
    'x11',
    'auth-agent@openssh.com',
    'forwarded-tcpip',
    'direct-streamlocal@openssh.com',
    '',
  ])
    client.send(message(msg.channelOpen, type, 1, 65_536, 32_768, '/var/run/docker.sock', '', 0))
  for (let i = 0; i < 1000 && !client.ended; i++)
    client.send(message(msg.channelOpen, 'direct-tcpip', i, 65_536, 32_768, '169.254.169.254', 80, '', 0))
  await client.end()
  assert.equal(w.last().ending?.why, 'limit_exceeded')
  const failures = client.seen.filter(one => one.type === msg.channelOpenFailure)
  assert.ok(failures.every(one => new Reader(one.payload, 5).u32() === 1))
  assert.equal(client.count(msg.channelOpenConfirmation), 0)
})

test('terminals of absurd sizes are clamped, and other absurdities refused (attack 130)', async () => {
  const client = await RawClient.enter(w, w.grant({ exec: ['*'], shell: true, env: ['LC_A'] }))
  const channel = await client.channel(0)
  client.send(
    channelRequest(channel, 'env', true, 'LD_PRELOAD', '/x.so'),
    channelRequest(channel, 'env', true, 'LC_A=b', 'x'),
    channelRequest(channel, 'env', true, 'LC_A', 'x\0y'),
    channelRequest(channel, 'subsystem', true, '../../bin/sh'),
    channelRequest(channel, 'auth-agent-req@openssh.com', true),
    channelRequest(channel, 'x11-req', true, false, 'MIT', 'x', 0),
    channelRequest(channel, 'pty-req', true, '\u001b]0;x\u0007', 80, 24, 0, 0, Buffer.of(0)),
  )
  await client.see(msg.channelFailure, 7)
  client.send(channelRequest(channel, 'pty-req', true, 'xterm', 0xffff_ffff, 0xffff_ffff, 0, 0, Buffer.of(0)))
  await client.see(msg.channelSuccess)
  await client.start(channel, 'exec', 'stty size; sleep 30')
  await until(() => client.data.includes('1000 1000'), 'the size')
  client.send(channelRequest(channel, 'window-change', true, 0, 0, 0, 0))
  const modes = await client.channel(1)
  client.send(channelRequest(modes, 'pty-req', true, 'xterm', 80, 24, 0, 0, Buffer.alloc(30_000)))
  await client.end()
  assert.equal(w.last().ending?.why, 'protocol_violation')
})

test('a client that reads nothing while the host pours costs no memory (attack 192)', async () => {
  const client = await RawClient.enter(w, w.grant({ exec: ['*'] }))
  const channel = await client.channel(0, 0xffff_ffff)
  client.socket.pause()
  const before = memory()
  client.send(channelRequest(channel, 'exec', true, 'yes 987123'))
  await until(() => processes('yes 987123') === 1, 'it pours')
  await wait(1500)
  const grown = memory() - before
  assert.ok(grown < 48 * 1024 * 1024, `${grown} bytes more`)
  client.socket.resume()
  await until(() => client.bytes > 16 * 1024 * 1024, 'it flows again')
  client.socket.destroy()
  await until(() => processes('yes 987123') === 0, 'it is gone')
})

test('a client that grants no window stops the host, and goes on when it grants some', async () => {
  const client = await RawClient.enter(w, w.grant({ exec: ['*'] }))
  const channel = await client.channel(0, 1000)
  await client.start(channel, 'exec', 'head -c 300000 /dev/zero')
  await until(() => client.bytes === 1000, 'the window is used up')
  await wait(200)
  assert.equal(client.bytes, 1000)
  client.send(message(msg.channelWindowAdjust, channel, 400_000))
  await client.see(msg.channelClose)
  assert.equal(client.bytes, 300_000)
  client.socket.destroy()
})

test('sftp answers what may not be done, packet by packet (attacks 117, 118, 119)', async () => {
  const client = await RawClient.enter(w, w.grant({ sftp: 'read' }))
  const channel = await client.channel(0)
  await client.start(channel, 'subsystem', 'sftp')
  let id = 0
  const send = (type: number, ...fields: readonly Field[]) =>
    client.send(channelData(channel, framed(message(type, ...fields)), false))
  send(fxp.init, 3, 'evil@openssh.com', '1')
  await until(() => client.data.length > 0, 'a version')
  // Of what OpenSSH announces, what reads and can be judged.
  const may = ['statvfs@openssh.com', '2', 'fstatvfs@openssh.com', '2', 'limits@openssh.com', '1']
  assert.deepEqual(client.data, framed(message(fxp.version, 3, ...may)))
  const answer = async (type: number, ...fields: readonly Field[]) => {
    const from = client.data.length
    send(type, ++id, ...fields)
    await until(() => client.data.length >= from + 13, `an answer to ${type}`)
    const body = new Reader(client.data.subarray(from + 4))
    assert.equal(body.byte(), fxp.status)
    assert.equal(body.u32(), id)
    return body.u32()
  }
  const path = `${w.folder}/x`
  for (const flags of [0, 2, 3, 5, 9, 0x11, 0x21, 0x80000001])
    assert.equal(await answer(fxp.open, path, flags, 0), fxStatus.permissionDenied)
  for (const type of [fxp.setstat, fxp.mkdir, fxp.remove, fxp.rmdir])
    assert.equal(await answer(type, path, 0), fxStatus.permissionDenied)
  for (const type of [fxp.rename, fxp.symlink])
    assert.equal(await answer(type, path, path), fxStatus.permissionDenied)
  for (const type of [fxp.read, fxp.close, fxp.fsetstat, fxp.fstat, fxp.readdir])
    assert.equal(await answer(type, 'no handle', 0n, 0xffff_ffff), fxStatus.failure)
  assert.equal(await answer(fxp.write, 'no handle', 0n, 'data'), fxStatus.failure)
  assert.equal(await answer(fxp.write, 'no handle', 0n, 0xffff_ffff), fxStatus.badMessage)
  for (const name of ['posix-rename@openssh.com', 'hardlink@openssh.com', 'lsetstat@openssh.com'])
    assert.equal(await answer(fxp.extended, name, path, path), fxStatus.permissionDenied)
  assert.equal(await answer(fxp.extended, 'fsync@openssh.com', 'no handle'), fxStatus.failure)
  for (const name of [
    'copy-data',
    'home-directory',
    'expand-path@openssh.com',
    'users-groups-by-id@openssh.com',
    'x',
  ])
    assert.equal(await answer(fxp.extended, name, path), fxStatus.opUnsupported)
  for (const odd of [Buffer.of(0xff, 0xfe), Buffer.from('/etc/x\0y'), Buffer.alloc(9000, 0x61)])
    assert.equal(await answer(fxp.stat, odd), fxStatus.badMessage)
  assert.equal(await answer(99, path), fxStatus.badMessage)
  client.send(channelData(channel, Buffer.of(0xff, 0xff, 0xff, 0xff, 3), false))
  await client.end()
  assert.equal(w.last().ending?.why, 'protocol_violation')
})

function memory(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
