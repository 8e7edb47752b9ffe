import assert from 'node:assert/strict'
import { test } from 'node:test'
import { advertiseSchema } from './listen.ts'
import { configSchema } from './schema.ts'
import { twoProtocols } from './two-protocols.fixture.ts'

const [stream, request] = [...twoProtocols.values()].map((protocol, at) =>
  at === 0 ? protocol : { ...protocol, name: 'http-like', requests: true as const },
)

test('a protocol of the http listener has no port of its own to list or to advertise', () => {
  assert.ok(stream && request)
  const { listen, advertise } = configSchema([stream, request]).shape
  const own = stream.name
  assert.ok(listen.safeParse({ http: '127.0.0.1:1', [own]: '127.0.0.1:2' }).success)
  assert.ok(!listen.safeParse({ http: '127.0.0.1:1', 'http-like': '127.0.0.1:2' }).success)
  assert.ok(advertise.safeParse({ [own]: 'db.example.com:1' }).success)
  assert.ok(!advertise.safeParse({ 'http-like': 'api.example.com:1' }).success)
  assert.ok(advertise.safeParse('gateway.example.com').success)
  assert.ok(advertiseSchema([own]).safeParse('gateway.example.com').success)
})
