import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Upstream } from '../protocol/protocol.ts'
import type { Recorder } from '../recording/record.ts'
import type { Clock, Ending, Grant, Narrowed } from '../words.ts'
import { createLiveSessions } from './live.ts'
import { LiveSession } from './session.ts'
import { createSharedSessions } from './shared.ts'

const clock: Clock = { now: () => Date.now(), mono: () => performance.now() }
const cut: Ending = { how: 'cut', why: 'grant_expired', text: 'grant g_1 is over' }
const close: Ending = { how: 'close', why: 'client_closed', text: 'goodbye' }

function open({ id = 's_1', grant = 'g_1', hangs = false, disk = 'good' } = {}) {
  const told: string[] = []
  const say = (what: string) => void told.push(what)
  const session = new LiveSession(
    {
      id,
      grant: { id: grant } as Grant,
      scope: {} as Narrowed<unknown>,
      recordValues: false,
      source: '127.0.0.1',
      cancelKey: Buffer.from(id.padEnd(8)),
    },
    clock,
    {
      destroyClient: () => say('client destroyed'),
      failed: () => say('failed'),
      closed: (_, { why }) => say(`closed ${why}`),
    },
  )
  const upstream: Upstream = {
    cancel: async () => say('cancelled'),
    destroy: () => say('upstream destroyed'),
    [Symbol.asyncDispose]: () =>
      hangs ? new Promise(() => undefined) : Promise.resolve(say('upstream closed')),
  }
  session.undo(() => say('undone'))
  session.recordWith({
    close: async () => {
      if (disk === 'full') throw new Error('disk full')
      say('sealed')
    },
  } as Partial<Recorder> as Recorder)
  session.reached(upstream)
  return { session, told, upstream }
}

describe('the end of a session', () => {
  test('a cut waits for the goodbye, then closes, destroys, undoes, seals and tells, in this order', async () => {
    const { session, told } = open()
    session.signal.addEventListener('abort', () => {
      told.push('client told')
      session.served()
    })
    await session.end(cut)
    assert.deepEqual(told, [
      'client told',
      'upstream closed',
      'upstream destroyed',
      'client destroyed',
      'undone',
      'sealed',
      'closed grant_expired',
    ])
  })

  test('a protocol that ignores the cut, over a target that does not close, loses both sockets all the same', async () => {
    const { session, told } = open({ hangs: true })
    await session.end(cut)
    assert.ok(told.includes('upstream destroyed'))
    assert.ok(told.includes('client destroyed'))
    assert.equal(told.at(-1), 'closed grant_expired')
  })

  test('the first ending stands, however often it is asked for', async () => {
    const { session, told } = open()
    session.served()
    await Promise.all([session.end(close), session.end(cut), session.end(cut)])
    assert.equal(session.ending, close)
    assert.equal(told.filter(what => what.startsWith('closed')).length, 1)
  })

  test('a recording that cannot be sealed is told, and the rest of the end goes on', async () => {
    const { session, told } = open({ disk: 'full' })
    await session.end(close)
    assert.deepEqual(told.slice(-3), ['undone', 'failed', 'closed client_closed'])
  })

  test('a client whose session was never reached is left to its protocol, which tells it why', async () => {
    const told: string[] = []
    const facts = {
      id: 's_2',
      grant: { id: 'g_1' } as Grant,
      scope: {} as Narrowed<unknown>,
      recordValues: false,
      source: '',
      cancelKey: Buffer.alloc(8),
    }
    const session = new LiveSession(facts, clock, {
      destroyClient: () => void told.push('client destroyed'),
      failed: () => undefined,
      closed: () => void told.push('closed'),
    })
    await session.end(cut)
    assert.deepEqual(told, ['closed'])
  })
})

describe('the register of live sessions', () => {
  test('a grant that is over takes all of its sessions and no other', async () => {
    const live = createLiveSessions()
    const [one, two, other] = [open({ id: 's_1' }), open({ id: 's_2' }), open({ id: 's_3', grant: 'g_2' })]
    for (const { session } of [one, two, other]) {
      live.add(session)
      session.served()
    }
    await live.cutGrant('g_1', cut)
    assert.deepEqual(
      [one, two, other].map(({ session }) => session.signal.aborted),
      [true, true, false],
    )
  })

  test('a cancel key finds its own session, and a key we did not issue finds nothing', () => {
    const live = createLiveSessions()
    const { session } = open()
    live.add(session)
    assert.equal(live.byCancelKey(session.cancelKey), session)
    assert.equal(live.byCancelKey(Buffer.alloc(8)), undefined)
    assert.equal(live.byCancelKey(session.cancelKey.subarray(0, 4)), undefined)
    live.remove(session)
    assert.equal(live.byCancelKey(session.cancelKey), undefined)
  })
})

describe('sessions that requests share', () => {
  test('requests that come together open one session', async () => {
    const shared = createSharedSessions()
    let opened = 0
    const make = async () => {
      opened += 1
      return open().session
    }
    const [a, b] = await Promise.all([shared.of('g_1', make), shared.of('g_1', make)])
    assert.equal(a, b)
    assert.equal(opened, 1)
  })

  test('an ended session is not joined, and another grant never joins', async () => {
    const shared = createSharedSessions()
    const first = await shared.of('g_1', async () => open().session)
    assert.ok(first instanceof LiveSession)
    assert.notEqual(await shared.of('g_2', async () => open({ grant: 'g_2' }).session), first)
    first.served()
    await first.end(close)
    assert.notEqual(await shared.of('g_1', async () => open().session), first)
  })

  test('what failed to open is tried again', async () => {
    const shared = createSharedSessions()
    await assert.rejects(async () => shared.of('g_1', () => Promise.reject(new Error('no'))))
    assert.ok((await shared.of('g_1', async () => open().session)) instanceof LiveSession)
  })
})
