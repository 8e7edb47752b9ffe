import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Rule } from '../config/config.ts'
import { type Code, Refused } from '../denial.ts'
import type { GrantRequest } from '../words.ts'
import { confirm } from './confirm.ts'
import { decide } from './decide.ts'
import { grantOf } from './grant.fixture.ts'
import type { Policy } from './permit.ts'
import { asking, connection, issuer, now, policy, rule, scope } from './policy.fixture.ts'

const db = 'orders-db'
const before = policy([rule('a', db)])

function issued(request: Partial<GrantRequest> = {}, rules = before) {
  const asked = asking(['a'], { connection: db, ...request })
  const permit = decide(asked, rules)
  assert.ok(!(permit instanceof Refused))
  return grantOf(asked, permit)
}

const changed = (over: Partial<Rule>, more: Partial<Policy> = {}) => policy([rule('a', db, over)], more)

function code(
  grant: ReturnType<typeof issued>,
  rules: Policy,
  source: string | undefined = '127.0.0.1',
): Code | 'confirmed' {
  const answer = confirm(grant, source, now, rules)
  return answer instanceof Refused ? answer.denial.code : 'confirmed'
}

test('a grant holds while its rule gives as much or more', () => {
  assert.equal(code(issued(), before), 'confirmed')
  assert.equal(
    code(issued(), changed({ scope: scope({ tables: ['public.items', 'public.orders', 'public.new'] }) })),
    'confirmed',
  )
  assert.equal(code(issued(), changed({ ttl: 3_600_000, sessions: { atOnce: 20 } })), 'confirmed')
})

test("confirming widens nothing: the scope and the end stay the grant's", () => {
  const grant = issued({ ttl: 60_000 })
  const answer = confirm(
    grant,
    undefined,
    now + 10_000,
    changed({ ttl: 3_600_000, scope: scope({ tables: ['public.items', 'public.orders', 'public.new'] }) }),
  )
  assert.ok(!(answer instanceof Refused))
  assert.deepEqual(
    [answer.scope, answer.expiresAt, answer.ttl, answer.endsBy],
    [scope(), now + 60_000, 50_000, 'request'],
  )
})

test('a rule that is gone, for another group, issuer, connection or protocol, revokes', () => {
  const over = [{ id: 'other' }, { group: 'b' }, { issuer: 'other' }, { connection: 'hidden' }]
  for (const change of over) assert.equal(code(issued(), changed(change)), 'grant_revoked')
  assert.equal(code(issued(), policy([])), 'grant_revoked')
  assert.equal(code(issued(), changed({}, { connections: new Map() })), 'grant_revoked')
  assert.equal(
    code(issued(), changed({}, { connections: new Map([[db, connection(db, { protocol: 'ssh' })]]) })),
    'grant_revoked',
  )
  assert.equal(
    code(
      issued(),
      changed({}, { people: { issuers: ['okta'], clients: ['0oaAgent1'], operators: [], auditors: [] } }),
    ),
    'grant_revoked',
  )
})

test('a narrower rule or ceiling revokes what had more, and leaves what had not', () => {
  const narrower = changed({ scope: scope({ tables: ['public.orders'] }) })
  assert.equal(code(issued(), narrower), 'grant_revoked')
  assert.equal(code(issued({ scope: { tables: ['public.orders'] } }), narrower), 'confirmed')
  assert.equal(
    code(
      issued(),
      changed({}, { connections: new Map([[db, connection(db, { ceiling: { max_rows: 5 } })]]) }),
    ),
    'grant_revoked',
  )
  assert.equal(code(issued(), changed({ scope: scope({ mask: ['email'] }) })), 'grant_revoked')
})

test('a shorter time revokes, a requirement the request did not meet revokes', () => {
  assert.equal(code(issued(), changed({ ttl: 60_000 })), 'grant_revoked')
  assert.equal(code(issued({ ttl: 60_000 }), changed({ ttl: 60_000 })), 'confirmed')
  assert.equal(code(issued(), changed({ require: ['reason'] })), 'grant_revoked')
  assert.equal(code(issued({ reason: 'x' }), changed({ require: ['reason'] })), 'confirmed')
})

test('fewer sessions than it was given revoke, and a token that it may no longer outlive', () => {
  assert.equal(code(issued(), changed({ sessions: { atOnce: 9 } })), 'grant_revoked')
  assert.equal(code(issued(), changed({ sessions: { atOnce: 10, total: 5 } })), 'grant_revoked')
  const outliving = changed({ ttl: 7_200_000, outliveToken: true })
  const long = issued({}, outliving)
  assert.ok(long.expiresAt > long.identity.expiresAt)
  assert.equal(code(long, outliving), 'confirmed')
  assert.equal(code(long, changed({ ttl: 7_200_000 })), 'grant_revoked')
})

test('a shorter time to begin with revokes what has not begun', () => {
  const rules = changed({ useWithin: 600_000 })
  const slow = { ...issued(), useBy: now + 3_600_000 }
  for (const grant of [slow, issued()]) {
    assert.equal(code(grant, rules), 'grant_revoked')
    assert.equal(code({ ...grant, used: 1 }, rules), 'confirmed')
    // What waits for its approval gets the time of the rule that it is approved under.
    assert.equal(code({ ...grant, state: 'pending' }, rules), 'confirmed')
  }
  assert.equal(code(slow, changed({ useWithin: 3_600_000 })), 'confirmed')
  assert.equal(code(slow, changed({})), 'confirmed')
  assert.equal(code({ ...issued(), useBy: now + 600_000 }, rules), 'confirmed')
  // It was approved long after it was asked for.
  assert.equal(code({ ...slow, activatedAt: now + 3_000_000 }, rules), 'confirmed')
})

test('conditions hold at each use; where nobody uses it, from where is not asked', () => {
  const inside = changed({ when: { source: ['10.0.0.0/8'] } })
  assert.equal(code(issued(), inside), 'condition_unmet')
  assert.equal(code(issued(), inside, '10.1.1.1'), 'confirmed')
  assert.ok(!(confirm(issued(), undefined, now, inside) instanceof Refused))
  assert.equal(code(issued(), changed({ when: { clients: ['x'] } })), 'condition_unmet')
})

test('a client or a group that the configuration takes away is taken from live grants too', () => {
  const under = (over: Parameters<typeof issuer>[0]) =>
    changed({}, { issuers: new Map([['okta', issuer(over)]]) })
  assert.equal(
    code(issued(), under({ clients: ['0oaAgent1'], clientGroups: new Map([['0oaAgent1', ['a', 'b']]]) })),
    'confirmed',
  )
  assert.equal(code(issued(), under({ clients: ['0oaAgent2'] })), 'grant_revoked')
  assert.equal(code(issued(), under({ clientGroups: new Map([['0oaAgent1', ['b']]]) })), 'grant_revoked')
  assert.equal(code(issued(), changed({}, { issuers: new Map() })), 'grant_revoked')
})

test('a scope that another version stored, without what scopes have today, is given by nothing', () => {
  const grant = issued()
  const { tables: _, ...older } = grant.scope as unknown as { tables: unknown }
  assert.equal(code({ ...grant, scope: older as unknown as typeof grant.scope }, before), 'grant_revoked')
})
