/** What is wrong with a configuration, and where: each case changes one thing in DESIGN.md's own sample. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from './parse.ts'
import { ConfigError } from './problem.ts'
import { sample } from './sample.fixture.ts'
import { twoProtocols } from './two-protocols.fixture.ts'

/** The problems of a text, a line each: `12:7: key: message`. */
function problemsOf(text: string): string[] {
  try {
    parseConfig(Buffer.from(text), '/etc/postern.yaml', twoProtocols, 'postern.yaml')
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n').map(line => line.slice('postern.yaml:'.length))
  }
}

function changed(from: string, to: string): string {
  assert.ok(sample.includes(from), `the sample holds ${from}`)
  return sample.replace(from, () => to)
}

/** Where each thing stands in the sample. */
const shellRule =
  '{ group: sre-agents, connection: web-1, ttl: 10m, scope: { shell: true, exec: ["*"], sftp: read } }'
const advertise = '{ postgres: db.example.com:5432, ssh: ssh.example.com:22 }'

const cases: readonly (readonly [from: string, to: string, ...problems: readonly string[]])[] = [
  // Unknown keys and words
  [
    'connection: web-1',
    'conection: web-1',
    '35:26: rules[0].conection: unknown key; did you mean "connection"?',
  ],
  ['rules:\n', 'rulez:\n', '34:1: rulez: unknown key; did you mean "rules"?'],
  ['tls: auto ', 'tlss: auto ', '9:3: listen.tlss: unknown key; did you mean "tls"?'],
  ['ceiling:', 'celing:', '26:5: connections.orders-db.celing: unknown key; did you mean "ceiling"?'],
  [
    'database: orders',
    'databse: orders',
    '24:43: connections.orders-db.target.databse: unknown key; did you mean "database"?',
  ],
  ['sftp: read', 'sftp: { reed: [/] }', '35:98: rules[0].scope.sftp.reed: unknown key; did you mean "read"?'],
  ['shell: true', 'tables: [public.orders]', '35:64: rules[0].scope.tables: unknown key'],
  ['limits: {', 'limits: { burst: 3,', '48:11: limits.burst: unknown key'],
  ['people: {', 'people: { admins: [a],', '49:11: people.admins: unknown key'],
  [
    'sftp: read',
    'sftp: reed',
    '35:96: rules[0].scope.sftp: must be none, read or write; did you mean "read"?, or must be a map',
  ],
  [
    '[RS256]',
    '[RS255]',
    '16:18: issuers.okta.algorithms[0]: must be RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA; did you mean "RS256"?',
  ],
  [
    'require: [reason, task]',
    'require: [reason, tsk]',
    '43:23: rules[1].require[1]: must be reason or task; did you mean "task"?',
  ],
  [
    'require: [reason, task]',
    'require: [reason, reason]',
    '43:23: rules[1].require[1]: stands in this list twice',
  ],
  // Names of what does not exist
  [
    'connection: web-1,',
    'connection: web-2,',
    '35:38: rules[0].connection: no such connection: web-2; did you mean "web-1"?',
  ],
  [
    'scope: read-orders ',
    'scope: read-order ',
    '41:12: rules[1].scope: no such scope: read-order; did you mean "read-orders"?',
  ],
  ['issuer: okta  ', 'issuer: otka  ', '37:13: rules[1].issuer: no such issuer: otka; did you mean "okta"?'],
  [
    'protocol: ssh',
    'protocol: shh',
    '29:15: connections.web-1.protocol: no such protocol: shh; did you mean "ssh"?',
  ],
  [
    'protocol: ssh',
    'protocol: kubernetes',
    '29:15: connections.web-1.protocol: the protocol kubernetes is not available yet in this version',
  ],
  [
    'scope: { shell: true, exec: ["*"], sftp: read }',
    'scope: read-orders',
    '35:62: rules[0].scope: the scope read-orders is for postgres, but web-1 speaks ssh',
  ],
  // One connection, one group, some scope (attacks 53, 203; invariant 2)
  [
    'connection: web-1',
    'connection: "*"',
    '35:38: rules[0].connection: must be the name of one connection; lists and wildcards are not a feature: a grant names exactly one',
  ],
  [
    'connection: web-1',
    'connection: "web-*"',
    '35:38: rules[0].connection: must be the name of one connection; lists and wildcards are not a feature: a grant names exactly one',
  ],
  [
    'connection: web-1',
    'connection: [web-1]',
    '35:38: rules[0].connection: must be the name of one connection; lists and wildcards are not a feature: a grant names exactly one',
  ],
  [
    'group: sre-agents',
    'group: "*"',
    '35:14: rules[0].group: groups match exactly, byte for byte; wildcards are not a feature',
  ],
  [
    'group: sre-agents',
    'group: ""',
    '35:14: rules[0].group: must be a group: 1 to 256 visible characters, no space at either end',
  ],
  [
    'group: sre-agents',
    'group: "sre\\u200b"',
    '35:14: rules[0].group: must be a group: 1 to 256 visible characters, no space at either end',
  ],
  ['group: sre-agents', 'group: [a, b]', '35:14: rules[0].group: must be a group'],
  [
    'scope: { shell: true, exec: ["*"], sftp: read }',
    'scope: {}',
    '35:62: rules[0].scope: this scope allows nothing: say what may be done',
  ],
  [
    ', scope: { shell: true, exec: ["*"], sftp: read }',
    '',
    '35:5: rules[0].scope: missing: say what may be done',
  ],
  [
    'statements: [select], tables: [public.orders, public.order_items] }',
    'statements: [select] }',
    '33:16: scopes.read-orders: this scope allows nothing: say what may be done',
  ],
  [
    '  web-1:\n',
    '  g_web:\n',
    '28:3: connections.g_web: a name is made of a-z, 0-9 and -, begins with a letter or digit, and has at most 63 characters',
    '35:38: rules[0].connection: no such connection: web-1',
  ],
  [
    '  web-1:\n',
    '  "*":\n',
    '28:3: connections."*": a name is made of a-z, 0-9 and -, begins with a letter or digit, and has at most 63 characters',
    '35:38: rules[0].connection: no such connection: web-1',
  ],
  [
    '  web-1:\n',
    '  ../etc:\n',
    '28:3: connections.../etc: a name is made of a-z, 0-9 and -, begins with a letter or digit, and has at most 63 characters',
    '35:38: rules[0].connection: no such connection: web-1',
  ],
  // Ids
  [
    '- id: analysts-read-orders',
    '- id: sre-agents:web-1',
    '36:9: rules[1].id: another rule has the id "sre-agents:web-1"; give this one an id of its own',
  ],
  [
    `- ${shellRule}`,
    `- ${shellRule}\n  - ${shellRule}`,
    '36:5: rules[1].id: another rule has the id "sre-agents:web-1"; give this one an id of its own',
  ],
  // Duplicate keys and YAML (attacks 198, 202)
  [
    '  web-1:\n',
    '  orders-db:\n',
    '28:3: connections.orders-db: this key stands here for the second time',
    '35:38: rules[0].connection: no such connection: web-1',
  ],
  [
    'token_login: true',
    'token_login: yes',
    '27:18: connections.orders-db.token_login: must be true or false, not a text',
  ],
  ['port: 22,', 'port: "22",', '30:37: connections.web-1.target.port: must be a number, not a text'],
  [
    'port: 22,',
    'port: 0o26,',
    '30:37: connections.web-1.target.port: numbers are plain decimal integers; quote it if it is a text',
  ],
  ['grants: 16', 'grants: 1_6', '48:19: limits.grants: must be a number, not a text'],
  ['grants: 16', 'grants: 0', '48:19: limits.grants: must be at least 1'],
  [
    'issuer: okta  ',
    'issuer: *okta  ',
    '37:13: rules[1].issuer: aliases are not taken: write the value out, or name a scope under `scopes`',
  ],
  [
    ': { grants: 16',
    ': &x { grants: 16',
    '48:12: limits: anchors are not taken: name a scope under `scopes` instead',
  ],
  ['group: analyst-agents', 'group: !!str analyst-agents', '38:18: rules[1].group: tags are not taken'],
  // Durations (attack 50)
  ['ttl: 10m', 'ttl: 9h', '35:50: rules[0].ttl: must be between 1s and 8h'],
  ['ttl: 10m', 'ttl: 0s', '35:50: rules[0].ttl: must be between 1s and 8h'],
  ['ttl: 10m', 'ttl: 10', '35:50: rules[0].ttl: must be a duration such as 30s, 10m, 2h or 1d'],
  ['ttl: 10m', 'ttl: "10m\\n"', '35:50: rules[0].ttl: must be a duration such as 30s, 10m, 2h or 1d'],
  ['ttl: 10m', 'ttl: -1s', '35:50: rules[0].ttl: must be a duration such as 30s, 10m, 2h or 1d'],
  ['ttl: 10m, ', '', '35:5: rules[0].ttl: missing: must be a duration such as 30s, 10m, 2h or 1d'],
  [
    'clock_tolerance: 5s',
    'clock_tolerance: 2m',
    '19:22: issuers.okta.clock_tolerance: must be between 0s and 60s',
  ],
  // Issuers
  [
    '[RS256]',
    '[RS256, HS256]',
    '16:25: issuers.okta.algorithms[1]: HS256 can never be listed: tokens must be signed with a private key',
  ],
  [
    '[RS256]',
    '[none]',
    '16:18: issuers.okta.algorithms[0]: none can never be listed: tokens must be signed with a private key',
  ],
  ['[RS256]', '[]', '16:17: issuers.okta.algorithms: must not be empty'],
  [
    'https://example.okta.com/oauth2/default',
    'http://example.okta.com/oauth2/default',
    '12:13: issuers.okta.issuer: must be an https:// URL (http:// for loopback alone) without query, fragment or credentials',
  ],
  [
    'https://example.okta.com/oauth2/default',
    'http://127.0.0.1.evil.com/',
    '12:13: issuers.okta.issuer: must be an https:// URL (http:// for loopback alone) without query, fragment or credentials',
  ],
  [
    'https://example.okta.com/oauth2/default',
    'http://127.0.0.1@evil.com/',
    '12:13: issuers.okta.issuer: must be an https:// URL (http:// for loopback alone) without query, fragment or credentials',
  ],
  ['audience: api://postern', 'audience: []', '13:15: issuers.okta.audience: must not be empty'],
  [
    'audience: api://postern',
    'audience: 7',
    '13:15: issuers.okta.audience: must be an audience or a list of them',
  ],
  [
    'introspect: never',
    'introspect: at_grant',
    '20:17: issuers.okta.introspect: only never is available yet in this version',
  ],
  [
    'introspect: never',
    'introspect: every 60s',
    '20:17: issuers.okta.introspect: only never is available yet in this version',
  ],
  [
    'introspect: never',
    'client_id: postern',
    '20:16: issuers.okta.client_id: not available yet in this version',
  ],
  [
    'introspect: never',
    'signals: { issuer: x }',
    '20:14: issuers.okta.signals: not available yet in this version',
  ],
  [
    'dpop: optional',
    'dpop: required',
    '18:11: issuers.okta.dpop: required is not available yet in this version',
  ],
  [
    'connections:\n',
    '  other: { issuer: https://example.okta.com/oauth2/default, audience: x }\nconnections:\n',
    '21:20: issuers.other.issuer: is the issuer of okta too',
    '36:5: rules[0].issuer: missing: there are several issuers (okta, other)',
  ],
  // People
  [
    'people: {',
    'limits2: {',
    '46:5: rules[1].approval: nobody could approve: `people` is missing',
    '49:1: limits2: unknown key; did you mean "limits"?',
  ],
  [
    'people: {',
    'people: { issuers: [oktaa],',
    '49:21: people.issuers[0]: no such issuer: oktaa; did you mean "okta"?',
  ],
  // Listeners (attack 207)
  [
    'tls: auto ',
    'tls: off ',
    '9:8: listen.tls: must be auto or { cert: file:..., key: file:... }; where TLS ends in front of the gateway, set listen.insecure: true',
  ],
  [
    'tls: auto ',
    'tls: { cert: file:cert.pem } ',
    '9:8: listen.tls.key: missing: a secret is a reference: env:NAME or file:path',
  ],
  [
    'http: 127.0.0.1:8600',
    'http: 8600',
    '5:9: listen.http: must be host:port, such as 127.0.0.1:8600 or "[::1]:8600"',
  ],
  [
    'http: 127.0.0.1:8600',
    'http: 127.1:8600',
    '5:9: listen.http: must be host:port, such as 127.0.0.1:8600 or "[::1]:8600"',
  ],
  [
    'http: 127.0.0.1:8600',
    'http: 127.0.0.1:70000',
    '5:9: listen.http: must be host:port, such as 127.0.0.1:8600 or "[::1]:8600"',
  ],
  [
    'people: 127.0.0.1:8601',
    'people: 127.0.0.1:8600',
    '6:11: listen.people: is the address of listen.http too; leave it out to share that one',
  ],
  [
    'https://postern.example.com ',
    'http://postern.example.com ',
    '2:13: public_url: must be https:// off loopback, or tokens would cross the network in clear',
  ],
  [
    'https://postern.example.com ',
    'https://postern.example.com/x ',
    '2:13: public_url: must be an origin such as https://postern.example.com, without path, query or credentials',
  ],
  [
    advertise,
    '127.0.0.1:99',
    '3:12: advertise: must be a host without a port, or a map such as { postgres: db.example.com:5432 }',
  ],
  [
    advertise,
    '{ postgres: db.example.com }',
    '3:24: advertise.postgres: must be host:port, such as 127.0.0.1:8600 or "[::1]:8600"',
  ],
  [advertise, '{ mysql: a:3306 }', '3:14: advertise.mysql: unknown key'],
  // Conditions
  [
    '10.0.0.0/8',
    '10.0.0.0/33',
    '47:44: rules[1].when.source[0]: must be an address or a block such as 10.0.0.0/8 or 2001:db8::/32',
  ],
  [
    '10.0.0.0/8',
    '"::ffff:10.0.0.0/104"',
    '47:44: rules[1].when.source[0]: must be an address or a block such as 10.0.0.0/8 or 2001:db8::/32',
  ],
  [
    'Mon-Fri 08:00-18:00 Europe/Berlin',
    'Mon-Fri 18:00-08:00 Europe/Berlin',
    '47:64: rules[1].when.hours: must be days, times and a time zone, such as "Mon-Fri 08:00-18:00 Europe/Berlin"; a window over midnight is two rules',
  ],
  // Of a lease's forms the one that was meant
  [
    'lease: { user: app_ro, password: env:ORDERS_PASSWORD }',
    'lease: { minted: true, admin: { user: app, pasword: env:ORDERS_PASSWORD } }',
    '25:48: connections.orders-db.lease.admin.pasword: unknown key; did you mean "password"?',
  ],
  [
    'lease: { user: app_ro, password: env:ORDERS_PASSWORD }',
    'lease: { minted: true }',
    '25:12: connections.orders-db.lease.admin: missing',
  ],
  // Secrets (attack 204)
  [
    'env:ORDERS_PASSWORD',
    'vault:x/y',
    '25:38: connections.orders-db.lease.password: vault: references are not available yet in this version; use env:NAME or file:path',
  ],
  [
    'mode: verify-full',
    'mode: prefer',
    '24:74: connections.orders-db.target.tls.mode: must be disable, require or verify-full',
  ],
]

