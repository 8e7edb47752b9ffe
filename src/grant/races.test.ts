import assert from 'node:assert/strict'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Refused } from '../denial.ts'
import {
  codeOf,
  decided,
  given,
  type House,
  identity,
  MINUTE,
  openHouse,
  passwordOf,
} from './house.fixture.ts'

let house: House
beforeEach(async () => {
  house = await openHouse()
})
afterEach(() => house.close())
const issue = async (of: Parameters<typeof decided>[1] = {}) =>
  given(await house.grants.issue(decided(house.clock, of)))

test('redeem and revoke at the same instant, 1,000 times: no use lives past the revocation', async () => {
  house.perOwner = 1_000
  const cut = new Set<string>()
  house.grants.onEnded(grant => cut.add(grant.id))
  const issued = await Promise.all(Array.from({ length: 1_000 }, () => issue()))
  const uses = await Promise.all(
    issued.map(async ({ grant }, i) => {
      if (i % 3 === 0) await sleep(0)
      const using = house.grants.use(grant.id)
      if (i % 2 === 0) await sleep(0)
      const revoking = house.grants.revoke([grant.id], { text: 'revoked' })
      const use = await using
      await revoking
      // Given before: then the listener has cut it. Given after: impossible.
      return use instanceof Refused ? use.denial.code : cut.has(grant.id) ? 'cut' : 'lives'
    }),
  )
  assert.ok(uses.every(outcome => outcome === 'grant_revoked' || outcome === 'cut'))
  assert.equal(cut.size, 1_000)
  for (const { grant } of issued) assert.equal(codeOf(house.grants.usable(grant.id)), 'grant_revoked')
  const stored = await house.grants.list({ limit: 1_000, state: 'revoked' })
  assert.equal(stored.length, 1_000)
})

test('a revocation cuts in the same turn, before audit and store are written', async () => {
  const { grant } = await issue()
  const order: string[] = []
  house.grants.onEnded(() => order.push('cut'))
  house.audit.slow = async () => {
    await sleep(5)
    order.push('on disk')
  }
  const revoking = house.grants.revoke([grant.id], { text: 'revoked' })
  assert.deepEqual(order, ['cut'])
  assert.equal(codeOf(house.grants.usable(grant.id)), 'grant_revoked')
  await revoking
  assert.deepEqual(order, ['cut', 'on disk'])
})

test('of two who redeem a one-use grant exactly one gets in, also after a restart', async () => {
  for (let round = 0; round < 20; round++) {
    const { grant } = await issue({ sessions: { atOnce: 10, total: 1 } })
    const uses = await Promise.all([1, 2, 3].map(() => house.grants.use(grant.id)))
    assert.equal(uses.filter(use => !(use instanceof Refused)).length, 1)
    if (round % 10 === 0) await house.restart()
    assert.equal(codeOf(await house.grants.use(grant.id)), 'limit_exceeded')
    given(await house.grants.end(grant.id, grant.owner))
  }
})

test('a use that came to nothing is given back once, one that was a session is not', async () => {
  const { grant } = await issue({ sessions: { atOnce: 1, total: 2 } })
  const failed = given(await house.grants.use(grant.id))
  assert.equal(codeOf(await house.grants.use(grant.id)), 'limit_exceeded')
  failed.giveBack()
  failed.giveBack()
  failed.close()
  for (const ordinal of [1, 2]) {
    const use = given(await house.grants.use(grant.id))
    assert.equal(use.ordinal, ordinal)
    use.close()
  }
  await house.restart()
  assert.equal(codeOf(await house.grants.use(grant.id)), 'limit_exceeded')
  assert.equal((await house.grants.get(grant.id))?.used, 2)
})

test('a lock that comes while a grant is being issued refuses it, and no grant is left', async () => {
  const reached = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  house.audit.slow = () => {
    reached.resolve()
    return gate.promise
  }
  const issuing = house.grants.issue(decided(house.clock))
  await reached.promise
  house.audit.slow = () => Promise.resolve()
  const locking = house.grants.locks.set(
    { subject: 'sre-bot', reason: 'incident' },
    identity({ kind: 'person' }),
  )
  gate.resolve()
  const [answer] = await Promise.all([issuing, locking])
  assert.equal(codeOf(answer), 'grant_revoked')
  await house.restart()
  assert.deepEqual(house.grants.live(), [])
  assert.equal(codeOf(await house.grants.issue(decided(house.clock))), 'locked')
})

