import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatHostPort, hostOf, isEverywhere, isLoopback, parseHostPort } from './address.ts'

test('hosts and ports are read and written alike', () => {
  for (const text of [
    '127.0.0.1:8600',
    '[::1]:8600',
    'db.example.com:5432',
    'localhost:1',
    '0.0.0.0:65535',
  ]) {
    const parsed = parseHostPort(text)
    assert.ok(parsed, text)
    assert.equal(formatHostPort(parsed), text)
  }
})

for (const text of [
  '',
  ':80',
  '80',
  '*:80',
  '127.0.0.1',
  '127.0.0.1:',
  '127.0.0.1:0',
  '127.0.0.1:080',
  '127.0.0.1:65536',
  '::1:80',
  '[::1:80',
  '[127.0.0.1]:80',
  '127.1:80',
  '10.0.0.300:80',
  '0x7f.1:80 ',
  'a b:80',
  'a_b:80',
  '-a:80',
  'a..b:80',
  'a:80\n',
  'http://a:80',
  `${'a'.repeat(64)}:1`,
]) {
  test(`${JSON.stringify(text)} is no address`, () => {
    assert.equal(parseHostPort(text), undefined)
  })
}

test('loopback is this machine and nothing that looks like it', () => {
  for (const host of ['localhost', '127.0.0.1', '127.255.0.9', '::1']) assert.ok(isLoopback(host), host)
  for (const host of [
    '127.evil.com',
    '127.0.0.1.evil.com',
    'localhost.evil.com',
    '10.0.0.1',
    '0.0.0.0',
    '::',
    '127.1',
  ])
    assert.ok(!isLoopback(host), host)
})

test('everywhere is no address to be told', () => {
  for (const host of ['0.0.0.0', '::', '0:0::0']) assert.ok(isEverywhere(host), host)
  for (const host of ['127.0.0.1', '::1', 'a.example']) assert.ok(!isEverywhere(host), host)
})

test("a URL's host is an address again", () => {
  assert.equal(hostOf(new URL('https://[2001:db8::7]:8600')), '2001:db8::7')
  assert.equal(hostOf(new URL('https://a.example')), 'a.example')
})
