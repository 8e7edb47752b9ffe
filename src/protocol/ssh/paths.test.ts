import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Field, message, Reader } from '../../statement/sftp/fields.ts'
import { framed, fxp, fxStatus } from '../../statement/sftp/packet.ts'
import { channelData } from './messages.ts'
import { RawClient } from './raw.fixture.ts'
import { type Granted, run, until, type World, world } from './world.fixture.ts'

let w: World
let data: string
let out: string
before(async () => {
  w = await world()
  data = join(w.folder, 'data')
  out = join(w.folder, 'database')
  for (const folder of [data, out, join(data, 'in'), join(data, 'sub'), join(out, 'deep')])
    mkdirSync(folder, { recursive: true })
  writeFileSync(join(data, 'file'), 'inside\n')
  writeFileSync(join(out, 'secret'), 'outside\n')
  symlinkSync(out, join(data, 'way'))
  symlinkSync(join(out, 'secret'), join(data, 'link'))
  symlinkSync(join(out, 'new'), join(data, 'in', 'dangling'))
  symlinkSync(out, join(data, 'in', 'way'))
  symlinkSync('file', join(data, 'near'))
})
after(() => w.close())

const scoped = (more: object = {}) =>
  w.grant({ sftp: { read: [data], write: [join(data, 'in')], ...more }, scp: true })
const sftp = (g: Granted, batch: string) => run('sftp', ['-b', '-', ...w.args(g, '-P'), '127.0.0.1'], batch)

/** A client of sftp that sends what it likes. */
async function raw(g: Granted) {
  const client = await RawClient.enter(w, g)
  const channel = await client.channel(0)
  await client.start(channel, 'subsystem', 'sftp')
  let taken = 0
  const next = async () => {
    await until(() => client.data.length >= taken + 4, 'an answer')
    const length = client.data.readUInt32BE(taken)
    await until(() => client.data.length >= taken + 4 + length, 'the whole answer')
    const body = client.data.subarray(taken + 4, taken + 4 + length)
    taken += 4 + length
    return body
  }
  const send = (type: number, ...fields: readonly Field[]) =>
    client.send(channelData(channel, framed(message(type, ...fields)), false))
  send(fxp.init, 3)
  await next()
  let id = 0
  const ask = async (type: number, ...fields: readonly Field[]) => {
    send(type, ++id, ...fields)
    const body = await next()
    assert.equal(body.readUInt32BE(1), id)
    return body
  }
  const status = async (type: number, ...fields: readonly Field[]) => {
    const body = await ask(type, ...fields)
    return body[0] === fxp.status ? new Reader(body, 5).u32() : `answer ${body[0]}`
  }
  return { client, channel, send, next, ask, status }
}

test('a close is answered behind the reads that went before it, also where the host is not waited for', async () => {
  for (const scope of [{ sftp: 'read' }, { sftp: { read: [data] } }]) {
    const s = await raw(w.grant(scope))
    const read = [0n, 32_768] as const
    const handle = new Reader(await s.ask(fxp.open, join(data, 'file'), 1, 0), 5).bytes().toString('latin1')
    s.send(fxp.read, 100, handle, ...read)
    s.send(fxp.close, 101, handle)
    assert.deepEqual([(await s.next())[0], (await s.next())[0]], [fxp.data, fxp.status])
    const again = new Reader(await s.ask(fxp.open, join(data, 'file'), 1, 0), 5).bytes().toString('latin1')
    await s.ask(fxp.read, again, ...read)
    assert.equal(await s.status(fxp.close, again), fxStatus.ok)
    assert.equal(await s.status(fxp.read, again, ...read), fxStatus.failure, 'a closed handle')
    const digest = createHash('sha256').update('inside\n').digest('hex')
    const wanted = { act: 'read', path: join(data, 'file'), bytes: 7, digest }
    assert.deepEqual(w.last().recorder.of('file'), [wanted, wanted])
    s.client.socket.destroy()
  }
})

