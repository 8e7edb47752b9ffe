import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from './parse.ts'
import { sample } from './sample.fixture.ts'
import { SecretRef } from './secret.ts'
import { twoProtocols } from './two-protocols.fixture.ts'

const parse = (text: string) => parseConfig(Buffer.from(text), '/etc/postern/postern.yaml', twoProtocols)

test("the design's own configuration is read to the letter", () => {
  const { config, warnings, files, variables } = parse(sample)
  assert.equal(config.data, '/etc/postern/data')
  assert.equal(config.publicUrl.href, 'https://postern.example.com/')
  assert.match(config.digest, /^[0-9a-f]{64}$/)
  assert.deepEqual(
    config.advertise,
    new Map([
      ['postgres', { host: 'db.example.com', port: 5432 }],
      ['ssh', { host: 'ssh.example.com', port: 22 }],
    ]),
  )
  assert.deepEqual(config.listen, {
    http: { host: '127.0.0.1', port: 8600 },
    people: { host: '127.0.0.1', port: 8601 },
    streams: new Map([
      ['postgres', { host: '127.0.0.1', port: 15_432 }],
      ['ssh', { host: '127.0.0.1', port: 2222 }],
    ]),
    tls: 'auto',
    insecure: false,
  })
  assert.deepEqual(config.issuers.get('okta'), {
    name: 'okta',
    issuer: 'https://example.okta.com/oauth2/default',
    audience: ['api://postern'],
    groupsClaim: 'groups',
    clientGroups: new Map([['0oaAgent2', ['sre-agents']]]),
    algorithms: ['RS256'],
    clients: ['0oaAgent1', '0oaAgent2'],
    dpop: 'optional',
    clockTolerance: 5000,
  })
  assert.deepEqual(config.connections.get('orders-db'), {
    name: 'orders-db',
    protocol: 'postgres',
    target: {
      host: '10.0.0.7',
      port: 5432,
      database: 'orders',
      tls: { mode: 'verify-full', ca: '/etc/postern/ca.pem' },
    },
    lease: { user: 'app_ro', password: new SecretRef('env:ORDERS_PASSWORD') },
    ceiling: { max_rows: 1000, mask: [{ column: 'public.orders.email', with: 'partial' }] },
    tokenLogin: true,
  })
  assert.deepEqual(config.rules, [
    {
      id: 'sre-agents:web-1',
      issuer: 'okta',
      group: 'sre-agents',
      connection: 'web-1',
      ttl: 600_000,
      scope: { shell: true, exec: ['*'], sftp: 'read' },
      require: [],
      sessions: { atOnce: 10 },
      outliveToken: false,
      recordValues: false,
    },
    {
      id: 'analysts-read-orders',
      issuer: 'okta',
      group: 'analyst-agents',
      connection: 'orders-db',
      ttl: 900_000,
      scope: {
        statements: ['select'],
        tables: ['public.orders', 'public.order_items'],
        functions: [],
        mask: [],
      },
      require: ['reason', 'task'],
      sessions: { atOnce: 10, total: 1 },
      useWithin: 300_000,
      approval: { group: 'dba', count: 1, within: 600_000 },
      when: {
        clients: ['0oaAgent1'],
        source: ['10.0.0.0/8'],
        hours: { days: [1, 2, 3, 4, 5], from: 480, to: 1080, zone: 'Europe/Berlin' },
      },
      outliveToken: false,
      recordValues: false,
    },
  ])
  assert.deepEqual(config.limits, { grants: 16, requestsPerSecond: 50 })
  assert.deepEqual(config.people, {
    issuers: ['okta'],
    clients: ['0oaConsole', '0oaCli'],
    operators: ['postern-operators'],
    auditors: ['postern-auditors'],
  })
  assert.deepEqual(warnings, [])
  assert.deepEqual(files, [
    { path: '/etc/postern/ca.pem', secret: false },
    { path: '/etc/postern/web-1.key', secret: true },
  ])
  assert.deepEqual(
    variables.map(one => one.name),
    ['ORDERS_PASSWORD'],
  )
})

test('what is parsed cannot be changed by anybody', () => {
  const { config } = parse(sample)
  assert.throws(() => Object.assign(config.rules[0] as object, { group: 'everyone' }), TypeError)
  assert.throws(() => Object.assign(config.rules[0]?.scope as object, { shell: true }), TypeError)
})
