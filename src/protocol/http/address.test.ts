import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refused } from '../../denial.ts'
import { mayDial, pinAddress } from './address.ts'
import { httpUrl, lease, target } from './dial.ts'

test('a name leads to no metadata service, no link-local address and not to loopback (attack 147)', () => {
  for (const address of [
    ...['169.254.169.254', '169.254.0.1', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '64:ff9b::a9fe:a9fe'],
    ...[
      'fe80::1',
      'fe80::1%eth0',
      'febf::1',
      'fd00:ec2::254',
      '100.100.100.200',
      '0.0.0.0',
      '::',
      '224.0.0.1',
      'ff02::1',
    ],
    ...['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', 'not an address', ''],
  ])
    assert.equal(mayDial(address, false), false, address)
  for (const address of [
    '10.0.0.1',
    '192.168.1.1',
    '93.184.216.34',
    '2001:db8::1',
    'fd00::1',
    '::ffff:10.0.0.1',
  ])
    assert.equal(mayDial(address, false), true, address)
  assert.equal(mayDial('127.0.0.1', true), true)
  assert.equal(mayDial('169.254.169.254', true), false)
})

test('what is dialled is what was judged: the first good address of a name, or the one that is spelled', async () => {
  const named =
    (...addresses: string[]) =>
    async () =>
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
  assert.deepEqual(await pinAddress('api.example', named('169.254.169.254', '10.0.0.1')), {
    address: '10.0.0.1',
    family: 4,
  })
  assert.ok((await pinAddress('api.example', named('127.0.0.1', '::1'))) instanceof Refused)
  assert.ok((await pinAddress('api.example', named())) instanceof Refused)
  assert.deepEqual(await pinAddress('localhost', named('127.0.0.1')), { address: '127.0.0.1', family: 4 })
  assert.deepEqual(await pinAddress('169.254.169.254', named('10.0.0.1')), {
    address: '169.254.169.254',
    family: 4,
  })
  assert.deepEqual(await pinAddress('::1'), { address: '::1', family: 6 })
  const lost = await pinAddress('api.example', () =>
    Promise.reject(Object.assign(new Error(), { code: 'ENOTFOUND' })),
  )
  assert.ok(lost instanceof Refused && lost.denial.code === 'upstream_unreachable')
})

test('a target is a URL that says where and nothing else', () => {
  for (const url of ['https://a.example', 'http://127.0.0.1:8080/api/v1', 'https://[::1]:8443/'])
    assert.ok(httpUrl.safeParse(url).success, url)
  for (const url of [
    'ftp://a',
    'https://u:p@a',
    'https://a?x',
    'https://a/#x',
    'a.example',
    'https://a/%2e',
    'https://a//b',
    'https://a/;x',
    'file:///etc',
  ])
    assert.ok(!httpUrl.safeParse(url).success, url)
  assert.ok(!target.safeParse({ url: 'https://a', other: 1 }).success)
})

test('a lease has one of four forms', () => {
  for (const form of [
    { bearer: 'env:T' },
    { header: 'X-Api-Key', value: 'env:T' },
    { header: 'Cookie', value: 'env:T' },
    { user: 'u', password: 'env:T' },
    { client_certificate: 'file:/c.pem', client_key: 'file:/k.pem' },
  ])
    assert.ok(lease.safeParse(form).success, JSON.stringify(form))
  for (const form of [
    { bearer: 'sk-123' },
    { bearer: 'env:T', user: 'u' },
    { header: 'Host', value: 'env:T' },
    { header: 'Transfer-Encoding', value: 'env:T' },
    { header: 'X-A: b', value: 'env:T' },
    { user: 'a:b', password: 'env:T' },
    { client_certificate: 'file:/c.pem' },
    {},
  ])
    assert.ok(!lease.safeParse(form).success, JSON.stringify(form))
})
