import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
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
const show = (user: string, secret: string, protocol = 'ssh') =>
  house.grants.redeem({ how: 'secret', user, secret }, protocol)

test('a grant is answered after its audit line, with a password that opens it and nothing else', async () => {
  const issued = await issue()
  assert.deepEqual(house.audit.types(), ['grant.issued'])
  assert.match(issued.grant.id, /^g_/)
  const password = passwordOf(issued)
  assert.match(password, /^pst_[A-Za-z0-9_-]{43}$/)
  assert.equal(given(show(issued.grant.id, password)).id, issued.grant.id)
  assert.equal(given(house.grants.redeemPassword(password, 'ssh')).id, issued.grant.id)
  for (const wrong of ['', 'pst_', `${password}x`, password.toLowerCase(), passwordOf(await issue())])
    assert.equal(codeOf(show(issued.grant.id, wrong)), 'grant_unknown')
})

test('no password is in the audit or in the store', async () => {
  const password = passwordOf(await issue())
  const rows = await house.store.read(house.store.sql.selectFrom('grants').selectAll())
  assert.ok(!JSON.stringify([rows, house.audit.lines]).includes(password))
})

test("another protocol's door refuses a good credential as an unknown one, and audit learns which it was", async () => {
  const issued = await issue()
  const shown = show(issued.grant.id, passwordOf(issued), 'postgres')
  assert.ok(shown instanceof Refused)
  assert.equal(shown.denial.code, 'grant_unknown')
  assert.equal(shown.denial.say, undefined)
  assert.match(shown.denial.detail, /is for ssh, shown at the door of postgres/)
})

test('a grant survives a restart, its password too', async () => {
  const issued = await issue()
  await house.restart()
  assert.deepEqual(given(show(issued.grant.id, passwordOf(issued))), issued.grant)
})

test('a grant without its audit line is refused and leaves nothing', async () => {
  house.audit.failing = true
  await assert.rejects(house.grants.issue(decided(house.clock)), /audit/)
  house.audit.failing = false
  assert.deepEqual(house.grants.live(), [])
  assert.deepEqual(await house.grants.list({}), [])
})

test('the cap on live grants holds for requests that come at once, counts pending ones, and frees on give-back', async () => {
  house.perOwner = 4
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      house.grants.issue(decided(house.clock, { state: i % 2 === 0 ? 'active' : 'pending' })),
    ),
  )
  assert.equal(answers.filter(answer => !(answer instanceof Refused)).length, 4)
  assert.ok(answers.every(answer => !(answer instanceof Refused) || answer.denial.code === 'limit_exceeded'))
  const other = identity({ subject: 'other-bot' })
  await issue({ identity: other })
  const first = answers.find(answer => !(answer instanceof Refused))
  assert.ok(first !== undefined && !(first instanceof Refused))
  given(await house.grants.end(first.grant.id, first.grant.owner))
  await issue()
})

test('a grant for a key, a pending one and one for a bound token have no password', async () => {
  const publicKey = new Uint8Array([1, 2, 3])
  assert.equal((await issue({ publicKey })).password, undefined)
  assert.equal((await issue({ state: 'pending' })).password, undefined)
  const bound = await issue({ identity: identity({ binding: { jkt: 'thumb' } }) })
  assert.equal(bound.password, undefined)
  assert.equal(codeOf(await house.grants.renew(bound.grant.id, bound.grant.owner)), 'request_invalid')
})

test('a key opens its grant alone, and a second live grant for the same key is refused', async () => {
  const publicKey = new Uint8Array([7, 7, 7])
  const { grant } = await issue({ publicKey })
  const key = (bytes: number[]) =>
    house.grants.redeem({ how: 'key', user: grant.id, key: new Uint8Array(bytes) }, 'ssh')
  assert.equal(given(key([7, 7, 7])).id, grant.id)
  assert.equal(codeOf(key([7, 7, 8])), 'grant_unknown')
  assert.equal(codeOf(key([7, 7])), 'grant_unknown')
  assert.deepEqual(house.grants.proofFor(grant.id).publicKeys, [publicKey])
  assert.equal(codeOf(await house.grants.issue(decided(house.clock, { publicKey }))), 'request_invalid')
  given(await house.grants.end(grant.id, grant.owner))
  await issue({ publicKey })
})

