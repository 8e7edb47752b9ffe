import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countedAs, originOf } from './source.ts'

const origins: readonly (readonly [remote: string, source: string, loopback: boolean])[] = [
  ['127.0.0.1', '127.0.0.1', true],
  ['127.9.9.9', '127.9.9.9', true],
  ['::ffff:127.0.0.1', '127.0.0.1', true],
  ['::FFFF:10.0.0.7', '10.0.0.7', false],
  ['::1', '::1', true],
  ['10.127.0.1', '10.127.0.1', false],
  ['fe80::1%eth0', 'fe80::1', false],
  ['2001:db8::7', '2001:db8::7', false],
]

for (const [remote, source, loopback] of origins) {
  test(`a client at ${remote} comes from ${source}`, () => {
    assert.deepEqual(originOf(remote), { source, loopback })
  })
}

test('a socket that is gone comes from nowhere', () => {
  assert.equal(originOf(undefined), undefined)
})

test("all of an IPv6 client's addresses count as one", () => {
  assert.equal(countedAs('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.equal(countedAs('2001:db8:1:2::9'), countedAs('2001:0db8:1:2:ffff::'))
  assert.equal(countedAs('2001:db8::9'), '2001:db8:0:0::/64')
  assert.equal(countedAs('::1'), '0:0:0:0::/64')
  assert.equal(countedAs('10.0.0.7'), '10.0.0.7')
})