for (const [from, to, ...problems] of cases) {
  test(`"${to.trim().slice(0, 60)}" in place of "${from.trim().slice(0, 40)}" is refused, with its place`, () => {
    assert.deepEqual(problemsOf(changed(from, to)), problems)
  })
}

test('every problem is told at once, in the order of the file', () => {
  const text = sample
    .replace('ttl: 10m', 'ttl: 9h')
    .replace('dpop: optional', 'dpop: maybe')
    .replace('[RS256]', '[HS256]')
    .replace('port: 22,', 'port: x,')
  assert.deepEqual(
    problemsOf(text).map(line => line.split(': ')[1]),
    ['issuers.okta.algorithms[0]', 'issuers.okta.dpop', 'connections.web-1.target.port', 'rules[0].ttl'],
  )
})

test('off loopback the people have a listener of their own', () => {
  const shared = changed('http: 127.0.0.1:8600', 'http: 10.0.0.1:8600').replace(/\n {2}people:.*/, '')
  assert.deepEqual(problemsOf(shared), [
    "5:3: listen.people: missing: off loopback people's calls need a listener of their own",
  ])
})

test('without an address there is no public URL to take', () => {
  const everywhere = changed('http: 127.0.0.1:8600', 'http: 0.0.0.0:8600').replace(/public_url.*/, '')
  assert.deepEqual(problemsOf(everywhere), ['1:1: public_url: missing: 0.0.0.0 is no address to be told'])
})

