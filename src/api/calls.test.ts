import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { LiveSession } from '../broker/session.ts'
import { Refused } from '../denial.ts'
import type { AnyProtocol } from '../protocol/protocol.ts'
import type { Grant, Narrowed } from '../words.ts'
import { onSession } from './calls.ts'

function world() {
  const session = new LiveSession(
    {
      id: 's_1',
      grant: { id: 'g_1' } as Grant,
      scope: {} as Narrowed<unknown>,
      recordValues: false,
      source: '127.0.0.1',
      cancelKey: Buffer.alloc(8),
    },
    { now: () => 0, mono: () => 0 },
    { destroyClient: () => undefined, failed: () => undefined, closed: () => undefined },
  )
  const query = { input: z.strictObject({ statement: z.string() }), run: async () => 'ran' }
  return { session, protocol: { name: 'postgres', calls: { query } } as unknown as AnyProtocol }
}
const never = new AbortController().signal
const codeOf = (answer: unknown) => (answer instanceof Refused ? answer.denial.code : answer)

test('a call that is wrong lets its session idle out as a right one does', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  for (const [name, body, answer] of [
    ['query', { statement: 'select 1' }, 'ran'],
    ['query', { nonsense: true }, 'request_invalid'],
    ['exec', {}, 'request_invalid'],
  ] as const) {
    const at = world()
    assert.equal(codeOf(await onSession(at, name, () => body, never)), answer)
    t.mock.timers.tick(59_000)
    assert.equal(at.session.signal.aborted, false)
    t.mock.timers.tick(2000)
    assert.equal(at.session.ending?.why, 'idle')
  }
})

test('a session does not idle out while the body of a call is slow', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const at = world()
  const body = Promise.withResolvers<unknown>()
  const answer = onSession(at, 'query', () => body.promise, never)
  at.session.hold()[Symbol.dispose]()
  t.mock.timers.tick(100_000)
  assert.equal(at.session.signal.aborted, false)
  body.resolve({ statement: 'select 1' })
  assert.equal(await answer, 'ran')
})
