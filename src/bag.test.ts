import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { Bag } from './bag.ts'

test('a bag has what was added and not taken out, as a set would', () => {
  const step = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 8 }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const bag = new Bag<number>()
      const set = new Set<number>()
      for (const [adds, thing] of steps) {
        if (adds && !set.has(thing)) {
          bag.add(thing)
          set.add(thing)
        } else if (!adds) {
          bag.delete(thing)
          set.delete(thing)
        }
        assert.equal(bag.size, set.size)
        assert.equal(bag.has(thing), set.has(thing))
        assert.equal(bag.find(one => one === thing) === thing, set.has(thing))
        assert.deepEqual([...bag.all()].sort(), [...set].sort())
      }
    }),
  )
})

test('who goes through a bag goes through what was in it then', () => {
  const bag = new Bag<string>()
  for (const thing of ['a', 'b', 'c']) bag.add(thing)
  const seen: string[] = []
  for (const thing of bag.all()) {
    bag.delete(thing)
    bag.add(`${thing} again`)
    seen.push(thing)
  }
  assert.deepEqual(seen, ['a', 'b', 'c'])
  assert.deepEqual([...bag.all()].sort(), ['a again', 'b again', 'c again'])
})

test('what has been taken out leaves nothing for the old generation, as it does with a Set', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const bag = new Bag<object>()
  const inIt: object[] = []
  const come = () => {
    const thing = { fat: new Array(64).fill(0) }
    bag.add(thing)
    inIt.push(thing)
    if (inIt.length > 8) bag.delete(inIt.shift() as object)
  }
  for (let n = 0; n < 1000; n++) come()
  // What is in it now has grown old.
  collect()
  const before = oldBytes()
  for (let n = 0; n < 300_000; n++) come()
  assert.ok(oldBytes() - before < 1024 * 1024, `${oldBytes() - before} bytes`)
})

const oldBytes = () =>
  getHeapSpaceStatistics().find(space => space.space_name === 'old_space')?.space_used_size ?? Number.NaN