test('a lock revokes what it matches, live and pending, for good; lifting it revives nothing; both survive', async () => {
  const operator = identity({ subject: 'op', kind: 'person' })
  const live = await issue()
  const pending = await issue({ state: 'pending' })
  const other = await issue({ identity: identity({ subject: 'other-bot' }) })
  assert.equal(codeOf(await house.grants.locks.set({ reason: 'all' }, operator)), 'request_invalid')
  const lock = given(await house.grants.locks.set({ subject: 'sre-bot', reason: 'incident' }, operator))
  assert.deepEqual(house.audit.types().slice(-3), ['lock.set', 'grant.revoked', 'grant.revoked'])
  await house.restart()
  assert.deepEqual(house.grants.locks.list(), [lock])
  assert.equal(house.grants.locks.matching(identity(), 'web-1')?.id, lock.id)
  given(await house.grants.locks.lift(lock.id, operator))
  assert.equal(codeOf(await house.grants.locks.lift(lock.id, operator)), 'grant_unknown')
  await house.restart()
  assert.deepEqual(house.grants.locks.list(), [])
  for (const { grant } of [live, pending])
    assert.equal(codeOf(house.grants.usable(grant.id)), 'grant_revoked')
  given(house.grants.usable(other.grant.id))
})

test('a lock with a ttl lapses when both clocks say so', async () => {
  given(await house.grants.locks.set({ client: '0oaAgent1', reason: 'x', ttl: MINUTE }, identity()))
  house.clock.wall += MINUTE
  assert.equal(house.grants.locks.list().length, 1)
  house.clock.ticks += MINUTE
  assert.equal(house.grants.locks.list().length, 0)
})

test('a repeated Idempotency-Key gets the same grant without a password, at once or later; another body is refused', async () => {
  const idempotency = { key: 'k1', request: 'body-1' }
  const [first, second] = await Promise.all([issue({ idempotency }), issue({ idempotency })])
  assert.equal(second.grant.id, first.grant.id)
  assert.deepEqual([first.repeated, second.repeated, second.password], [false, true, undefined])
  await house.restart()
  const third = await issue({ idempotency })
  assert.deepEqual([third.grant.id, third.repeated, third.password], [first.grant.id, true, undefined])
  const other = { key: 'k1', request: 'body-2' }
  assert.equal(
    codeOf(await house.grants.issue(decided(house.clock, { idempotency: other }))),
    'request_invalid',
  )
  const stranger = await issue({ idempotency, identity: identity({ subject: 'other-bot' }) })
  assert.notEqual(stranger.grant.id, first.grant.id)
  house.clock.pass(24 * 3600_000)
  assert.notEqual((await issue({ idempotency })).grant.id, first.grant.id)
})

test('an older state.db put back revives no revoked grant, no lifted or lost lock, and no used use', async () => {
  const operator = identity({ subject: 'op', kind: 'person' })
  const revoked = await issue()
  const once = await issue({ sessions: { atOnce: 1, total: 1 } })
  const kept = await issue({ identity: identity({ subject: 'other-bot' }) })
  const early = given(await house.grants.locks.set({ group: 'old', reason: 'early' }, operator))
  // Closed first: the WAL is folded in then, so the copy is whole.
  await house.grants.close()
  await house.store.close()
  await copyFile(join(house.data, 'state.db'), join(house.data, 'older.db'))
  await house.reopen()
  await house.grants.revoke([revoked.grant.id], { text: 'an operator revoked it' })
  const use = given(await house.grants.use(once.grant.id))
  house.audit.noted({ type: 'session.opened', grant: once.grant.id, facts: { use: use.ordinal } })
  const late = given(await house.grants.locks.set({ group: 'new', reason: 'late' }, operator))
  given(await house.grants.locks.lift(early.id, operator))
  await house.grants.close()
  await house.store.close()
  await copyFile(join(house.data, 'older.db'), join(house.data, 'state.db'))
  await house.reopen()
  assert.equal(codeOf(house.grants.usable(revoked.grant.id)), 'grant_revoked')
  assert.equal(codeOf(await house.grants.use(once.grant.id)), 'limit_exceeded')
  assert.deepEqual(house.grants.locks.list(), [late])
  given(house.grants.redeem({ how: 'secret', user: kept.grant.id, secret: passwordOf(kept) }, 'ssh'))
  assert.equal(house.audit.types().at(-1), 'state.recovered')
})

test('2,000 grants that expire at one instant are over at once, in one pass, and written', async () => {
  house.perOwner = 2_000
  const expiresAt = house.clock.now() + MINUTE
  await Promise.all(Array.from({ length: 2_000 }, () => issue({ expiresAt })))
  let ended = 0
  house.grants.onEnded(() => {
    ended += 1
  })
  house.clock.pass(MINUTE)
  while (ended === 0) await sleep(10)
  assert.equal(ended, 2_000)
  while (house.audit.types().filter(type => type === 'grant.expired').length < 2_000) await sleep(10)
  await house.restart()
  assert.equal(house.grants.live().length, 0)
})

test('a listener that throws keeps neither other listeners nor the ending from their work', async () => {
  const [one, two] = [await issue(), await issue()]
  const cut: string[] = []
  house.grants.onEnded(() => {
    throw new Error('a cut that failed')
  })
  house.grants.onEnded(grant => cut.push(grant.id))
  await house.grants.revoke([one.grant.id, two.grant.id], { text: 'revoked' })
  assert.deepEqual(cut, [one.grant.id, two.grant.id])
  await house.restart()
  assert.equal(codeOf(house.grants.usable(two.grant.id)), 'grant_revoked')
})
