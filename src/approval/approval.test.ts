import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { AuditEvent } from '../audit/event.ts'
import { Refused, sayOf } from '../denial.ts'
import { openStore, type Store } from '../store/store.ts'
import type { Grant, Identity, Narrowed } from '../words.ts'
import { createApprovals, type Decision } from './approval.ts'
import { mayDecide } from './may-decide.ts'
import { shownDigest } from './shown.ts'
import { tally, type Vote } from './tally.ts'

const now = Date.UTC(2026, 2, 1, 12)
const MINUTE = 60_000

function identity(of: Partial<Identity> = {}): Identity {
  return {
    issuer: 'okta',
    subject: 'dba@example.com',
    uid: '00uDba',
    client: '0oaConsole',
    kind: 'person',
    groups: ['dba'],
    actors: [],
    tokenDigest: 'd'.repeat(64),
    expiresAt: now + 60 * MINUTE,
    ...of,
  }
}
const asked = identity({
  subject: 'bot',
  uid: '00uBot',
  client: '0oaAgent1',
  kind: 'agent',
  groups: ['analysts'],
})

function pending(of: Partial<Grant> = {}): Grant {
  return {
    id: 'g_1',
    owner: { issuer: 'okta', id: '00uBot', client: '0oaAgent1' },
    identity: asked,
    request: { connection: 'orders-db', reason: 'report' },
    connection: 'orders-db',
    protocol: 'postgres',
    rule: 'analysts:orders-db',
    scope: { statements: ['select'] } as unknown as Narrowed<unknown>,
    narrowed: [],
    state: 'pending',
    issuedAt: now,
    expiresAt: now + 15 * MINUTE,
    endsBy: 'rule',
    sessions: { atOnce: 10 },
    used: 0,
    ...of,
  }
}
const rule = {
  id: 'analysts:orders-db',
  issuer: 'okta',
  outliveToken: false,
  approval: { group: 'dba', count: 1, within: 10 * MINUTE },
}
const codeOf = (value: unknown) => (value instanceof Refused ? value.denial.code : 'yes')

test('a member of the approval group may decide', () => {
  assert.equal(mayDecide({ grant: pending(), person: identity(), rule, now }), undefined)
})

const refusals: readonly [string, Partial<Parameters<typeof mayDecide>[0]>, string][] = [
  ['an agent in the group', { person: identity({ kind: 'agent' }) }, 'not_permitted'],
  ['somebody outside the group', { person: identity({ groups: ['DBA', 'dba2'] }) }, 'not_permitted'],
  ['a namesake group at another issuer', { person: identity({ issuer: 'other' }) }, 'not_permitted'],
  ['who acts for a member', { person: identity({ actor: 'bot', actors: ['bot'] }) }, 'not_permitted'],
  [
    'the requester by subject, through another client',
    { person: identity({ subject: 'bot' }) },
    'not_permitted',
  ],
  ['the requester by uid', { person: identity({ uid: '00uBot' }) }, 'not_permitted'],
  [
    "the requester whose uid is the other's subject",
    { person: identity({ subject: '00uBot' }) },
    'not_permitted',
  ],
  [
    "whoever acts in the requester's chain",
    { grant: pending({ identity: { ...asked, actor: 'dba@example.com', actors: ['dba@example.com'] } }) },
    'not_permitted',
  ],
  ['a decision too late', { now: now + 10 * MINUTE }, 'approval_expired'],
  [
    "a decision after the token's end",
    { grant: pending({ identity: { ...asked, expiresAt: now + MINUTE } }), now: now + MINUTE },
    'approval_expired',
  ],
  ['a grant that has expired', { grant: pending({ state: 'expired' }) }, 'approval_expired'],
  ['a grant that is active already', { grant: pending({ state: 'active' }) }, 'request_invalid'],
  [
    'a rule that asks for none any more',
    { rule: { id: rule.id, issuer: 'okta', outliveToken: false } },
    'request_invalid',
  ],
]
for (const [who, change, code] of refusals) {
  test(`refused: ${who}`, () => {
    assert.equal(codeOf(mayDecide({ grant: pending(), person: identity(), rule, now, ...change })), code)
  })
}

test('who may not decide is told why, in words that fit', () => {
  const said = (change: Partial<Parameters<typeof mayDecide>[0]>) => {
    const no = mayDecide({ grant: pending(), person: identity(), rule, now, ...change })
    return no && sayOf(no.denial)
  }
  assert.equal(said({ person: identity({ groups: ['ops'] }) }), 'only members of dba decide on this grant')
  assert.equal(said({ person: identity({ subject: 'bot' }) }), 'whoever asked cannot approve')
  for (const [, change] of refusals) assert.doesNotMatch(said(change) ?? '', /no rule gives this token/)
})

const vote = (subject: string, of: Partial<Vote> = {}): Vote => ({
  subject,
  decision: 'approve',
  shown: 'h',
  ...of,
})

