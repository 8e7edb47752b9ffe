import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from './parse.ts'
import { ConfigError } from './problem.ts'
import { SecretRef } from './secret.ts'
import { twoProtocols } from './two-protocols.fixture.ts'

/** DESIGN.md section 5, to the letter, less what this version does not have yet (http, kubernetes, signals). */
const sample = `data: ./data                        # state.db, recordings/, audit/, keys/ live here
public_url: https://postern.example.com       # default: listen.http's. Links, RFC 9728 resource and DPoP htu come from it, never from Host
advertise: { postgres: db.example.com:5432, ssh: ssh.example.com:22 }   # default: the listeners'
listen:                             # only what is listed is opened
  http: 127.0.0.1:8600              # agents: API, MCP, /c/
  people: 127.0.0.1:8601            # people's calls and the console. Default: the http listener; off loopback it must be its own
  postgres: 127.0.0.1:15432
  ssh: 127.0.0.1:2222
  tls: auto                         # default: a CA and certificate made in data/keys (ca.pem is the CA); or { cert: file:cert.pem, key: file:key.pem }
issuers:                            # ^ on loopback plaintext is taken beside TLS on the same port; off loopback never (insecure: true on \`listen\` for those who end TLS in front)
  okta:
    issuer: https://example.okta.com/oauth2/default   # http:// only for loopback
    audience: api://postern         # or a list; a token needs one of them
    groups_claim: groups            # an exact top-level name wins; else a path, e.g. https://x/claims.groups
    client_groups: { 0oaAgent2: [sre-agents] }        # optional: these clients' groups come from here INSTEAD of the claim (Okta service apps are in no group)
    algorithms: [RS256]             # pinned; none and HS* can never be listed
    clients: [0oaAgent1, 0oaAgent2] # optional: which agents' OAuth clients (cid / client_id / azp) may call
    dpop: optional                  # never | optional | required
    clock_tolerance: 5s
    introspect: never               # never | at_grant | every 60s   (with client_id and client_auth)
connections:
  orders-db:                        # [a-z0-9-], never beginning with g_
    protocol: postgres
    target: { host: 10.0.0.7, port: 5432, database: orders, tls: { mode: verify-full, ca: file:ca.pem } }  # mode: disable | require | verify-full
    lease: { user: app_ro, password: env:ORDERS_PASSWORD }        # env: file: (later vault: aws-sm: ...), or minted
    ceiling: { max_rows: 1000, mask: [{ column: public.orders.email, with: partial }] }   # optional scope that holds for every rule on it
    token_login: true               # default false: a token itself may be shown at the door (section 6)
  web-1:
    protocol: ssh
    target: { host: 10.0.0.5, port: 22, host_key: "ssh-ed25519 AAAA..." }   # pinned (or known_hosts: file:...); there is no trust on first use
    lease: { user: deploy, private_key: file:web-1.key }
scopes:                             # optional names for scopes that several rules share
  read-orders: { protocol: postgres, statements: [select], tables: [public.orders, public.order_items] }
rules:
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { shell: true, exec: ["*"], sftp: read } }
  - id: analysts-read-orders        # optional; default group:connection; ids are unique
    issuer: okta                    # needed as soon as there are two issuers
    group: analyst-agents
    connection: orders-db
    ttl: 15m                        # at most 8h
    scope: read-orders              # a name, or in place:
    # scope: { statements: [select], tables: [public.orders], functions: [my_schema.safe_fn], max_rows: 1000, mask: [{ column: public.orders.email, with: partial }] }
    require: [reason, task]         # optional: what a request must state; both (capped) go into grant, audit and recording
    sessions: { at_once: 10, total: 1 }               # optional; total: 1 is a grant for one use
    use_within: 5m                  # optional: unused by then, it ends
    approval: { group: dba, count: 1, within: 10m }   # optional
    when: { clients: [0oaAgent1], source: [10.0.0.0/8], hours: "Mon-Fri 08:00-18:00 Europe/Berlin" }   # optional
limits: { grants: 16, requests_per_second: 50 }       # per owner: grants live or pending; API requests
people: { clients: [0oaConsole, 0oaCli], operators: [postern-operators], auditors: [postern-auditors] }   # needed for people's calls and approvals; these clients never get grants
`

const parse = (text: string) => parseConfig(Buffer.from(text), '/etc/postern/postern.yaml', twoProtocols)

function problemsOf(text: string): string[] {
  try {
    parse(text)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n').map(line => line.replace('/etc/postern/postern.yaml:', ''))
  }
}

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

export { parse, problemsOf, sample }