test('no path and no packet leads out of the prefixes (attack 117)', async () => {
  const s = await raw(scoped())
  const denied = fxStatus.permissionDenied
  const outside = [
    `${out}/secret`,
    `${data}/../database/secret`,
    `${data}/sub/../../database/secret`,
    `${data}//..//database/secret`,
    `${data}/way/secret`,
    `${data}/way/../secret`,
    `${data}/link`,
    `${data}/in/way/secret`,
    `${data}/./way/./secret`,
    `${data}base/secret`,
    `../database/secret`,
    'way/secret',
    '/etc/passwd',
    '//etc/passwd',
    '/proc/self/root/etc/passwd',
    '/proc/1/environ',
  ]
  for (const path of outside) {
    assert.equal(await s.status(fxp.open, path, 1, 0), denied, `open ${path}`)
    assert.equal(await s.status(fxp.stat, path), denied, `stat ${path}`)
    assert.equal(await s.status(fxp.realpath, path), denied, `realpath ${path}`)
  }
  for (const path of [out, `${data}/way`, `${data}/in/way/deep`, '/', '..', w.folder, `${data}/..`])
    assert.equal(await s.status(fxp.opendir, path), denied, `opendir ${path}`)
  // Inside of what may be read, outside of what may be written; or by a link.
  for (const path of [
    `${data}/file`,
    `${data}/in/../file`,
    `${data}/in/way/new`,
    `${data}/in/dangling`,
    `${data}/in`.replace('/in', '/way/new'),
    `${out}/new`,
    `${data}/inner`,
    'near',
  ]) {
    for (const flags of [2, 0x0a, 0x1a, 0x2a, 0x0e])
      assert.equal(await s.status(fxp.open, path, flags, 0), denied, `open ${path} for ${flags}`)
    assert.equal(await s.status(fxp.setstat, path, 4, 0o777), denied, `setstat ${path}`)
  }
  for (const [type, ...paths] of [
    [fxp.remove, `${data}/file`],
    [fxp.remove, `${data}/in/way/secret`],
    [fxp.rmdir, `${data}/sub`],
    [fxp.rmdir, `${data}/in/way/deep`],
    [fxp.mkdir, `${data}/made`, 0],
    [fxp.mkdir, `${data}/in/way/made`, 0],
    [fxp.rename, `${data}/file`, `${data}/in/file`],
    [fxp.rename, `${data}/in/x`, `${data}/x`],
    [fxp.rename, `${data}/in/way/secret`, `${data}/in/secret`],
    [fxp.symlink, `${out}/secret`, `${data}/in/made`],
    [fxp.symlink, 'x', `${data}/in/made`],
  ] as const)
    assert.equal(await s.status(type, ...paths), denied, `${type} ${paths.join(' ')}`)
  for (const name of ['posix-rename@openssh.com', 'hardlink@openssh.com'])
    assert.equal(await s.status(fxp.extended, name, `${data}/file`, `${data}/in/file`), denied, name)
  assert.equal(await s.status(fxp.extended, 'hardlink@openssh.com', `${data}/in/a`, `${data}/in/b`), denied)
  assert.equal(await s.status(fxp.extended, 'lsetstat@openssh.com', `${data}/file`, 4, 0o777), denied)
  assert.equal(await s.status(fxp.extended, 'statvfs@openssh.com', '/etc'), denied)
  for (const flags of [0, 3, 0x41, 0x100, 0xffff_ffff])
    assert.equal(await s.status(fxp.open, `${data}/file`, flags, 0), denied, `flags ${flags}`)
  for (const odd of [Buffer.of(0xff), 'x\0y', 'x'.repeat(5000)])
    assert.equal(await s.status(fxp.stat, odd), fxStatus.badMessage)
  // Nothing of it has come to pass.
  assert.equal(readFileSync(join(out, 'secret'), 'utf8'), 'outside\n')
  for (const made of ['made', 'in/made', 'in/file', 'x', 'in/way/made', 'in/way/new'])
    assert.ok(!existsSync(join(data, made)), made)
  // And what is allowed works, through a link that stays inside as well.
  const opened = await s.ask(fxp.open, 'near', 1, 0)
  assert.equal(opened[0], fxp.handle)
  const read = await s.ask(fxp.read, new Reader(opened, 5).bytes(), 0n, 100)
  assert.equal(new Reader(read, 5).text(), 'inside\n')
  assert.equal(await s.status(fxp.lstat, `${data}/way/`), `answer ${fxp.attrs}`)
  const touched = (w.last().recorder.of('allowed') as { touches: { on: string }[] }[]).map(
    one => one.touches[0]?.on,
  )
  assert.ok(touched.includes(`${data}/file`), 'what was really opened is on record')
  s.client.socket.destroy()
})

