import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { ownerKey } from '../owner.ts'
import type { GrantState } from '../words.ts'
import { decoyFor } from './decoy.ts'
import { expiredText, span } from './ending.ts'
import { identity } from './house.fixture.ts'
import { isGrantId, newGrantId, newPassword, newSessionId } from './id.ts'
import { isEmptyLock, type LockFields, matches } from './lock.ts'
import { canMove, isFinal } from './states.ts'
import { fits, makeVerifier, verifierFromText, verifierToText } from './verifier.ts'

const states: readonly GrantState[] = ['pending', 'active', 'denied', 'expired', 'revoked', 'ended']

test('every pair of states is a way or none, as the design says', () => {
  const table = states.map(from => `${from}: ${states.filter(to => canMove(from, to)).join(' ')}`)
  assert.deepEqual(table, [
    'pending: active denied expired revoked ended',
    'active: expired revoked ended',
    'denied: ',
    'expired: ',
    'revoked: ',
    'ended: ',
  ])
  assert.deepEqual(states.filter(isFinal), ['denied', 'expired', 'revoked', 'ended'])
})

test('ids sort by their time, differ within it, and are recognised', () => {
  const now = Date.UTC(2026, 2, 1)
  const ids = Array.from({ length: 100 }, (_, i) => newGrantId(now + i, randomBytes))
  assert.deepEqual(ids.toSorted(), ids)
  assert.equal(new Set(Array.from({ length: 1_000 }, () => newGrantId(now, randomBytes))).size, 1_000)
  assert.ok(ids.every(isGrantId))
  assert.match(newSessionId(now, randomBytes), /^s_[1-9A-HJ-NP-Za-km-z]{24}$/)
  for (const no of [
    '',
    'g_',
    'g_../../etc/passwd',
    `${ids[0]}\n`,
    `${ids[0]}x`,
    `g_${'0'.repeat(24)}`,
    'web-1',
  ])
    assert.equal(isGrantId(no), false, no)
})

test('each random bit of an id and of a password is used', () => {
  const one = new Uint8Array(16)
  const seen = new Set<string>()
  for (let bit = 32; bit < 128; bit++) {
    one.fill(0)
    one[bit >> 3] = 0x80 >> (bit & 7)
    seen.add(newGrantId(0, () => one.slice()))
  }
  assert.equal(seen.size, 96)
  assert.equal(Buffer.from(newPassword(randomBytes).slice(4), 'base64url').length, 32)
})

test('a SCRAM verifier is what RFC 5802 computes from the password', async () => {
  const verifier = await makeVerifier('pst_x', 'scram-sha-256', randomBytes)
  const { scram } = verifierFromText(verifierToText(verifier))
  assert.ok(scram !== undefined)
  const salted = pbkdf2Sync('pst_x', scram.salt, scram.iterations, 32, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  assert.deepEqual(Buffer.from(scram.storedKey), createHash('sha256').update(hmac('Client Key')).digest())
  assert.deepEqual(Buffer.from(scram.serverKey), hmac('Server Key'))
  assert.equal(scram.iterations, 4096)
})

test('a verifier fits its password alone and does not hold it', async () => {
  const password = newPassword(randomBytes)
  const verifier = await makeVerifier(password, 'sha-256', randomBytes)
  assert.ok(fits(verifier, password))
  assert.ok(!fits(verifier, `${password} `))
  assert.ok(!verifierToText(verifier).includes(password.slice(4)))
})

test("a stranger's decoy looks like a verifier, stays the same, and differs from others'", async () => {
  const secret = randomBytes(32)
  const real = (await makeVerifier('x', 'scram-sha-256', randomBytes)).scram
  assert.ok(real !== undefined)
  const decoy = decoyFor('g_nobody', secret)
  assert.deepEqual(decoy, decoyFor('g_nobody', secret))
  assert.notDeepEqual(decoy, decoyFor('g_nobody2', secret))
  assert.notDeepEqual(decoy, decoyFor('g_nobody', randomBytes(32)))
  for (const part of ['salt', 'storedKey', 'serverKey'] as const)
    assert.equal(decoy[part].length, real[part].length, part)
  assert.equal(decoy.iterations, real.iterations)
})

test('owners are equal only if all their parts are', () => {
  const text = fc.string({ maxLength: 6, unit: fc.constantFrom('a', '"', ',', '[', '\0', '\\') })
  const owner = fc.record(
    { issuer: text, id: text, client: text, actor: text },
    { requiredKeys: ['issuer', 'id', 'client'] },
  )
  fc.assert(
    fc.property(owner, owner, (a, b) => {
      const same = a.issuer === b.issuer && a.id === b.id && a.client === b.client && a.actor === b.actor
      return (ownerKey(a) === ownerKey(b)) === same
    }),
  )
})

test('a lock matches when all the fields it names do, subject or uid alike, and never without a field', () => {
  const who = identity({ subject: 'bot', uid: '00u1', client: '0oa1', groups: ['a', 'b'], issuer: 'okta' })
  const on = (lock: LockFields, connection?: string) => matches(lock, who, connection)
  const yes: LockFields[] = [
    { subject: 'bot' },
    { subject: '00u1' },
    { client: '0oa1' },
    { group: 'b' },
    { issuer: 'okta' },
    { connection: 'db' },
    { subject: 'bot', client: '0oa1', group: 'a', issuer: 'okta', connection: 'db' },
  ]
  const no: LockFields[] = [
    {},
    { subject: 'Bot' },
    { subject: 'bot', client: 'other' },
    { group: 'c' },
    { issuer: 'other' },
    { connection: 'web' },
    { subject: 'bot', connection: 'web' },
  ]
  for (const lock of yes) assert.equal(on(lock, 'db'), true, JSON.stringify(lock))
  for (const lock of no) assert.equal(on(lock, 'db'), false, JSON.stringify(lock))
  assert.equal(on({ connection: 'db' }), false)
  assert.ok(isEmptyLock({}))
})

test('the end of a grant is told with its time and the clock that ended it', () => {
  const grant = { issuedAt: 0, expiresAt: Date.UTC(2026, 2, 1, 12, 0, 5) } as Parameters<
    typeof expiredText
  >[0]
  const text = (of: Partial<typeof grant>) => expiredText({ ...grant, ...of })
  const issuedAt = grant.expiresAt - 600_000
  assert.equal(text({ issuedAt, endsBy: 'rule' }), "it expired at 2026-03-01T12:00:05Z (the rule's 10m)")
  assert.match(text({ issuedAt, endsBy: 'request' }), /the 10m that were asked for/)
  assert.match(text({ endsBy: 'token' }), /the access token/)
  assert.match(text({ issuedAt, activatedAt: issuedAt + 60_000, endsBy: 'rule' }), /the rule's 9m/)
  assert.deepEqual([span(0), span(5_000), span(90_000), span(3_600_000)], ['0s', '5s', '1m30s', '1h'])
})
