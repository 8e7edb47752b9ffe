import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestCall } from './calls.ts'

const { input } = requestCall({ judge: () => assert.fail('nothing is judged here') })
const read = (headers: Record<string, string>) =>
  input.safeParse({ method: 'POST', path: '/x', headers, body: 'a=1' })

test('a header of a one-shot stands there once, in whatever spelling', () => {
  assert.ok(read({ 'content-type': 'application/json', accept: '*/*' }).success)
  const twice = read({ 'content-type': 'application/json', 'Content-Type': 'text/xml' })
  assert.equal(twice.error?.issues[0]?.message, 'a header stands there once, in one spelling')
  assert.ok(!read({ 'X-A': '1', 'x-a': '2' }).success)
})
