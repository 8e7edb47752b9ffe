import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Connections } from './connections.ts'

test('who is turned away is said at once, then once a second with how many it were', () => {
  const connections = new Connections({ total: 0, perSource: 0 })
  const said = [0, 1, 999, 1000, 1001, 5000].map(now => connections.turnedAway(now))
  assert.deepEqual(said, [1, undefined, undefined, 3, undefined, 2])
})
