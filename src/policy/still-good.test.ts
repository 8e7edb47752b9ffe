import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refused, refuse } from '../denial.ts'
import { decide } from './decide.ts'
import { grantOf } from './grant.fixture.ts'
import { asking, now, policy, rule } from './policy.fixture.ts'
import { type Beginning, stillGood } from './still-good.ts'

const rules = policy([rule('a', 'orders-db')])
const asked = asking(['a'], { connection: 'orders-db' })
const permit = decide(asked, rules)
assert.ok(!(permit instanceof Refused))
const good: Beginning = {
  grant: grantOf(asked, permit),
  source: '127.0.0.1',
  now,
  policy: rules,
  draining: false,
}

const answer = (over: Partial<Beginning>) => {
  const said = stillGood({ ...good, ...over })
  return said instanceof Refused ? said.denial.code : said
}

test('what holds, begins', () => assert.equal(answer({}), true))

test('nothing begins in a gateway that stops', () =>
  assert.equal(answer({ draining: true }), 'shutting_down'))

test('nor for a grant that ended meanwhile, or that the rules of now do not give from there', () => {
  assert.equal(answer({ grant: refuse('locked', 'a lock') }), 'locked')
  assert.equal(answer({ policy: policy([]) }), 'grant_revoked')
  const inside = policy([rule('a', 'orders-db', { when: { source: ['10.0.0.0/8'] } })])
  assert.equal(answer({ policy: inside }), 'condition_unmet')
  assert.equal(answer({ policy: inside, source: '10.1.1.1' }), true)
})
