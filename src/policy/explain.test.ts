import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explain, explanationInWords } from './explain.ts'
import { asking, identity, policy, rule, scope } from './policy.fixture.ts'

const db = 'orders-db'

test('a yes names the rule, the scope, the time and what ends it', () => {
  const told = explain(asking(['a'], { connection: db, ttl: 60_000 }), policy([rule('a', db)]))
  assert.deepEqual(
    { ...told, steps: [] },
    {
      decision: 'yes',
      rule: 'a:orders-db',
      scope: scope(),
      narrowed: [],
      ttl: '1m',
      ends_by: 'request',
      steps: [],
    },
  )
  assert.match(
    explanationInWords(told).join('\n'),
    /^YES by rule a:orders-db[\s\S]*\+ rule a:orders-db yes: select on public\.orders/,
  )
})

test('a no names every rule for the connection and what is in the way of it', () => {
  const rules = policy([rule('a', db, { when: { clients: ['x'] } }), rule('b', db), rule('a', 'web-1')])
  const told = explain(asking(['a'], { connection: db }), rules)
  assert.deepEqual([told.decision, told.code], ['no', 'condition_unmet'])
  const words = explanationInWords(told).join('\n')
  assert.match(words, /rule b:orders-db is for group "b", which this token does not have/)
  assert.match(words, /rule a:orders-db no, condition_unmet/)
})

test("a group that only looks like the rule's is pointed out", () => {
  const told = explain(asking(['SRE-Agents '], { connection: db }), policy([rule('sre-agents', db)]))
  assert.equal(told.code, 'not_permitted')
  assert.match(JSON.stringify(told.steps), /looks like it, but groups match byte for byte/)
})

test("an unknown connection and a person's client are told to the operator", () => {
  assert.match(
    JSON.stringify(explain(asking(['a'], { connection: 'nope' }), policy([])).steps),
    /there is no connection nope/,
  )
  const person = { identity: identity(['a'], { client: '0oaPeople' }) }
  assert.match(
    JSON.stringify(explain(asking([], { connection: db }, person), policy([rule('a', db)])).steps),
    /people\.clients, which never get grants/,
  )
})