test('no secret in a wrong place is ever printed', () => {
  const places: readonly (readonly [string, string])[] = [
    ['env:ORDERS_PASSWORD', 'hunter2'],
    ['env:ORDERS_PASSWORD', '*hunter2'],
    ['env:ORDERS_PASSWORD', '!hunter2 x'],
    ['env:ORDERS_PASSWORD', '"hunter2\\q"'],
    ['env:ORDERS_PASSWORD', '@hunter2'],
    ['env:ORDERS_PASSWORD', '[hunter2]'],
    ['env:ORDERS_PASSWORD', '{ value: hunter2 }'],
    ['env:ORDERS_PASSWORD', 'env:hunter2-x'],
    ['env:ORDERS_PASSWORD', '"hunter2'],
    ['mode: verify-full', 'mode: hunter2'],
    ['port: 22,', 'port: hunter2,'],
    ['ttl: 10m', 'ttl: hunter2'],
    ['clock_tolerance: 5s', 'clock_tolerance: hunter2'],
    ['tls: auto ', 'tls: hunter2 '],
  ]
  for (const [from, to] of places) {
    const problems = problemsOf(changed(from, to))
    assert.ok(problems.length > 0, to)
    assert.doesNotMatch(problems.join('\n'), /hunter2/)
  }
})

test('an empty file, a list and a broken file have one problem each', () => {
  for (const text of [
    '',
    '# nothing\n',
    '- a\n',
    '7',
    '[',
    'a: [1\nb: 2\n',
    'a: 1\n---\nb: 2\n',
    '%YAML 1.1\n---\n',
    '\ta: 1',
    '['.repeat(100_000),
  ]) {
    assert.ok(problemsOf(text).length >= 1, JSON.stringify(text.slice(0, 20)))
  }
})
