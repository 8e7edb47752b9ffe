import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readDetailed } from './attributes.ts'
import { type Field, message } from './fields.ts'
import { fxp } from './packet.ts'

const details = (type: number, ...fields: readonly Field[]) => {
  const read = readDetailed(message(type, 7, ...fields))
  return 'misread' in read ? 'misread' : (read.details ?? []).map(one => `${one.act} ${one.on}`).join(' ')
}

test('each attribute is told, the unknown ones too, and how a file is opened', () => {
  assert.equal(details(fxp.open, '/x', 1, 0), '')
  assert.equal(details(fxp.open, '/x', 0x3f, 0), 'open read,write,append,create,truncate,exclusive')
  assert.equal(details(fxp.open, '/x', 0x8000_0002, 4, 0o6755), 'open write,0x80000000 set mode=6755')
  const all = [15, 9n, 1, 2, 0o644, 3, 4] as const
  const told = 'set size=9 set uid=1 set gid=2 set mode=644 set atime=3 set mtime=4'
  for (const type of [fxp.setstat, fxp.fsetstat, fxp.mkdir]) assert.equal(details(type, '/x', ...all), told)
  assert.equal(details(fxp.extended, 'lsetstat@openssh.com', '/x', ...all), told)
  assert.equal(details(fxp.setstat, '/x', 0x8000_0040, 5), 'set extended=5 set flags=0x40')
  assert.equal(details(fxp.remove, '/x'), '')
  assert.equal(details(fxp.write, 'h', 0n, 'x'), '')
})

test('attributes that are cut short are misread, whatever is sent', () => {
  for (const flags of [1, 2, 4, 8, 0x8000_0000]) {
    assert.equal(details(fxp.setstat, '/x', flags), 'misread', String(flags))
    assert.equal(details(fxp.open, '/x', 2, flags, { raw: Buffer.alloc(1) }), 'misread', String(flags))
  }
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(fxp)), fc.uint8Array({ maxLength: 60 }), (type, raw) => {
      const read = readDetailed(message(type, 7, { raw }))
      assert.equal(read.id, 7)
    }),
  )
})