test('nothing is moved between what may be read and what may not: it would be read there', async () => {
  const [blind, open] = [join(data, 'in', 'blind'), join(data, 'in', 'open')]
  mkdirSync(join(blind, 'deep'), { recursive: true })
  mkdirSync(join(open, 'pub'), { recursive: true })
  writeFileSync(join(blind, 'secret'), 'unread\n')
  writeFileSync(join(open, 'note'), 'read\n')
  symlinkSync(open, join(blind, 'way'))
  const renames = [[fxp.rename], [fxp.extended, 'posix-rename@openssh.com']] as const
  for (const write of [[blind, open], [data], ['/']])
    for (const [type, ...name] of renames) {
      const s = await raw(w.grant({ sftp: { read: [open], write } }))
      assert.equal(await s.status(fxp.open, `${blind}/secret`, 1, 0), fxStatus.permissionDenied)
      for (const [from, to] of [
        [`${blind}/secret`, `${open}/x`],
        [`${blind}/secret`, `${blind}/way/x`],
        [`${blind}/deep/../secret`, `${open}/pub/../x`],
        [blind, `${open}/x`],
        [blind, open],
        // What was opened to read would be read on, whatever is written there.
        [`${open}/note`, `${blind}/x`],
        [`${data}/in`, `${data}/inner`],
      ] as const)
        assert.equal(await s.status(type, ...name, from, to), fxStatus.permissionDenied, `${from} to ${to}`)
      assert.equal(await s.status(type, ...name, `${open}/note`, `${open}/pub/note`), fxStatus.ok)
      assert.equal(await s.status(type, ...name, `${open}/pub/note`, `${open}/note`), fxStatus.ok)
      assert.equal(await s.status(type, ...name, `${blind}/secret`, `${blind}/deep/secret`), fxStatus.ok)
      assert.equal(await s.status(type, ...name, `${blind}/deep/secret`, `${blind}/secret`), fxStatus.ok)
      s.client.socket.destroy()
    }
  const s = await raw(w.grant({ sftp: { write: [blind, open], rename: false } }))
  assert.equal(await s.status(fxp.rename, `${blind}/secret`, `${blind}/x`), fxStatus.permissionDenied)
  s.client.socket.destroy()
})

test("the clients' own sftp and scp work under prefixes, and begin where they may be", async () => {
  const bytes = randomBytes(700_001)
  writeFileSync(join(w.folder, 'up'), bytes)
  const g = scoped()
  const digest = createHash('sha256').update(bytes).digest('hex')
  const put = await sftp(
    g,
    `pwd\nls\nput ${w.folder}/up in/new\nget in/new ${w.folder}/back\nrename in/new in/newer\nrm in/newer\n`,
  )
  assert.equal(put.code, 0, put.stderr)
  assert.ok(put.stdout.includes(`Remote working directory: ${data}`), put.stdout)
  assert.deepEqual(readFileSync(join(w.folder, 'back')), bytes)
  const files = w.last().recorder.of('file')
  for (const act of ['write', 'read'])
    assert.deepEqual(
      files.find(one => (one as { act: string }).act === act),
      { act, path: `${data}/in/new`, bytes: bytes.length, digest },
    )
  const copy = await run('scp', ['-r', ...w.args(g, '-P'), `${out}`, `127.0.0.1:${data}/in/`])
  assert.equal(copy.code, 0, copy.stderr)
  assert.equal(readFileSync(join(data, 'in/database/secret'), 'utf8'), 'outside\n')
  const there = await run('scp', [...w.args(g, '-P'), `${out}/secret`, `127.0.0.1:${data}/`])
  assert.notEqual(there.code, 0)
  assert.ok(!existsSync(join(data, 'secret')))
})

test('everything may be written where the scope says write, links too, and extensions are there', async () => {
  const g = w.grant({ sftp: 'write' })
  const ran = await sftp(
    g,
    `put ${data}/file ${out}/a\nln ${out}/a ${out}/b\nln -s a ${out}/c\nchmod 600 ${out}/a\nrename ${out}/a ${out}/d\ndf ${out}\n`,
  )
  assert.equal(ran.code, 0, ran.stderr)
  assert.equal(readFileSync(join(out, 'b'), 'utf8'), 'inside\n')
})

