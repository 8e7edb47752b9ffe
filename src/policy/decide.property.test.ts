/** For any policy and any request: never more than the ceiling, the rule and the request; never more for others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Rule } from '../config/config.ts'
import { Refused } from '../denial.ts'
import { confirm } from './confirm.ts'
import { decide } from './decide.ts'
import { grantOf } from './grant.fixture.ts'
import type { Asking, Policy } from './permit.ts'
import { asking, connection, identity, now, policy, rule, type TableScope, tables } from './policy.fixture.ts'

const some = <T>(...of: T[]) => fc.subarray(of)
const keys = {
  statements: some('select', 'insert', 'delete'),
  tables: some('public.orders', 'public.items', 'hr.salaries'),
  max_rows: fc.option(fc.integer({ min: 1, max: 9 })),
  mask: some('email', 'name'),
}
const scopes = fc.record(keys)
const limits = fc.option(fc.record(keys, { requiredKeys: [] }), { nil: undefined })
const names = fc.constantFrom('orders-db', 'hidden')
const groups = ['a', 'b', 'c']

const rules = fc
  .array(
    fc.record({
      group: fc.constantFrom(...groups),
      connection: names,
      issuer: fc.constantFrom('okta', 'other'),
      scope: scopes,
      ttl: fc.integer({ min: 1, max: 100 }),
      outliveToken: fc.boolean(),
    }),
    { maxLength: 8 },
  )
  .map(list =>
    list.map(({ group, connection: name, ...over }, n) => rule(group, name, { ...over, id: `r${n}` })),
  )

const policies = fc.record({ rules, ceiling: limits }).map(({ rules, ceiling }) =>
  policy(rules, {
    connections: new Map(['orders-db', 'hidden'].map(name => [name, connection(name, { ceiling })])),
  }),
)

const requests = fc.record(
  {
    connection: names,
    scope: limits,
    ttl: fc.integer({ min: 1, max: 200 }),
    rule: fc.constantFrom('r0', 'r1', 'r7'),
  },
  { requiredKeys: ['connection'] },
)

const askings: fc.Arbitrary<Asking> = fc
  .record({ held: some(...groups), request: requests, left: fc.integer({ min: -5, max: 150 }) })
  .map(({ held, request, left }) =>
    asking([], request, { identity: identity(held, { expiresAt: now + left }) }),
  )

/** The first allows nothing that the second does not. Spelt out here, not by `meet`, which is under test. */
function within(one: Partial<TableScope>, other: Partial<TableScope>): boolean {
  const subset = (key: 'statements' | 'tables') =>
    other[key] === undefined || (one[key] ?? []).every(each => other[key]?.includes(each))
  const rows = other.max_rows == null || (one.max_rows != null && one.max_rows <= other.max_rows)
  return (
    subset('statements') &&
    subset('tables') &&
    rows &&
    (other.mask ?? []).every(each => one.mask?.includes(each))
  )
}

test('a permit is within the ceiling, its rule and the request, and lives no longer than any of its clocks', () => {
  fc.assert(
    fc.property(policies, askings, (rules, asked) => {
      const permit = decide(asked, rules)
      if (permit instanceof Refused) return
      const { rule, scope, connection, ttl, expiresAt } = permit
      assert.ok(
        rules.rules.includes(rule) &&
          asked.identity.groups.includes(rule.group) &&
          rule.issuer === asked.identity.issuer,
      )
      assert.equal(connection.name, asked.request.connection)
      assert.equal(rule.connection, connection.name)
      for (const bound of [
        rule.scope,
        connection.ceiling ?? {},
        asked.request.scope ?? {},
      ] as Partial<TableScope>[])
        assert.ok(within(scope as unknown as TableScope, bound))
      assert.ok(!tables.isEmpty(scope as unknown as TableScope))
      assert.ok(ttl > 0 && ttl <= rule.ttl && ttl <= (asked.request.ttl ?? ttl) && expiresAt === now + ttl)
      assert.ok(rule.outliveToken || expiresAt <= asked.identity.expiresAt)
    }),
    { numRuns: 500 },
  )
})

test('what was not cut is there: without `narrowed`, all that was asked is given', () => {
  fc.assert(
    fc.property(policies, askings, (rules, asked) => {
      const permit = decide(asked, rules)
      if (permit instanceof Refused || permit.narrowed.length > 0) return
      const { statements, tables } = (asked.request.scope ?? {}) as Partial<TableScope>
      const scope = permit.scope as unknown as TableScope
      assert.deepEqual(
        [statements ?? scope.statements, tables ?? scope.tables],
        [scope.statements, scope.tables],
      )
      assert.equal(asked.request.ttl ?? permit.ttl, permit.ttl)
    }),
    { numRuns: 500 },
  )
})

test('a rule of another group or issuer, anywhere in the file, changes no answer', () => {
  const strangers = fc.record({
    at: fc.nat(8),
    group: fc.constantFrom('d', 'A', 'a '),
    connection: names,
    scope: scopes,
  })
  fc.assert(
    fc.property(policies, askings, strangers, (rules, asked, { at, group, connection, scope }) => {
      const more: Rule[] = [...rules.rules]
      more.splice(at, 0, rule(group, connection, { id: 'stranger', scope }))
      assert.deepEqual(decide(asked, { ...rules, rules: more }), decide(asked, rules))
    }),
    { numRuns: 300 },
  )
})

test('what was just permitted is confirmed, and stays so when rules are added after it', () => {
  fc.assert(
    fc.property(policies, askings, rules, (rules, asked, added) => {
      const permit = decide(asked, rules)
      if (permit instanceof Refused) return
      const grant = grantOf(asked, permit)
      const more: Policy = {
        ...rules,
        rules: [...rules.rules, ...added.map(one => ({ ...one, id: `new-${one.id}` }))],
      }
      const answer = confirm(grant, asked.source, now, more)
      assert.ok(!(answer instanceof Refused), answer instanceof Refused ? answer.denial.detail : '')
      assert.deepEqual(answer.scope, grant.scope)
    }),
    { numRuns: 300 },
  )
})

test('a grant is confirmed only where the rule of today would give all of it', () => {
  fc.assert(
    fc.property(policies, askings, scopes, limits, (rules, asked, scope, ceiling) => {
      const permit = decide(asked, rules)
      if (permit instanceof Refused) return
      const grant = grantOf(asked, permit)
      const changed: Policy = {
        ...rules,
        rules: rules.rules.map(one => (one.id === permit.rule.id ? { ...one, scope } : one)),
        connections: new Map(
          [...rules.connections.keys()].map(name => [name, connection(name, { ceiling })]),
        ),
      }
      const answer = confirm(grant, asked.source, now, changed)
      if (answer instanceof Refused) assert.equal(answer.denial.code, 'grant_revoked')
      else
        for (const bound of [scope, ceiling ?? {}])
          assert.ok(within(grant.scope as unknown as TableScope, bound))
    }),
    { numRuns: 500 },
  )
})