test('expiry, give-back and revocation each say when and why to who shows the credential, and to nobody else', async () => {
  const expired = await issue({ expiresAt: house.clock.now() + MINUTE })
  const ended = await issue()
  const revoked = await issue()
  house.clock.pass(MINUTE)
  given(await house.grants.end(ended.grant.id, ended.grant.owner))
  await house.grants.revoke([revoked.grant.id], { text: 'an operator revoked it' })
  const told = [expired, ended, revoked].map(issued => {
    const shown = show(issued.grant.id, passwordOf(issued))
    assert.ok(shown instanceof Refused)
    assert.equal(codeOf(show(issued.grant.id, 'pst_wrong')), 'grant_unknown')
    return [shown.denial.code, shown.denial.say?.replace(issued.grant.id, 'ID')]
  })
  assert.deepEqual(told, [
    ['grant_expired', "grant ID cannot be used: it expired at 2026-03-01T12:01:00Z (the rule's 1m)"],
    ['grant_revoked', 'grant ID cannot be used: it was given back at 2026-03-01T12:01:00Z'],
    ['grant_revoked', 'grant ID cannot be used: an operator revoked it'],
  ])
  await house.restart()
  const after = [expired, ended, revoked].map(issued => codeOf(show(issued.grant.id, passwordOf(issued))))
  assert.deepEqual(after, ['grant_expired', 'grant_revoked', 'grant_revoked'])
})

test('a grant ends at its end, not a millisecond before or after, whoever shows it or not', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  await issue({ expiresAt: house.clock.now() + 5000 })
  const typesAfter = async (ms: number) => {
    house.clock.pass(ms)
    t.mock.timers.tick(ms)
    await new Promise(resolve => setImmediate(resolve))
    return house.audit.types()
  }
  for (const ms of [1000, 1000, 1000, 1000, 999]) assert.deepEqual(await typesAfter(ms), ['grant.issued'])
  assert.deepEqual(await typesAfter(1), ['grant.issued', 'grant.expired'])
})

test('a wall clock set back revives nothing, neither in the running gateway nor by a restart', async () => {
  const issued = await issue({ expiresAt: house.clock.now() + MINUTE })
  house.clock.ticks += MINUTE
  house.clock.wall -= 60 * MINUTE
  assert.equal(codeOf(show(issued.grant.id, passwordOf(issued))), 'grant_expired')

  const second = await issue({ expiresAt: house.clock.now() + 2 * MINUTE })
  house.clock.wall -= 60 * MINUTE
  await house.restart()
  house.clock.pass(2 * MINUTE)
  assert.equal(codeOf(show(second.grant.id, passwordOf(second))), 'grant_expired')
})

test('a wall clock that steps past the expiry ends the grant', async () => {
  const issued = await issue()
  house.clock.wall += 11 * MINUTE
  assert.equal(codeOf(show(issued.grant.id, passwordOf(issued))), 'grant_expired')
})

test('a grant that is not used in time ends, one that was used goes on', async () => {
  const useBy = house.clock.now() + MINUTE
  const unused = await issue({ useBy })
  const used = await issue({ useBy })
  given(await house.grants.use(used.grant.id)).close()
  await house.restart()
  house.clock.pass(MINUTE)
  const shown = show(unused.grant.id, passwordOf(unused))
  assert.ok(shown instanceof Refused && shown.denial.say?.includes('it was not used by 2026-03-01T12:01:00Z'))
  given(show(used.grant.id, passwordOf(used)))
})

test('the owner alone finds and ends a grant; others cannot tell it from one that never was', async () => {
  const { grant } = await issue()
  const stranger = { ...grant.owner, id: 'other-bot' }
  const never = await house.grants.find('g_111111111111111111111111', stranger)
  for (const answer of [
    await house.grants.find(grant.id, stranger),
    await house.grants.end(grant.id, stranger),
    await house.grants.renew(grant.id, stranger),
    await house.grants.find(grant.id, { ...grant.owner, actor: 'somebody' }),
  ]) {
    assert.ok(answer instanceof Refused && never instanceof Refused)
    assert.deepEqual({ ...answer.denial, detail: '' }, { ...never.denial, detail: '' })
    assert.match(answer.denial.detail, /grant_not_yours/)
  }
  assert.equal(given(await house.grants.find(grant.id, grant.owner)).state, 'active')
})

test('a renewed password opens the grant and the old one does not, also after a restart', async () => {
  const issued = await issue()
  const renewed = given(await house.grants.renew(issued.grant.id, issued.grant.owner))
  for (const round of ['running', 'restarted']) {
    assert.equal(codeOf(show(issued.grant.id, passwordOf(issued))), 'grant_unknown', round)
    assert.equal(codeOf(house.grants.redeemPassword(passwordOf(issued), 'ssh')), 'grant_unknown', round)
    assert.equal(given(show(issued.grant.id, renewed.password)).id, issued.grant.id, round)
    await house.restart()
  }
})

test('a renewal that is not written leaves the holder with the password they have', async () => {
  const issued = await issue()
  house.audit.failing = true
  await assert.rejects(house.grants.renew(issued.grant.id, issued.grant.owner))
  house.audit.failing = false
  given(show(issued.grant.id, passwordOf(issued)))
  given(await house.grants.renew(issued.grant.id, issued.grant.owner))
})

