import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copyOf, reading, release } from './buffers.ts'

test('large copies are used again, once, and only ours', () => {
  reading.fill('a')
  const one = copyOf(20_000)
  assert.equal(one.length, 20_000)
  release(one)
  release(one)
  const [two, three] = [copyOf(30_000), copyOf(30_000)]
  assert.equal(two.buffer, one.buffer)
  assert.notEqual(three.buffer, one.buffer)
  const small = copyOf(100)
  release(small)
  const foreign = Buffer.from(new ArrayBuffer(64 * 1024))
  release(foreign)
  for (const copy of [copyOf(40_000), copyOf(40_000), copyOf(40_000)])
    for (const other of [two, three, small, foreign]) assert.notEqual(copy.buffer, other.buffer)
})

test('a copy is one: what is read next does not show in it', () => {
  for (const length of [10, 40_000]) {
    reading.fill('a')
    const copy = copyOf(length)
    reading.fill('b')
    assert.ok(copy.every(byte => byte === 0x61))
  }
})
