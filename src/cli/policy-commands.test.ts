/** `explain`, `test` and `diff` over real files, with two small protocols. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, mock, test } from 'node:test'
import type { Command } from 'commander'
import { z } from 'zod'
import { clients, startIssuer } from '../demo/issuer/issuer.ts'
import { startTestIssuer } from '../identity/issuer.fixture.ts'
import { protocols as scopes } from '../policy/policy.fixture.ts'
import type { AnyProtocol } from '../protocol/protocol.ts'
import { diffCommand } from './diff.ts'
import { exit } from './exit.ts'
import { explainCommand } from './explain.ts'
import { Stop } from './stop.ts'
import { testCommand } from './test.ts'

const any = z.looseObject({})
const protocols = new Map(
  [...scopes].map(([name, scope]): [string, AnyProtocol] => [name, { ...scope, target: any, lease: any }]),
)

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-cli-'))
})
after(async () => {
  await rm(folder, { recursive: true })
})

const config = (issuer = 'https://x.example/oauth2/default', ttl = '10m') => `
listen: { http: "127.0.0.1:8600" }
issuers:
  okta: { issuer: "${issuer}", audience: api://postern, groups_claim: groups, algorithms: [RS256], client_groups: { 0oaService: [sre] } }
connections:
  orders-db: { protocol: postgres, target: {}, lease: {} }
  web-1: { protocol: ssh, target: {}, lease: {} }
rules:
  - { group: sre, connection: web-1, ttl: 10m, scope: { shell: true } }
  - { id: read, group: analysts, connection: orders-db, ttl: ${ttl}, scope: { statements: [select], tables: [public.orders] } }
`

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text, { mode: 0o600 })
  return path
}

/** What a command prints, and its exit code. */
async function run(command: Command, ...args: string[]): Promise<{ text: string; code: unknown }> {
  const written: string[] = []
  const write = mock.method(process.stdout, 'write', (text: string) => written.push(text) > 0)
  const before = process.exitCode
  try {
    await command.exitOverride().parseAsync(args, { from: 'user' })
    return { text: written.join(''), code: process.exitCode }
  } finally {
    write.mock.restore()
    process.exitCode = before
  }
}

test('explain says yes or no, why, and exits by it', async () => {
  const path = await file('a.yaml', config())
  const yes = await run(
    explainCommand(protocols),
    '-c',
    path,
    '--group',
    'analysts',
    '--group',
    'sre',
    'web-1',
  )
  assert.match(yes.text, /^YES by rule sre:web-1\n/)
  assert.equal(yes.code, exit.ok)
  const no = await run(explainCommand(protocols), '-c', path, '-g', 'sre', '--json', 'orders-db')
  assert.equal(no.code, exit.no)
  const told = JSON.parse(no.text)
  assert.deepEqual([told.decision, told.code, told.may_ask_for], ['no', 'not_permitted', ['web-1']])
})

test('explain knows the groups of a client that client_groups lists', async () => {
  const path = await file('a.yaml', config())
  const told = await run(explainCommand(protocols), '-c', path, '--client', '0oaService', 'web-1')
  assert.match(told.text, /^YES/)
  await assert.rejects(run(explainCommand(protocols), '-c', path, 'web-1'), Stop)
})

test('explain supposes no address that is none and no issuer that there is not', async () => {
  const path = await file('a.yaml', config())
  const asked = (...args: string[]) =>
    run(explainCommand(protocols), '-c', path, '-g', 'sre', ...args, 'web-1')
  await assert.rejects(asked('--source', 'foo'), /^Stop: --source is not an IP address: foo$/)
  assert.match((await asked('--source', '2001:db8::1')).text, /^YES/)
  await assert.rejects(asked('--issuer', 'b'), /^Stop: there is no issuer b; there is: okta$/)
})

test('explain verifies a real token, and says why it is refused', async () => {
  await using issuer = await startTestIssuer()
  const path = await file('b.yaml', config(issuer.url))
  const token = await file('token', `${issuer.token({ groups: ['sre'] })}\n`)
  const at = ['--at', '2026-03-01T12:00:00Z']
  assert.match(
    (await run(explainCommand(protocols), '-c', path, '--token-file', token, ...at, 'web-1')).text,
    /^YES by rule sre:web-1/,
  )
  const late = await run(
    explainCommand(protocols),
    '-c',
    path,
    '--token-file',
    token,
    '--at',
    '2026-03-02T12:00:00Z',
    'web-1',
  )
  assert.match(late.text, /^NO token_expired\n/)
  assert.equal(late.code, exit.no)
})

