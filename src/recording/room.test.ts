import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silent } from '../audit/audit.fixture.ts'
import { type Disks, watchRoom } from './room.ts'

const MiB = 1024 * 1024
const GiB = 1024 * MiB

function world(total: number, free: number, files = { free: 1e6, total: 1e6 }) {
  const at = { free, files, audit: 1, recordings: 1, short: 0, broken: false }
  const disks: Disks = {
    async free() {
      if (at.broken) throw new Error('EIO')
      return { bytes: { free: at.free, total }, files: at.files }
    },
    async device(path) {
      return path.endsWith('/recordings') ? at.recordings : at.audit
    },
  }
  const onShort = () => {
    at.short += 1
  }
  return { at, open: () => watchRoom({ data: '/data', onShort, log: silent, disks }) }
}

test('below the reserve recordings end, told once; above it they begin again', async () => {
  const { at, open } = world(100 * GiB, 256 * MiB)
  using room = await open()
  assert.deepEqual([room.isShort, at.short], [false, 0])
  at.free -= 1
  await room.look()
  await room.look()
  assert.deepEqual([room.isShort, at.short], [true, 1])
  at.free += 1
  await room.look()
  assert.deepEqual([room.isShort, at.short], [false, 1])
  at.free = 0
  await room.look()
  assert.deepEqual([room.isShort, at.short], [true, 2])
})

test('of a small disk a twentieth is kept', async () => {
  for (const [free, isShort] of [
    [50 * MiB, false],
    [50 * MiB - 1, true],
  ] as const) {
    using room = await world(1000 * MiB, free).open()
    assert.equal(room.isShort, isShort)
  }
})

test('files are kept as bytes are: sessions that hold nothing take them all on an empty disk', async () => {
  for (const [free, total, isShort] of [
    [10_000, 6_500_000, false],
    [9_999, 6_500_000, true],
    [30, 600, false],
    [29, 600, true],
    // A file system that does not count them.
    [0, 0, false],
  ] as const) {
    const { at, open } = world(100 * GiB, 90 * GiB, { free, total })
    using room = await open()
    assert.deepEqual([room.isShort, at.short], [isShort, Number(isShort)], `${free} of ${total}`)
  }
})

test('a disk that is short when the gateway starts is short from the first moment', async () => {
  const { at, open } = world(100 * GiB, 0)
  using room = await open()
  assert.deepEqual([room.isShort, at.short], [true, 1])
})

test('recordings on a disk of their own take nothing from the audit', async () => {
  const { at, open } = world(100 * GiB, 0)
  at.recordings = 2
  using room = await open()
  assert.deepEqual([room.isShort, at.short], [false, 0])
})

test('a disk that does not say how full it is stops nobody: what cannot be written is told by writing', async () => {
  const { at, open } = world(100 * GiB, 0)
  at.broken = true
  using room = await open()
  assert.deepEqual([room.isShort, at.short], [false, 0])
})

test('a short disk that cannot be seen is short until it is seen to have room', async () => {
  const { at, open } = world(100 * GiB, 0)
  using room = await open()
  at.broken = true
  await room.look()
  assert.deepEqual([room.isShort, at.short], [true, 1])
  at.broken = false
  at.free = GiB
  await room.look()
  assert.equal(room.isShort, false)
})

test('a disk that does not answer is asked once, and again when it has answered', async t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  let asked = 0
  let answer: () => void = () => undefined
  const disks: Disks = {
    free: () => {
      asked += 1
      const said = { bytes: { free: GiB, total: GiB }, files: { free: 0, total: 0 } }
      return asked === 1 ? Promise.resolve(said) : new Promise(resolve => (answer = () => resolve(said)))
    },
    device: async () => 1,
  }
  using _ = await watchRoom({ data: '/data', onShort: () => undefined, log: silent, disks })
  const later = async (millis: number) => {
    t.mock.timers.tick(millis)
    await new Promise(setImmediate)
  }
  await later(1000)
  await later(5000)
  assert.equal(asked, 2)
  answer()
  await later(0)
  await later(1000)
  assert.equal(asked, 3)
})