test('a file is no larger than the scope says, read or written', async () => {
  const s = await raw(scoped({ max_bytes: 6 }))
  const big = await s.ask(fxp.open, `${data}/in/big`, 0x1a, 0)
  const handle = new Reader(big, 5).bytes()
  assert.equal(await s.status(fxp.write, handle, 0n, '123456'), fxStatus.ok)
  assert.equal(await s.status(fxp.write, handle, 6n, '7'), fxStatus.permissionDenied)
  assert.equal(await s.status(fxp.write, handle, 0xffff_ffff_ffff_ffffn, '7'), fxStatus.permissionDenied)
  assert.equal(await s.status(fxp.fsetstat, handle, 1, 7n), fxStatus.permissionDenied)
  assert.equal(await s.status(fxp.setstat, `${data}/in/big`, 1, 7n), fxStatus.permissionDenied)
  assert.equal(readFileSync(join(data, 'in/big'), 'utf8'), '123456')
  const seven = await s.ask(fxp.open, `${data}/file`, 1, 0)
  assert.equal(await s.status(fxp.read, new Reader(seven, 5).bytes(), 0n, 100), fxStatus.permissionDenied)
  s.client.socket.destroy()
})

test('requests in a row are answered, each under its own number, whatever waits for the host', async () => {
  const s = await raw(scoped())
  for (let i = 0; i < 200; i++) {
    if (i % 5 === 0) s.send(fxp.rename, 1000 + i, `${data}/in/r${i}`, `${data}/in/s${i}`)
    else s.send(fxp.stat, 1000 + i, i % 2 === 0 ? `${data}/file` : `${data}/way/secret`)
  }
  const seen = new Map<number, number | undefined>()
  for (let i = 0; i < 200; i++) {
    const body = await s.next()
    seen.set(body.readUInt32BE(1), body[0])
  }
  for (let i = 0; i < 200; i++)
    assert.equal(seen.get(1000 + i), i % 5 !== 0 && i % 2 === 0 ? fxp.attrs : fxp.status, String(i))
  s.send(fxp.stat, 7, `${data}/file`)
  s.send(fxp.stat, 7, `${data}/file`)
  await s.client.end()
  assert.equal(w.last().ending?.why, 'protocol_violation')
})

test('a handle serves for what it was opened for: one to read changes nothing outside of what may be written', async () => {
  const file = join(out, 'secret')
  chmodSync(file, 0o600)
  for (const way of [
    file,
    join(data, 'in', '..', '..', 'database', 'secret'),
    join(data, 'in', 'way', 'secret'),
  ]) {
    const s = await raw(w.grant({ sftp: { read: ['/'], write: [join(data, 'in')] } }))
    const handle = new Reader(await s.ask(fxp.open, way, 1, 0), 5).bytes().toString('latin1')
    assert.equal(await s.status(fxp.fsetstat, handle, 4, 0o4777), fxStatus.permissionDenied, way)
    assert.equal(await s.status(fxp.write, handle, 0n, 'x'), fxStatus.permissionDenied, way)
    assert.equal(await s.status(fxp.extended, 'fsync@openssh.com', handle), fxStatus.permissionDenied, way)
    s.client.socket.destroy()
  }
  assert.equal(statSync(file).mode & 0o7777, 0o600)
})

