import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AwsKey, type Signable, signature } from './sigv4.ts'

const key: AwsKey = {
  keyId: 'AKIDEXAMPLE',
  secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
  service: 'service',
  unsignedPayload: false,
}
const at = Date.UTC(2015, 7, 30, 12, 36, 0)
const signed = (request: Partial<Signable>, more: Partial<AwsKey> = {}, now = at) => {
  const whole = { method: 'GET', path: '/', host: 'example.amazonaws.com', headers: [], body: undefined }
  const set = signature({ ...whole, ...request }, { ...key, ...more }, now)
  return Object.fromEntries(set.flatMap((name, i) => (i % 2 === 0 ? [[name, set[i + 1] ?? '']] : [])))
}
const by = (set: Record<string, string>) => /Signature=([0-9a-f]{64})$/.exec(set['authorization'] ?? '')?.[1]

test("AWS's published test suite", () => {
  const form = ['content-type', 'application/x-www-form-urlencoded']
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  const suite: readonly [string, Partial<Signable>, string][] = [
    ['get-vanilla', {}, '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    ['post-vanilla', { method: 'POST' }, '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
    [
      'get-vanilla-query-order-key-case',
      { path: '/?Param2=value2&Param1=value1' },
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
    [
      'get-vanilla-query',
      { path: '/?Param1=value1' },
      'a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb',
    ],
    [
      'get-unreserved',
      { path: `/-._~0123456789${letters}` },
      '07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f',
    ],
    [
      'post-x-www-form-urlencoded',
      { method: 'POST', headers: form, body: Buffer.from('Param1=value1') },
      'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
    ],
    [
      'get-vanilla-utf8-query',
      { path: '/?%E1%88%B4=bar' },
      '2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04',
    ],
  ]
  for (const [name, request, want] of suite) assert.equal(by(signed(request)), want, name)
})

test('what is signed is all that AWS reads: another of any of it is another signature', () => {
  const base = { method: 'POST', path: '/a?x=1', headers: ['x-amz-target', 'T.Get'], body: Buffer.from('{}') }
  const seen = new Set([by(signed(base))])
  const others: readonly [Partial<Signable>, Partial<AwsKey>, number][] = [
    [{ method: 'PUT' }, {}, at],
    [{ path: '/b?x=1' }, {}, at],
    [{ path: '/a?x=2' }, {}, at],
    [{ headers: ['x-amz-target', 'T.Put'] }, {}, at],
    [{ headers: [] }, {}, at],
    [{ headers: [...base.headers, 'content-type', 'a/b'] }, {}, at],
    [{ body: Buffer.from('{"a":1}') }, {}, at],
    [{ host: 'other.amazonaws.com' }, {}, at],
    [{}, { region: 'eu-west-1' }, at],
    [{}, { service: 's3' }, at],
    [{}, { secret: 'another' }, at],
    [{}, { sessionToken: 't' }, at],
    [{}, { unsignedPayload: true }, at],
    [{}, {}, at + 1000],
  ]
  for (const [request, more, now] of others) seen.add(by(signed({ ...base, ...request }, more, now)))
  assert.equal(seen.size, 15)
  assert.equal(by(signed({ ...base, headers: [...base.headers, 'accept', 'a/b'] })), by(signed(base)))
})

test('S3 has its path encoded once and is told the hash of the body, or that there is none', () => {
  const s3 = { service: 's3' }
  assert.equal(by(signed({ path: '/a%21b' }, s3)), by(signed({ path: '/a!b' }, s3)))
  assert.notEqual(by(signed({ path: '/a%21b' })), by(signed({ path: '/a!b' })))
  assert.match(signed({}, s3)['x-amz-content-sha256'] ?? '', /^e3b0c442/)
  assert.equal(signed({}, { ...s3, unsignedPayload: true })['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD')
  assert.equal(signed({}, { sessionToken: 'tok' })['x-amz-security-token'], 'tok')
  assert.equal(signed({})['x-amz-date'], '20150830T123600Z')
})