test('a SCRAM exchange that was begun before a renewal does not pass after it', async () => {
  const { grant } = await issue({ verifier: 'scram-sha-256', protocol: 'postgres' })
  const against = house.grants.proofFor(grant.id).scram
  const shown = { how: 'scram', user: grant.id, proven: true, against } as const
  given(house.grants.redeem(shown, 'postgres'))
  given(await house.grants.renew(grant.id, grant.owner))
  assert.equal(codeOf(house.grants.redeem(shown, 'postgres')), 'grant_unknown')
})

test('a pending grant opens nothing until it is activated, then for a renewed password and its new time', async () => {
  const { grant } = await issue({ state: 'pending', decideBy: house.clock.now() + 5 * MINUTE })
  assert.equal(codeOf(await house.grants.use(grant.id)), 'approval_required')
  assert.equal(codeOf(await house.grants.renew(grant.id, grant.owner)), 'approval_required')
  house.clock.pass(4 * MINUTE)
  const { scope, narrowed, endsBy } = grant
  const as = { scope, narrowed, endsBy, expiresAt: house.clock.now() + 10 * MINUTE }
  const [one, two] = await Promise.all([
    house.grants.activate(grant.id, as),
    house.grants.activate(grant.id, as),
  ])
  assert.equal(given(one).state, 'active')
  assert.equal(codeOf(two), 'request_invalid')
  const { password } = given(await house.grants.renew(grant.id, grant.owner))
  house.clock.pass(9 * MINUTE)
  await house.restart()
  given(show(grant.id, password))
  house.clock.pass(MINUTE)
  assert.equal(codeOf(show(grant.id, password)), 'grant_expired')
})

test('a pending grant nobody approves in time expires as such', async () => {
  const { grant } = await issue({ state: 'pending', decideBy: house.clock.now() + MINUTE })
  house.clock.pass(MINUTE)
  const late = await house.grants.activate(grant.id, { ...grant, expiresAt: house.clock.now() + MINUTE })
  assert.equal(codeOf(late), 'grant_expired')
  assert.match((await house.grants.get(grant.id))?.ending ?? '', /nobody approved it by 2026-03-01T12:01:00Z/)
  assert.equal(house.audit.lines.at(-1)?.event.reason, 'approval_expired')
})

test('how long it may wait for a word is not cut by how long it may last', async () => {
  const now = house.clock.now()
  const { grant } = await issue({ state: 'pending', expiresAt: now + MINUTE, decideBy: now + 60 * MINUTE })
  house.clock.pass(30 * MINUTE)
  await house.restart()
  house.clock.pass(29 * MINUTE)
  assert.equal((await house.grants.get(grant.id))?.state, 'pending')
  const as = { ...grant, expiresAt: house.clock.now() + MINUTE }
  assert.equal(given(await house.grants.activate(grant.id, as)).state, 'active')
  house.clock.pass(MINUTE)
  assert.equal(codeOf(house.grants.usable(grant.id)), 'grant_expired')

  const late = house.clock.now() + 60 * MINUTE
  const other = await issue({ state: 'pending', expiresAt: house.clock.now() + MINUTE, decideBy: late })
  house.clock.pass(60 * MINUTE)
  assert.equal(codeOf(house.grants.usable(other.grant.id)), 'grant_expired')
})

test('a waiting caller is told as soon as the state changes, and when it has waited long enough', async () => {
  const { grant } = await issue({ state: 'pending' })
  const wait = house.grants.leaves(grant.id, 'pending', new AbortController().signal)
  await house.grants.deny(grant.id, { text: 'it was denied by dba@example.com' })
  await wait
  assert.equal(given(await house.grants.find(grant.id, grant.owner)).state, 'denied')
  const other = await issue()
  await house.grants.leaves(other.grant.id, 'active', AbortSignal.abort())
  // What is over changes no more: it is not waited for.
  await house.grants.end(other.grant.id, other.grant.owner)
  await house.grants.leaves(other.grant.id, 'ended', new AbortController().signal)
})

test('people see grants newest first, by state and connection, a page at a time', async () => {
  const a = await issue()
  house.clock.pass(10)
  const b = await issue({ connection: 'orders-db' })
  house.clock.pass(10)
  const c = await issue()
  given(await house.grants.end(c.grant.id, c.grant.owner))
  const ids = async (query: Parameters<House['grants']['list']>[0]) =>
    (await house.grants.list(query)).map(grant => grant.id)
  assert.deepEqual(
    await ids({}),
    [c, b, a].map(issued => issued.grant.id),
  )
  assert.deepEqual(await ids({ state: 'ended' }), [c.grant.id])
  assert.deepEqual(await ids({ connection: 'orders-db' }), [b.grant.id])
  assert.deepEqual(await ids({ limit: 1, before: c.grant.id }), [b.grant.id])
})
