import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Seq } from '../../recording/record.ts'
import { type Change, changing, Names, type Texted } from './names.ts'
import { Owed, OwedQueue } from './owed.ts'

const seq = 1 as Seq

/** A queue that counts how often entries are asked for what they change. */
function counting() {
  const queue = new OwedQueue()
  const names = new Names<Texted>()
  const asked = { times: 0 }
  const push = (kind: 'parse' | 'sync', change: Change | null = null): void => {
    const owed = new Owed(kind, seq, 0)
    Object.defineProperty(owed, 'change', {
      get() {
        asked.times++
        return change
      },
    })
    queue.push(owed)
  }
  const parse = (name: string, text: string): void => {
    push('parse', changing(names, name))
    names.set(name, { text })
  }
  return { queue, names, asked, parse, sync: () => push('sync') }
}

test('a failure takes back what its batch changed, and leaves what runs behind the Sync', () => {
  const { queue, names, parse, sync } = counting()
  names.set('a', { text: 'old' })
  parse('fails', 'x')
  parse('a', 'new')
  parse('a', 'newer')
  parse('b', 'new')
  sync()
  parse('b', 'behind')
  parse('a', 'behind')
  parse('a', 'newest')
  sync()
  assert.equal(queue.fail(), true)
  assert.deepEqual(
    ['fails', 'a', 'b'].map(name => names.get(name)?.text),
    [undefined, 'newest', 'behind'],
  )
  // The second batch fails too: each name is what it was before both.
  queue.shift()
  assert.equal(queue.fail(), true)
  assert.deepEqual(
    ['a', 'b'].map(name => names.get(name)?.text),
    ['old', undefined],
  )
})

test('a failure in a long pipeline looks at each entry once or twice', () => {
  const { queue, asked, parse, sync } = counting()
  const many = 1500
  for (let i = 0; i < many; i++) parse(`s${i}`, 'x')
  for (let i = 0; i < many; i++) sync()
  assert.equal(queue.fail(), true)
  assert.ok(asked.times <= 4 * many, `${asked.times} times`)
})