test('approvers are counted as people, not as identities', () => {
  assert.equal(tally([vote('a'), vote('a')], 'h', 2).outcome, 'waiting')
  assert.equal(tally([vote('a', { uid: 'u' }), vote('b', { uid: 'u' })], 'h', 2).outcome, 'waiting')
  const chained = [vote('a', { uid: 'u' }), vote('b', { uid: 'v' }), vote('b', { uid: 'u' })]
  assert.equal(tally(chained, 'h', 2).outcome, 'waiting')
  assert.equal(tally([vote('a', { uid: 'u' }), vote('b', { uid: 'v' })], 'h', 2).outcome, 'approved')
})

test('one no is a no, a vote for something else is none, and narrower wishes add up', () => {
  assert.equal(tally([vote('a'), vote('b', { decision: 'deny' })], 'h', 1).outcome, 'denied')
  assert.equal(tally([vote('a', { shown: 'other' })], 'h', 1).outcome, 'waiting')
  const both = tally([vote('a', { ttl: 9, scope: { x: 1 } }), vote('b', { ttl: 5, scope: { y: 2 } })], 'h', 2)
  assert.deepEqual(both, { outcome: 'approved', approvers: 2, ttl: 5, scopes: [{ x: 1 }, { y: 2 }] })
})

test('the hash of what is shown changes with every part of it and not with the order of keys', () => {
  const same = pending({ request: { reason: 'report', connection: 'orders-db' } })
  assert.equal(shownDigest(pending(), 'dba'), shownDigest(same, 'dba'))
  for (const changed of [
    pending({ request: { connection: 'orders-db', reason: 'another' } }),
    pending({ request: { connection: 'orders-db', reason: 'report', ttl: 1 } }),
    pending({ scope: { statements: ['select', 'delete'] } as unknown as Narrowed<unknown> }),
    pending({ id: 'g_2' }),
    pending({ identity: { ...asked, tokenDigest: 'e'.repeat(64) } }),
  ])
    assert.notEqual(shownDigest(pending(), 'dba'), shownDigest(changed, 'dba'))
})

let data: string
let store: Store
const lines: AuditEvent[] = []
let auditFails = false
const audit = {
  async decided(event: AuditEvent) {
    if (auditFails) throw new Error('the audit cannot be written')
    lines.push(event)
    return { file: 'audit/gw-1.jsonl', seq: lines.length }
  },
  noted: (event: AuditEvent) => void lines.push(event),
}
before(async () => {
  data = await mkdtemp(join(tmpdir(), 'postern-approval-'))
  store = await openStore(data)
})
after(async () => {
  await store.close()
  await rm(data, { recursive: true })
})
const decide = (of: Partial<Decision> & { grant: Grant }) =>
  createApprovals({ store, audit, clock: { now: () => now, mono: () => 0 } }).decide({
    person: identity(),
    rule,
    decision: 'approve',
    ...of,
  })

test('two approvals are needed where the rule says two, and the same person twice is refused', async () => {
  const two = { ...rule, approval: { ...rule.approval, count: 2 } }
  const grant = pending({ id: 'g_two' })
  const first = await decide({ grant, rule: two, ttl: MINUTE })
  assert.ok(!(first instanceof Refused) && first.outcome === 'waiting')
  assert.equal(codeOf(await decide({ grant, rule: two })), 'request_invalid')
  const other = identity({ subject: 'other@example.com', uid: '00uOther' })
  const second = await decide({ grant, rule: two, person: other })
  assert.ok(!(second instanceof Refused) && second.outcome === 'approved' && second.ttl === MINUTE)
})

test('who approved may still deny', async () => {
  const two = { ...rule, approval: { ...rule.approval, count: 2 } }
  const grant = pending({ id: 'g_back' })
  await decide({ grant, rule: two })
  const denied = await decide({ grant, rule: two, decision: 'deny' })
  assert.ok(!(denied instanceof Refused) && denied.outcome === 'denied')
})

test('a vote on what was shown before a change does not count, and one that names it is refused', async () => {
  const grant = pending({ id: 'g_changed' })
  const shown = shownDigest(grant, 'dba')
  const changed = { ...grant, request: { ...grant.request, ttl: 60 * MINUTE } }
  assert.equal(codeOf(await decide({ grant: changed, shown })), 'request_invalid')
  const two = { ...rule, approval: { ...rule.approval, count: 2 } }
  await decide({ grant, rule: two })
  const person = identity({ subject: 'other@example.com', uid: '00uOther' })
  const after = await decide({ grant: changed, rule: two, person })
  assert.ok(!(after instanceof Refused) && after.outcome === 'waiting' && after.approvers === 1)
})

test('a vote without its audit line is not counted', async () => {
  const grant = pending({ id: 'g_unaudited' })
  auditFails = true
  await assert.rejects(decide({ grant }))
  auditFails = false
  const again = await decide({ grant })
  assert.ok(!(again instanceof Refused) && again.approvers === 1)
  assert.equal(lines.at(-1)?.type, 'approval.decided')
})

test('a note of a megabyte is refused', async () => {
  assert.equal(
    codeOf(await decide({ grant: pending({ id: 'g_note' }), note: 'x'.repeat(1 << 20) })),
    'request_invalid',
  )
})
