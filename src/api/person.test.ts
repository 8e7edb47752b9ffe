import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refused } from '../denial.ts'
import type { Identity } from '../words.ts'
import { checkPerson, type Role } from './person.ts'

const people = { issuers: ['okta'], clients: ['console'], operators: ['ops'], auditors: ['aud'] }
const identity = (kind: Identity['kind'], groups: string[]): Identity => ({
  issuer: 'okta',
  subject: 'ann@example.com',
  client: 'console',
  kind,
  groups,
  actors: [],
  tokenDigest: '',
  expiresAt: 0,
})

for (const [kind, groups, role, allowed] of [
  ['person', ['ops'], 'operators', true],
  ['person', ['ops'], 'auditors', true],
  ['person', ['aud'], 'auditors', true],
  ['person', ['aud'], 'operators', false],
  ['person', [], 'auditors', false],
  ['person', ['OPS', 'ops ', 'op'], 'operators', false],
  ['agent', ['ops', 'aud'], 'auditors', false],
  ['agent', ['ops'], 'operators', false],
] as const) {
  test(`${kind} in [${groups}] ${allowed ? 'may' : 'may not'} make a call for ${role}`, () => {
    const answer = checkPerson(identity(kind, [...groups]), role as Role, people)
    assert.equal(answer === true, allowed)
    if (answer instanceof Refused) assert.equal(answer.denial.code, 'not_permitted')
  })
}

test('without people nobody may', () => {
  assert.ok(checkPerson(identity('person', ['ops']), 'operators', undefined) instanceof Refused)
})