test('how a file is opened and what is set is on record, for its path as it really is or as it was written', async () => {
  const path = join(data, 'in', 'set')
  const written = `${data}/in/../in/set`
  for (const [scope, on] of [
    [{ write: [data] }, path],
    ['write', written],
  ] as const) {
    const s = await raw(w.grant({ sftp: scope }))
    const handle = new Reader(await s.ask(fxp.open, written, 0x1a, 4, 0o4777), 5).bytes()
    assert.equal(await s.status(fxp.fsetstat, handle, 4, 0o2755), fxStatus.ok)
    assert.equal(await s.status(fxp.setstat, written, 9, 3n, 1, 2), fxStatus.ok)
    assert.equal(await s.status(fxp.mkdir, `${written}.d`, 4, 0o1777), fxStatus.ok)
    assert.equal(await s.status(fxp.extended, 'lsetstat@openssh.com', written, 4, 0o600), fxStatus.ok)
    assert.equal(await s.status(fxp.setstat, written, 4), fxStatus.badMessage, 'a mode that is not there')
    const { recorder } = w.last()
    const all = recorder.of('allowed') as { kind: string; touches: { act: string; on: string }[] }[]
    const of = (kind: string) =>
      all.filter(one => one.kind === `sftp.${kind}`).flatMap(one => one.touches.map(t => `${t.act} ${t.on}`))
    const file = `write ${on}`
    assert.deepEqual(of('open'), [file, 'open write,create,truncate', 'set mode=4777'])
    assert.deepEqual(of('fsetstat'), [file, 'set mode=2755'])
    assert.deepEqual(of('setstat'), [file, 'set size=3', 'set atime=1', 'set mtime=2'])
    assert.deepEqual(of('mkdir'), [`${file}.d`, 'set mode=1777'])
    assert.deepEqual(of('lsetstat@openssh.com'), [file, 'set mode=600'])
    assert.equal(await s.status(fxp.rmdir, `${path}.d`), fxStatus.ok)
    s.client.socket.destroy()
  }
  const reading = await raw(w.grant({ sftp: 'read' }))
  await reading.ask(fxp.open, `${data}/way/../database/secret`, 1, 0)
  const [, opened] = w.last().recorder.of('allowed') as { touches: unknown }[]
  assert.deepEqual(opened?.touches, [{ act: 'read', on: `${data}/way/../database/secret` }])
  assert.equal(await reading.status(fxp.remove, `${data}/way/../x`), fxStatus.permissionDenied)
  const [refused] = w.last().recorder.of('refused') as { touches: unknown }[]
  assert.deepEqual(refused?.touches, [{ act: 'write', on: `${data}/way/../x` }])
})

test('what FSETSTAT changes is on record, and the digest of what it cut is not', async () => {
  const path = join(data, 'in', 'changed')
  const s = await raw(w.grant({ sftp: 'write' }))
  const handle = new Reader(await s.ask(fxp.open, path, 0x1a, 0), 5).bytes().toString('latin1')
  assert.equal(await s.status(fxp.write, handle, 0n, 'all of it'), fxStatus.ok)
  assert.equal(await s.status(fxp.fsetstat, handle, 1, 3n), fxStatus.ok)
  assert.equal(await s.status(fxp.close, handle), fxStatus.ok)
  const { recorder } = w.last()
  assert.equal(readFileSync(path, 'utf8'), 'all')
  assert.deepEqual(recorder.of('file'), [
    { act: 'fsetstat', path },
    { act: 'write', path, bytes: 9 },
  ])
  assert.ok(recorder.of('allowed').some(one => (one as { kind: string }).kind === 'sftp.fsetstat'))
})

test('what is appended has no digest of a whole file, and no place where max_bytes is', async () => {
  const path = join(data, 'in', 'grown')
  writeFileSync(path, 'HEAD')
  const free = await raw(w.grant({ sftp: 'write' }))
  const handle = new Reader(await free.ask(fxp.open, path, 0x06, 0), 5).bytes().toString('latin1')
  assert.equal(await free.status(fxp.write, handle, 0n, 'tail'), fxStatus.ok)
  assert.equal(await free.status(fxp.close, handle), fxStatus.ok)
  assert.equal(readFileSync(path, 'utf8'), 'HEADtail')
  assert.deepEqual(w.last().recorder.of('file'), [{ act: 'write', path, bytes: 4 }])
  const limited = await raw(scoped({ max_bytes: 100 }))
  assert.equal(await limited.status(fxp.open, path, 0x06, 0), fxStatus.permissionDenied)
})

test('a READ with bytes behind it is not one', async () => {
  const s = await raw(w.grant({ sftp: 'read' }))
  const handle = new Reader(await s.ask(fxp.open, join(data, 'file'), 1, 0), 5).bytes().toString('latin1')
  assert.equal(await s.status(fxp.read, handle, 0n, 0xffff_ffff, 7), fxStatus.badMessage)
})
