import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { type Leased, Secret } from '../config/secret.ts'
import { arrived, carry } from './lease.ts'

const lease = {
  user: 'app_ro',
  keyboard_interactive: true,
  admin: { user: 'minter', password: new Secret('inner-secret\n') },
  list: [new Secret('listed'), 'plain'],
  absent: undefined,
} as Leased<object>

test('a lease arrives as it was, its secrets shut again', () => {
  const there = arrived(structuredClone(carry(lease))) as typeof lease & {
    admin: { password: Secret }
    list: [Secret, string]
  }
  assert.equal(there.admin.password.reveal(), 'inner-secret\n')
  assert.equal(there.list[0].reveal(), 'listed')
  assert.ok(!`${inspect(there, { depth: 9 })}${JSON.stringify(there)}`.includes('inner-secret'))
  assert.deepEqual(
    { ...there, admin: undefined, list: undefined },
    { user: 'app_ro', keyboard_interactive: true, admin: undefined, list: undefined, absent: undefined },
  )
})
