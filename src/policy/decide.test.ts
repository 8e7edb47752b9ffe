import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Code, Refused, sayOf } from '../denial.ts'
import type { GrantRequest } from '../words.ts'
import { decide } from './decide.ts'
import type { Asking, Permit, Policy } from './permit.ts'
import { asking, connection, identity, now, policy, protocols, rule, scope } from './policy.fixture.ts'
import { reachable } from './reachable.ts'

const db = 'orders-db'

function yes(asked: Asking, rules: Policy): Permit {
  const answer = decide(asked, rules)
  assert.ok(!(answer instanceof Refused), answer instanceof Refused ? answer.denial.detail : '')
  return answer
}

function no(asked: Asking, rules: Policy, code: Code): Refused {
  const answer = decide(asked, rules)
  assert.ok(answer instanceof Refused, `permitted, wanted ${code}`)
  assert.equal(answer.denial.code, code, answer.denial.detail)
  return answer
}

test('a rule for one of the groups permits, with its whole scope, for its time', () => {
  const permit = yes(asking(['x', 'analysts'], { connection: db }), policy([rule('analysts', db)]))
  assert.deepEqual([permit.rule.id, permit.scope, permit.narrowed], ['analysts:orders-db', scope(), []])
  assert.deepEqual([permit.ttl, permit.expiresAt, permit.endsBy], [600_000, now + 600_000, 'rule'])
})

test('an empty policy refuses everything', () => {
  no(asking(['analysts'], { connection: db }), policy([]), 'not_permitted')
})

test('attack 57: no rule, no such connection and no such rule are one answer, and it says what may be asked for', () => {
  const rules = policy([
    rule('sre', 'web-1'),
    rule('sre', 'web-1', { id: 'second' }),
    rule('others', 'hidden'),
  ])
  const say = (request: GrantRequest) => {
    const { denial } = no(asking(['sre'], request), rules, 'not_permitted')
    assert.deepEqual(denial.facts, { may_ask_for: ['web-1'] })
    return sayOf(denial).replace(request.connection, 'X')
  }
  const told = say({ connection: 'hidden' })
  assert.match(told, /may ask for: web-1/)
  assert.equal(say({ connection: 'nowhere' }), told)
  assert.equal(say({ connection: 'hidden', scope: { nonsense: 1 } }), told)
  assert.equal(say({ connection: 'hidden', rule: 'others:hidden' }), told)
  assert.equal(say({ connection: 'web-1', rule: 'unknown' }), told)
})

test('attacks 19, 20: groups and issuers match byte for byte', () => {
  const rules = policy([rule('sre-agents', db)])
  for (const group of [
    'SRE-Agents',
    'sre-agents ',
    'sre-agents\n',
    'sre-agents\u200b',
    'sre-\u0430gents',
    '*',
    '__proto__',
    '',
  ]) {
    no(asking([group], { connection: db }), rules, 'not_permitted')
  }
  no(
    asking([], { connection: db }, { identity: identity(['sre-agents'], { issuer: 'other' }) }),
    rules,
    'not_permitted',
  )
})

test('a client of people gets no grant, whatever its groups', () => {
  const person = identity(['analysts'], { client: '0oaPeople', kind: 'person' })
  const { denial } = no(
    asking([], { connection: db }, { identity: person }),
    policy([rule('analysts', db)]),
    'not_permitted',
  )
  assert.deepEqual(denial.facts, { may_ask_for: [] })
})

