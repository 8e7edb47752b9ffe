import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Field, Malformed, message, Reader } from './fields.ts'
import { readOperation, withPaths } from './operation.ts'
import { Frames, framed, fxp, maxPacketBytes } from './packet.ts'

test('fields come back as they went', () => {
  const bytes = fc.uint8Array({ maxLength: 50 }).map(one => Buffer.from(one))
  fc.assert(
    fc.property(
      fc.nat(0xffff_ffff),
      fc.boolean(),
      fc.string(),
      bytes,
      fc.bigInt(0n, 2n ** 64n - 1n),
      (n, b, s, raw, big) => {
        const read = new Reader(message(7, n, b, s.normalize(), raw, big, { raw }), 1)
        assert.deepEqual(
          [read.u32(), read.bool(), read.text(), read.bytes(), read.u64(), read.rest()],
          [n, b, Buffer.from(s.normalize()).toString(), raw, big, raw],
        )
      },
    ),
  )
})

test('a length that reaches past the end is malformed, and nothing is allocated for it', () => {
  assert.throws(() => new Reader(Buffer.of(0xff, 0xff, 0xff, 0xff)).bytes(), Malformed)
  assert.throws(() => new Reader(Buffer.of(0, 0, 0)).u32(), Malformed)
  assert.throws(() => new Reader(Buffer.of(0, 0, 0, 2, 0xc3, 0x28)).text(), Malformed)
  assert.throws(() => new Reader(Buffer.of(1)).end(), Malformed)
})

test('packets come out whole, however the bytes were cut', () => {
  const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 10 })
  fc.assert(
    fc.property(bodies, fc.integer({ min: 1, max: 97 }), (all, size) => {
      const stream = Buffer.concat(all.map(framed))
      const frames = new Frames()
      const out: Buffer[] = []
      for (let at = 0; at < stream.length; at += size) {
        frames.push(stream.subarray(at, at + size))
        for (let body = frames.next(); body !== undefined; body = frames.next()) out.push(Buffer.from(body))
      }
      assert.deepEqual(
        out,
        all.map(one => Buffer.from(one)),
      )
    }),
  )
})

test('a packet too long or of nothing is refused at its head (attack 119)', () => {
  for (const length of [0, maxPacketBytes + 1, 0xffff_ffff]) {
    const frames = new Frames()
    const head = Buffer.alloc(4)
    head.writeUInt32BE(length)
    frames.push(head)
    assert.throws(() => frames.next(), Malformed)
  }
})

const operation = (type: number, ...fields: readonly Field[]) => readOperation(message(type, 5, ...fields))

test('each request is what it does and to what', () => {
  assert.deepEqual(operation(fxp.open, '/a', 1, 0), {
    ...{ id: 5, name: 'open', act: 'read', paths: ['/a'], flags: 1 },
  })
  for (const flags of [0, 2, 3, 9, 0x11, 0x21, 0x41, 0xffff_ffff])
    assert.equal((operation(fxp.open, '/a', flags, 0) as { act: string }).act, 'write')
  assert.deepEqual(operation(fxp.rename, '/a', '/b'), {
    id: 5,
    name: 'rename',
    act: 'write',
    paths: ['/a', '/b'],
  })
  assert.deepEqual(operation(fxp.read, 'h', 9n, 100), {
    id: 5,
    name: 'read',
    act: 'read',
    paths: [],
    handle: 'h',
    read: { offset: 9n, length: 100 },
  })
  assert.deepEqual(operation(fxp.extended, 'posix-rename@openssh.com', '/a', '/b'), {
    id: 5,
    name: 'posix-rename@openssh.com',
    act: 'write',
    paths: ['/a', '/b'],
  })
  assert.equal((operation(fxp.extended, 'limits@openssh.com') as { act: string }).act, 'stat')
  for (const name of ['copy-data', 'expand-path@openssh.com', 'toString', '__proto__'])
    assert.equal((operation(fxp.extended, name, '/a') as { act: string }).act, 'unknown')
})

test('no request, however broken, is anything but read, answered or malformed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), bytes => {
      try {
        const read = readOperation(Buffer.from(bytes))
        assert.ok('misread' in read || read.name !== '')
      } catch (error) {
        assert.ok(error instanceof Malformed)
      }
    }),
    { numRuns: 2000 },
  )
})

test('the same request for other paths differs in them alone', () => {
  const path = fc.string({ maxLength: 20 }).map(text => text.replaceAll('\0', '').toWellFormed())
  const rest = fc.uint8Array({ maxLength: 30 })
  fc.assert(
    fc.property(path, path, path, path, rest, (a, b, c, d, more) => {
      const raw = { raw: more }
      assert.deepEqual(withPaths(message(fxp.stat, 5, a, raw), [c]), message(fxp.stat, 5, c, raw))
      assert.deepEqual(
        withPaths(message(fxp.rename, 5, a, b, raw), [c, d]),
        message(fxp.rename, 5, c, d, raw),
      )
      const name = 'posix-rename@openssh.com'
      assert.deepEqual(
        withPaths(message(fxp.extended, 5, name, a, b, raw), [c, d]),
        message(fxp.extended, 5, name, c, d, raw),
      )
    }),
  )
})
