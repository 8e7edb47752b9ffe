import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostsOf, isForUs } from './host.ts'

const hosts = hostsOf(new URL('https://postern.example.com'), { host: '127.0.0.1', port: 8600 })

for (const [host, origin, ours] of [
  ['postern.example.com', undefined, true],
  ['POSTERN.example.com', undefined, true],
  ['127.0.0.1:8600', undefined, true],
  ['localhost:8600', 'http://localhost:8600', true],
  ['[::1]:8600', undefined, true],
  [undefined, undefined, false],
  ['', undefined, false],
  ['127.0.0.1', undefined, false],
  ['127.0.0.1:8601', undefined, false],
  ['evil.example:8600', undefined, false],
  ['postern.example.com.evil.example', undefined, false],
  ['user@postern.example.com', undefined, false],
  ['127.0.0.1:8600', 'http://evil.example', false],
  ['127.0.0.1:8600', 'null', false],
  ['127.0.0.1:8600', 'not a url', false],
] as const) {
  test(`Host ${String(host)} with Origin ${String(origin)} is ${ours ? 'ours' : 'refused'}`, () => {
    assert.equal(isForUs(host, origin, hosts), ours)
  })
}

test('off loopback no loopback name is ours', () => {
  const far = hostsOf(new URL('https://postern.example.com'), { host: '10.0.0.1', port: 8600 })
  assert.equal(isForUs('localhost:8600', undefined, far), false)
})
