/** Forms and defaults that a configuration may use beside those of DESIGN.md's sample. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Config } from './config.ts'
import { type Loaded, parseConfig } from './parse.ts'
import { sample } from './sample.fixture.ts'
import { twoProtocols } from './two-protocols.fixture.ts'

const read = (text: string): Loaded => parseConfig(Buffer.from(text), '/etc/postern.yaml', twoProtocols)

const smallest = `listen: { http: "127.0.0.1:8600", postgres: "0.0.0.0:5432" }
issuers: { okta: { issuer: "http://127.0.0.1:9/x", audience: [a, b] } }
connections:
rules:
`

test('an empty policy is a policy: it starts and refuses everything', () => {
  const { config } = read(smallest)
  assert.deepEqual(config.rules, [])
  assert.equal(config.connections.size, 0)
  assert.equal(config.people, undefined)
  assert.equal(config.data, '/etc/data')
  assert.deepEqual(config.limits, { grants: 16, requestsPerSecond: 50 })
  const okta = config.issuers.get('okta')
  assert.deepEqual(okta?.audience, ['a', 'b'])
  assert.deepEqual(
    [okta?.groupsClaim, okta?.algorithms, okta?.dpop, okta?.clockTolerance],
    ['groups', ['RS256'], 'optional', 5000],
  )
})

test('a small policy may also be one line of JSON', () => {
  assert.equal(
    read('{"listen":{"http":"localhost:1"},"issuers":{"a":{"issuer":"https://a.example","audience":"x"}}}')
      .config.publicUrl.href,
    'http://localhost:1/',
  )
})

const addresses: readonly (readonly [
  listen: string,
  more: string,
  url: string,
  advertised: Config['advertise'] | undefined,
])[] = [
  ['{ http: 127.0.0.1:8600 }', '', 'http://127.0.0.1:8600/', new Map()],
  ['{ http: "[::1]:8600" }', '', 'http://[::1]:8600/', new Map()],
  ['{ http: 10.0.0.1:8600 }', '', 'https://10.0.0.1:8600/', new Map()],
  ['{ http: 10.0.0.1:8600, insecure: true }', '', 'http://10.0.0.1:8600/', new Map()],
  [
    '{ ssh: 127.0.0.1:22 }',
    'public_url: https://p.example\n',
    'https://p.example/',
    new Map([['ssh', { host: '127.0.0.1', port: 22 }]]),
  ],
  [
    '{ ssh: 0.0.0.0:22 }',
    'public_url: https://p.example\n',
    'https://p.example/',
    new Map([['ssh', { host: 'p.example', port: 22 }]]),
  ],
  [
    '{ http: 127.0.0.1:1, ssh: 127.0.0.1:22 }',
    'advertise: 127.0.0.1\n',
    'http://127.0.0.1:1/',
    new Map([['ssh', { host: '127.0.0.1', port: 22 }]]),
  ],
  [
    '{ http: 127.0.0.1:1, ssh: "[::]:22" }',
    'advertise: gw.example\n',
    'http://127.0.0.1:1/',
    new Map([['ssh', { host: 'gw.example', port: 22 }]]),
  ],
  [
    '{ http: 127.0.0.1:1, ssh: "[::]:22" }',
    'advertise: { ssh: "gw.example:2222" }\n',
    'http://127.0.0.1:1/',
    new Map([['ssh', { host: 'gw.example', port: 2222 }]]),
  ],
]

for (const [listen, more, url, advertised] of addresses) {
  test(`listen: ${listen} ${more.trim()} is told as ${url}`, () => {
    const { config } = read(
      `${more}listen: ${listen}\nissuers: { a: { issuer: "https://a.example", audience: x } }\n`,
    )
    assert.equal(config.publicUrl.href, url)
    assert.deepEqual(config.advertise, advertised)
  })
}

test('NO, off and 12:30 are texts, as YAML 1.2 has them', () => {
  const { config } = read(
    sample
      .replace('group: sre-agents,', 'group: NO,')
      .replace('database: orders', 'database: off')
      .replace('user: deploy', 'user: 12:30'),
  )
  assert.equal(config.rules[0]?.group, 'NO')
  assert.equal(JSON.parse(JSON.stringify(config.connections.get('orders-db'))).target.database, 'off')
  assert.equal(JSON.parse(JSON.stringify(config.connections.get('web-1'))).lease.user, '12:30')
})

test("an operator's own certificate is referred to, its key never read", () => {
  const { config, files } = read(
    sample.replace('tls: auto', 'tls: { cert: file:tls/cert.pem, key: file:/run/key.pem }'),
  )
  assert.deepEqual(JSON.parse(JSON.stringify(config.listen.tls)), {
    cert: '/etc/tls/cert.pem',
    key: { ref: 'file:/run/key.pem' },
  })
  assert.deepEqual(files.slice(0, 2), [
    { path: '/etc/tls/cert.pem', secret: false },
    { path: '/run/key.pem', secret: true },
  ])
})

test('what nobody uses, and what a ceiling leaves nothing of, is a warning with its place', () => {
  const unused = sample
    .replace('scope: read-orders ', 'scope: { statements: [delete], tables: [public.orders] } ')
    .replace('ceiling: { max_rows: 1000,', 'ceiling: { statements: [select],')
    .replace(/ {2}- \{ group: sre-agents.*\n/, '')
  const { warnings } = read(unused)
  assert.deepEqual(
    warnings.map(({ line, column, key, message }) => `${line}:${column}: ${key}: ${message}`),
    [
      '28:3: connections.web-1: no rule names this connection',
      '33:3: scopes.read-orders: no rule names this scope',
      '40:12: rules[0].scope: nothing of it is left under the ceiling of orders-db',
    ],
  )
})

test('a block without its prefix is one address', () => {
  const { config } = read(sample.replace('[10.0.0.0/8]', '[10.0.0.7, "2001:db8::/32", "::1"]'))
  assert.deepEqual(config.rules[1]?.when?.source, ['10.0.0.7/32', '2001:db8::/32', '::1/128'])
})

test('the digest is of the bytes: a comment changes it', () => {
  assert.notEqual(read(smallest).config.digest, read(`${smallest}# x\n`).config.digest)
})