test('attack 55: two rules are never united; the first that gives all that was asked is taken whole', () => {
  const wide = rule('a', db, { id: 'wide', scope: scope({ tables: ['public.orders'] }), ttl: 60_000 })
  const masked = rule('b', db, { id: 'masked', scope: scope({ tables: ['public.items'], mask: ['email'] }) })
  const rules = policy([wide, masked])
  const ask = (request: Omit<GrantRequest, 'connection'>) =>
    yes(asking(['a', 'b'], { connection: db, ...request }), rules)
  assert.equal(ask({}).rule.id, 'wide')
  assert.equal(ask({ scope: { tables: ['public.items'] } }).rule.id, 'masked')
  assert.deepEqual(
    ask({ scope: { tables: ['public.items'] } }).scope,
    scope({ tables: ['public.items'], mask: ['email'] }),
  )
  const both = ask({ scope: { tables: ['public.orders', 'public.items'] } })
  assert.deepEqual(
    [both.rule.id, both.scope, both.narrowed],
    ['wide', scope({ tables: ['public.orders'] }), ['tables']],
  )
  assert.equal(ask({ ttl: 120_000 }).rule.id, 'masked')
  assert.equal(ask({ rule: 'masked' }).rule.id, 'masked')
})

test('attack 54: a rule that is named must be one of the own', () => {
  const rules = policy([rule('a', db, { id: 'mine' }), rule('b', db, { id: 'theirs' })])
  assert.equal(yes(asking(['a'], { connection: db, rule: 'mine' }), rules).rule.id, 'mine')
  for (const name of ['theirs', 'unknown', '', 'mine,theirs'])
    no(asking(['a'], { connection: db, rule: name }), rules, 'not_permitted')
})

test('the ceiling, the rule and the request all hold', () => {
  const connections = new Map([[db, connection(db, { ceiling: { max_rows: 100, mask: ['email'] } })]])
  const rules = policy([rule('a', db, { scope: scope({ max_rows: 500 }) })], { connections })
  const permit = yes(
    asking(['a'], { connection: db, scope: { tables: ['public.orders', 'public.secret'], max_rows: 1000 } }),
    rules,
  )
  assert.deepEqual(permit.scope, {
    statements: ['select'],
    tables: ['public.orders'],
    max_rows: 100,
    mask: ['email'],
  })
  assert.deepEqual(permit.narrowed, ['tables', 'max_rows'])
})

test('attack 53: an empty request is the rule itself, an empty list is nothing', () => {
  const rules = policy([rule('a', db)])
  assert.deepEqual(yes(asking(['a'], { connection: db, scope: {} }), rules).scope, scope())
  const { denial } = no(asking(['a'], { connection: db, scope: { tables: [] } }), rules, 'scope_empty')
  assert.match(sayOf(denial), /select on public\.orders, public\.items/)
  no(
    asking(['a'], { connection: db, scope: { tables: ['*', 'public.*', 'PUBLIC.ORDERS'] } }),
    rules,
    'scope_empty',
  )
})

test('attack 52: a scope of unknown keys or another form is refused, once a rule has matched', () => {
  const rules = policy([rule('a', db)])
  for (const asked of [
    null,
    'tables',
    [],
    ['select'],
    { shell: true },
    { tables: 'public.orders' },
    { tables: null },
    JSON.parse('{"__proto__":{"tables":[]}}'),
    { constructor: 1 },
  ]) {
    no(asking(['a'], { connection: db, scope: asked }), rules, 'request_invalid')
  }
})

test('attack 51: the grant ends with the token, and the answer says which clock ends it', () => {
  const rules = policy([rule('a', db)])
  const soon = { identity: identity(['a'], { expiresAt: now + 1_000 }) }
  const cut = yes(asking([], { connection: db, ttl: 300_000 }, soon), rules)
  assert.deepEqual([cut.ttl, cut.endsBy, cut.narrowed], [1_000, 'token', ['ttl']])
  assert.equal(yes(asking(['a'], { connection: db, ttl: 300_000 }), rules).endsBy, 'request')
  const long = yes(asking(['a'], { connection: db, ttl: 9e12 }), rules)
  assert.deepEqual([long.ttl, long.endsBy, long.narrowed], [600_000, 'rule', ['ttl']])
  const outlives = yes(asking([], { connection: db }, soon), policy([rule('a', db, { outliveToken: true })]))
  assert.deepEqual([outlives.ttl, outlives.endsBy], [600_000, 'rule'])
  for (const expiresAt of [now, now - 1])
    no(asking([], { connection: db }, { identity: identity(['a'], { expiresAt }) }), rules, 'token_expired')
})

