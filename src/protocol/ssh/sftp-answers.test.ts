import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Field, Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import { fxp, maxPacketBytes, maxReadBytes } from '../../statement/sftp/packet.ts'
import { ssh } from './index.ts'
import { announced, cappedLimits, nameIn } from './sftp-answers.ts'

const scopeOf = (sftp: unknown) => ssh.scope.schema.parse({ sftp })
const mayWrite = ['posix-rename@openssh.com', 'fsync@openssh.com', 'lsetstat@openssh.com']
const mayRead = ['limits@openssh.com', 'statvfs@openssh.com', 'fstatvfs@openssh.com']
const everything = [...mayRead, ...mayWrite, 'hardlink@openssh.com']

const part = fc.constantFrom('a', 'b c', '.', '..', '', '\0', 'é', '...', '-rf', '\u202e')
const path = fc
  .tuple(fc.constantFrom('/', ''), fc.array(part, { maxLength: 5 }))
  .map(([root, parts]) => root + parts.join('/'))
const name = fc.oneof(fc.constantFrom(...everything, 'copy-data', '__proto__', 'constructor'), fc.string())
const u32 = fc.oneof(fc.constantFrom(0, 1, 3), fc.nat())
const u64 = fc.oneof(fc.constantFrom(0n, 1n, 2n ** 64n - 1n), fc.bigInt({ min: 0n, max: 2n ** 40n }))
const text = fc.oneof(path, fc.uint8Array({ maxLength: 20 }))

/** As it should be, or with anything missing from its end, or nothing but bytes. */
function answers(type: number, ...fields: readonly fc.Arbitrary<readonly Field[]>[]) {
  const whole = fc.tuple(...fields).map(some => message(type, ...some.flat()))
  const cut = fc.tuple(whole, fc.nat()).map(([body, at]) => body.subarray(0, at % (body.length + 1)))
  return fc.oneof(whole, whole, cut, fc.uint8Array({ maxLength: 60 }).map(Buffer.from))
}

/** What was read; nothing where the answer is malformed, which is all that may be thrown. */
function read<T>(what: () => T): T | undefined {
  try {
    return what()
  } catch (error) {
    assert.ok(error instanceof Malformed, String(error))
    return undefined
  }
}

test('whatever a host announces, a client hears of what its scope can use and of nothing else', () => {
  const pairs = fc
    .array(fc.tuple(name, fc.string({ maxLength: 40, size: 'max' })), { maxLength: 70 })
    .map(found => found.flat() as readonly Field[])
  const version = fc.constantFrom(3, 3, 3, 4).map(n => [n])
  for (const [sftp, allowed] of [
    ['read', mayRead],
    [{ read: ['/srv'], write: ['/srv'] }, [...mayRead, ...mayWrite]],
    ['write', everything],
  ] as const)
    fc.assert(
      fc.property(answers(fxp.version, version, pairs), body => {
        const heard = read(() => announced(body, scopeOf(sftp))) ?? []
        assert.equal(heard.length % 2, 0)
        assert.ok(heard.length === 0 || body.readUInt32BE(1) === 3)
        heard.forEach((one, i) => {
          assert.ok(i % 2 === 0 ? allowed.includes(one) : one.length <= 16, one)
        })
      }),
    )
})

test('whatever a host calls a real path, it is one path that can be read in one way alone', () => {
  const one = fc.tuple(u32, u32, text, text, u32).map(fields => fields as readonly Field[])
  fc.assert(
    fc.property(answers(fxp.name, one), answer => {
      const found = read(() => nameIn(answer))
      if (found === undefined) return
      assert.equal(answer.readUInt32BE(5), 1)
      assert.ok(found.startsWith('/') && !found.includes('\0'), found)
      assert.equal(posix.resolve(found), found)
    }),
    { numRuns: 1000 },
  )
})

test('whatever limits a host has, the client hears of none above ours, and of some', () => {
  const four = fc.tuple(u32, u64, u64, u64, u64).map(fields => fields as readonly Field[])
  const most = [maxPacketBytes - 1024, maxReadBytes, maxReadBytes, 128]
  fc.assert(
    fc.property(answers(fxp.extendedReply, four), answer => {
      const heard = read(() => cappedLimits(answer))
      if (heard === undefined || heard[0] !== fxp.extendedReply) return
      assert.deepEqual(heard.subarray(0, 5), answer.subarray(0, 5))
      const fields = new Reader(heard, 5)
      for (const cap of most) {
        const said = fields.u64()
        assert.ok(said > 0n && said <= BigInt(cap), `${said}`)
      }
      fields.end()
    }),
  )
})
