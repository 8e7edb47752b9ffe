import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { Deadlines } from './deadlines.ts'
import { Heap } from './heap.ts'
import { TestClock } from './house.fixture.ts'

test('the heap gives what a sorted list gives, whatever is set, moved and taken out', () => {
  const key = fc.integer({ min: 0, max: 20 }).map(String)
  const act = fc.oneof(
    fc.record({ do: fc.constant('set' as const), key, at: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ do: fc.constant('delete' as const), key }),
    fc.record({ do: fc.constant('due' as const), at: fc.integer({ min: 0, max: 50 }) }),
  )
  fc.assert(
    fc.property(fc.array(act, { maxLength: 200 }), acts => {
      const heap = new Heap()
      const model = new Map<string, number>()
      for (const one of acts) {
        if (one.do === 'set') {
          heap.set(one.key, one.at)
          model.set(one.key, one.at)
        } else if (one.do === 'delete') {
          heap.delete(one.key)
          model.delete(one.key)
        } else {
          const times = new Map(model)
          const due = heap.due(one.at)
          const late = [...model].filter(([, at]) => at <= one.at)
          for (const [name] of late) model.delete(name)
          assert.deepEqual(due.toSorted(), late.map(([name]) => name).toSorted())
          const order = due.map(name => times.get(name) ?? 0)
          assert.deepEqual(
            order,
            order.toSorted((a, b) => a - b),
          )
        }
        assert.equal(heap.size, model.size)
        assert.equal(heap.next(), model.size === 0 ? undefined : Math.min(...model.values()))
      }
    }),
  )
})

function timed(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const clock = new TestClock()
  const fired: string[][] = []
  const deadlines = new Deadlines(clock, keys => void fired.push([...keys]))
  const pass = (ms: number) => {
    clock.pass(ms)
    t.mock.timers.tick(ms)
  }
  const set = (key: string, inMs: number) =>
    deadlines.set(key, { wall: clock.wall + inMs, mono: clock.ticks + inMs })
  return { clock, deadlines, fired, pass, set }
}

test('ten thousand deadlines at one instant are all due in one call', t => {
  const { fired, pass, set } = timed(t)
  for (let i = 0; i < 10_000; i++) set(`k${i}`, 5_000)
  for (let s = 0; s < 5; s++) pass(1_000)
  assert.equal(fired.length, 1)
  assert.equal(new Set(fired[0]).size, 10_000)
})

test('a deadline a year ahead does not fire early, and a nearer one set later fires first', t => {
  const { fired, pass, set } = timed(t)
  set('year', 365 * 24 * 3600_000)
  set('soon', 10)
  pass(10)
  assert.deepEqual(fired, [['soon']])
  for (let i = 0; i < 100; i++) pass(1_000)
  assert.deepEqual(fired, [['soon']])
})

test('one that was taken out or moved does not fire at its old time', t => {
  const { deadlines, fired, pass, set } = timed(t)
  set('out', 500)
  set('moved', 500)
  deadlines.delete('out')
  set('moved', 1_500)
  pass(500)
  pass(500)
  assert.deepEqual(fired, [])
  pass(500)
  assert.deepEqual(fired, [['moved']])
})

test('a wall clock set back delays nothing, one set forward is noticed within a second', t => {
  const { clock, fired, pass, set } = timed(t)
  set('back', 2_000)
  clock.wall -= 3600_000
  pass(1_000)
  pass(1_000)
  assert.deepEqual(fired, [['back']])
  set('forward', 3600_000)
  set('later', 3 * 3600_000)
  clock.wall += 2 * 3600_000
  pass(1_000)
  assert.deepEqual(fired, [['back'], ['forward']])
})