test('a reason or a task that the rule requires must be stated, and blank is not stated', () => {
  const rules = policy([rule('a', db, { require: ['reason', 'task'] })])
  for (const stated of [{}, { reason: 'x' }, { task: 'x' }, { reason: ' \n', task: 'x' }]) {
    no(asking(['a'], { connection: db, ...stated }), rules, 'reason_required')
  }
  yes(asking(['a'], { connection: db, reason: 'disk alert', task: 'T-1' }), rules)
})

test('attack 25: where, when and through which client', () => {
  const at = (when: object, over: Partial<Asking> = {}) =>
    decide(asking(['a'], { connection: db }, over), policy([rule('a', db, { when })]))
  const unmet = (answer: unknown) =>
    assert.equal(answer instanceof Refused && answer.denial.code, 'condition_unmet')
  const met = (answer: unknown) => assert.ok(!(answer instanceof Refused))
  met(at({ clients: ['0oaAgent1'] }))
  unmet(at({ clients: ['0oaAgent2'] }))
  const source = ['10.0.0.0/8', '2001:db8::/32']
  for (const from of ['10.1.2.3', '::ffff:10.1.2.3', '::FFFF:10.1.2.3', '2001:db8::7', '2001:db8::7%eth0'])
    met(at({ source }, { source: from }))
  for (const from of [
    '11.1.2.3',
    '::ffff:11.1.2.3',
    '2001:db9::7',
    '10.1.2.3, 10.1.2.4',
    '010.1.2.3',
    '10.1',
    '',
    'localhost',
    '::10.1.2.3',
  ]) {
    unmet(at({ source }, { source: from }))
  }
  const hours = { days: [1, 2, 3, 4, 5], from: 8 * 60, to: 18 * 60, zone: 'Europe/Berlin' }
  const when = (text: string) => ({
    now: Date.parse(text),
    identity: identity(['a'], { expiresAt: Date.parse('2027-01-01') }),
  })
  for (const text of ['2026-03-02T07:00:00Z', '2026-03-02T16:59:59Z', '2026-07-01T06:00:00Z'])
    met(at({ hours }, when(text)))
  for (const text of [
    '2026-03-02T06:59:59Z',
    '2026-03-02T17:00:00Z',
    '2026-03-01T12:00:00Z',
    '2026-07-01T16:00:00Z',
  ])
    unmet(at({ hours }, when(text)))
  unmet(at({ clients: ['0oaAgent1'], source }, { source: '192.0.2.1' }))
})

test('a rule whose condition is not met leaves the next one its turn', () => {
  const rules = policy([
    rule('a', db, { id: 'day', when: { clients: ['x'] } }),
    rule('a', db, { id: 'always' }),
  ])
  assert.equal(yes(asking(['a'], { connection: db }), rules).rule.id, 'always')
})

test('approval goes along with the permit', () => {
  const approval = { group: 'dba', count: 2, within: 60_000 }
  assert.deepEqual(
    yes(asking(['a'], { connection: db }), policy([rule('a', db, { approval })])).approval,
    approval,
  )
})

test('what a token may ask for is one entry a rule, under the ceiling, and only what holds here and now', () => {
  const connections = new Map([
    [db, connection(db, { ceiling: { max_rows: 5 } })],
    ['web-1', connection('web-1', { protocol: 'ssh' })],
  ])
  const rules = policy(
    [
      rule('a', db, { require: ['reason'] }),
      rule('b', 'web-1'),
      rule('a', 'web-1', { when: { clients: ['x'] } }),
    ],
    { connections, protocols },
  )
  assert.deepEqual(reachable({ identity: identity(['a']), source: '127.0.0.1', now }, rules), [
    {
      connection: db,
      protocol: 'postgres',
      rule: 'a:orders-db',
      ttl: 600_000,
      scope: scope({ max_rows: 5 }),
      approval: false,
      require: ['reason'],
    },
  ])
})
