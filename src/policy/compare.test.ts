import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Config, IssuerConfig, Rule } from '../config/config.ts'
import { compareRules } from './compare.ts'
import { connection, issuer, policy, protocols, rule, scope } from './policy.fixture.ts'
import { compareSurroundings } from './surroundings.ts'

const db = 'orders-db'
const said = (old: readonly Rule[], now: readonly Rule[]) =>
  compareRules(policy(old), policy(now), protocols).map(
    ({ effect, group, connection, what }) => `${group} ${effect} ${connection}: ${what}`,
  )
const changed = (before: Partial<Rule>, after: Partial<Rule>) =>
  said([rule('a', db, before)], [rule('a', db, after)])

test('nothing changed is nothing said', () => {
  assert.deepEqual(said([rule('a', db), rule('b', 'web-1')], [rule('a', db), rule('b', 'web-1')]), [])
})

test('a rule that comes or goes, or is for somebody else now, is gained and lost', () => {
  assert.deepEqual(said([], [rule('a', db)]), [
    'a gains orders-db: may have it: select on public.orders, public.items, for 10m',
  ])
  assert.deepEqual(said([rule('a', db)], []), [
    'a loses orders-db: no longer: select on public.orders, public.items, for 10m',
  ])
  assert.deepEqual(
    said([rule('a', db, { id: 'r' })], [rule('b', db, { id: 'r' })]).map(text => text.slice(0, 7)),
    ['b gains', 'a loses'],
  )
})

test('a scope is wider, narrower, or another; the order of a list is nothing', () => {
  const orders = scope({ tables: ['public.orders'] })
  const items = scope({ tables: ['public.items'] })
  const both = scope()
  assert.deepEqual(changed({ scope: orders }, { scope: both }), [
    'a gains orders-db: scope wider: select on public.orders -> select on public.orders, public.items',
  ])
  assert.deepEqual(changed({ scope: both }, { scope: orders }), [
    'a loses orders-db: scope narrower: select on public.orders, public.items -> select on public.orders',
  ])
  assert.deepEqual(changed({ scope: orders }, { scope: items }), [
    'a changes orders-db: scope other: select on public.orders -> select on public.items',
  ])
  assert.deepEqual(
    changed({ scope: both }, { scope: scope({ tables: ['public.items', 'public.orders'] }) }),
    [],
  )
  assert.match(changed({ scope: scope({ mask: ['email'] }) }, { scope: both })[0] ?? '', /a gains/)
})

test('a ceiling narrows every rule on its connection', () => {
  const under = policy([rule('a', db)], {
    connections: new Map([[db, connection(db, { ceiling: { tables: ['public.orders'] } })]]),
  })
  const [first] = compareRules(policy([rule('a', db)]), under, protocols)
  assert.equal(first?.effect, 'loses')
})

test('time, conditions, requirements and approval each say who wins', () => {
  const approval = { group: 'dba', count: 1, within: 600_000 }
  const when = { clients: ['x'] }
  assert.deepEqual(changed({}, { ttl: 1_200_000 }), ['a gains orders-db: ttl 10m -> 20m'])
  assert.deepEqual(changed({}, { ttl: 60_000 }), ['a loses orders-db: ttl 10m -> 1m'])
  assert.deepEqual(changed({}, { approval }), ['a loses orders-db: approval: none -> 1 of dba within 10m'])
  assert.deepEqual(changed({ approval }, {}), ['a gains orders-db: approval: 1 of dba within 10m -> none'])
  assert.deepEqual(changed({ when }, { when: { source: ['10.0.0.0/8'] } }), [
    'a changes orders-db: condition: clients x -> from 10.0.0.0/8',
  ])
  assert.deepEqual(changed({}, { require: ['reason'] }), ['a loses orders-db: must state a reason'])
  assert.deepEqual(changed({ outliveToken: true }, {}), ['a loses orders-db: outlive_token true -> false'])
  assert.deepEqual(changed({}, { sessions: { atOnce: 10, total: 1 } }), [
    'a loses orders-db: any number of -> 1 sessions in all',
  ])
})

test('moving a rule before another one for the same connection is a change', () => {
  const [one, two] = [rule('a', db, { id: 'one' }), rule('b', db, { id: 'two' })]
  assert.deepEqual(said([one, two], [two, one]), [
    'b changes orders-db: the first rule that fits is used, and their order changes: one, two -> two, one',
  ])
  assert.deepEqual(said([one, rule('c', 'web-1'), two], [rule('c', 'web-1'), one, two]), [])
})

test('what changes around the rules is said too, and a lease without its value', () => {
  const side = (
    over: Partial<IssuerConfig>,
    to: object,
  ): Pick<Config, 'issuers' | 'connections' | 'people'> => ({
    issuers: new Map([['okta', issuer(over)]]),
    connections: new Map([[db, connection(db, to)]]),
  })
  const old = side({}, { lease: { user: 'ro', password: 'env:OLD' } })
  const now = side(
    { clientGroups: new Map([['0oa2', ['sre']]]), audience: ['api://b'] },
    { lease: { user: 'rw', password: 'env:NEW' }, target: { host: 'b' } },
  )
  assert.deepEqual(compareSurroundings(old, old), [])
  const told = compareSurroundings(old, {
    ...now,
    people: { issuers: ['okta'], clients: ['0oaP'], operators: [], auditors: [] },
  })
  assert.deepEqual(told.slice(0, 3), [
    'issuer okta: audience ["api://postern"] -> ["api://b"]',
    'issuer okta: client_groups of 0oa2 none -> ["sre"]',
    'connection orders-db: target {} -> {"host":"b"}',
  ])
  assert.match(told.join('\n'), /people\.clients none -> \["0oaP"\]/)
  assert.doesNotMatch(told.join('\n'), /env:/)
})