test('test passes what is as expected and tells each difference', async () => {
  const path = await file('a.yaml', config())
  const good = await file(
    'good.yaml',
    `
- name: analysts read orders
  as: { groups: [analysts] }
  ask: { connection: orders-db, ttl: 30m, scope: { tables: [public.orders, hr.salaries] } }
  expect: { decision: yes, rule: read, ttl: 600s, ends_by: rule, narrowed: [ttl, tables], approval: false, scope: { tables: [public.orders] } }
- name: sre cannot
  as: { client: 0oaService }
  ask: { connection: orders-db }
  expect: { decision: no, code: not_permitted }
`,
  )
  const passed = await run(testCommand(protocols), '-c', path, good)
  assert.match(passed.text, /ok {3}analysts read orders\nok {3}sre cannot\nall 2 as expected/)
  assert.equal(passed.code, exit.ok)
  const bad = await file(
    'bad.yaml',
    `
- { name: one, as: { groups: [sre] }, ask: { connection: orders-db }, expect: { decision: yes } }
- { name: two, as: { groups: [analysts] }, ask: { connection: orders-db }, expect: { decision: no } }
- { name: three, as: { groups: [analysts] }, ask: { connection: orders-db }, expect: { decision: yes, ttl: 5m, scope: { max_rows: 1 } } }
- { name: four, as: { groups: [analysts] }, ask: { connection: orders-db, scop: {} }, expect: { decision: no } }
`,
  )
  const failed = await run(testCommand(protocols), '-c', path, '--json', bad)
  assert.equal(failed.code, exit.no)
  const told = JSON.parse(failed.text)
  assert.equal(told.failed, 4)
  assert.deepEqual(
    told.tests.map((one: { differs: string[] }) => one.differs.length),
    [1, 1, 2, 1],
  )
})

test('test refuses a file that it cannot read whole', async () => {
  const path = await file('a.yaml', config())
  for (const text of [
    '',
    '[]',
    '- { name: x }',
    '- { name: x, as: {}, ask: {}, expect: { decision: maybe } }',
    '- {',
    '- { name: x, name: y }',
  ]) {
    await assert.rejects(run(testCommand(protocols), '-c', path, await file('odd.yaml', text)), Stop, text)
  }
  await assert.rejects(run(testCommand(protocols), '-c', path, join(folder, 'absent.yaml')), Stop)
})

test('diff says who gains and loses what', async () => {
  const [old, now] = [await file('old.yaml', config()), await file('new.yaml', config(undefined, '20m'))]
  assert.equal(
    (await run(diffCommand(protocols), old, now)).text,
    '+ analysts (okta) gains on orders-db, rule read: ttl 10m -> 20m\n',
  )
  assert.equal((await run(diffCommand(protocols), old, old)).text, 'Nobody gains or loses anything.\n')
  const told = JSON.parse((await run(diffCommand(protocols), old, now, '--json')).text)
  assert.deepEqual([told.rules[0].effect, told.surroundings], ['gains', []])
})

test('tokens of a real OAuth server: a user with groups, and a service app that has none until client_groups says so', async () => {
  const okta = await startIssuer()
  try {
    const path = await file('okta.yaml', config(okta.issuer))
    const user = await file('user', await okta.userToken(clients.analystBot, 'ada@example.com'))
    assert.match(
      (await run(explainCommand(protocols), '-c', path, '--token-file', user, 'orders-db')).text,
      /groups \["analyst-agents"\]/,
    )
    const service = await file('service', await okta.serviceToken(clients.sreBot))
    const without = await run(explainCommand(protocols), '-c', path, '--token-file', service, 'web-1')
    assert.match(without.text, /^NO groups_missing\n/)
    const mapped = await file('mapped.yaml', config(okta.issuer).replace('0oaService', clients.sreBot))
    assert.match(
      (await run(explainCommand(protocols), '-c', mapped, '--token-file', service, 'web-1')).text,
      /^YES by rule sre:web-1/,
    )
  } finally {
    await okta.stop()
  }
})
