import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { ssh } from '../protocol/ssh/index.ts'
import { checkCommand } from './check.ts'
import { exit } from './exit.ts'
import { Stop } from './stop.ts'

const blob = Buffer.concat([Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20', 'latin1'), Buffer.alloc(32, 7)])
const config = `listen: { http: "127.0.0.1:8600", ssh: "127.0.0.1:2222" }
issuers:
  okta: { issuer: "https://example.okta.com/oauth2/default", audience: "api://postern" }
connections:
  web-1:
    protocol: ssh
    target: { host: 10.0.0.5, port: 22, host_key: "ssh-ed25519 ${blob.toString('base64')}" }
    lease: { user: deploy, private_key: env:POSTERN_TEST_UNSET }
rules:
  - group: sre-agents
    connection: web-1
    ttl: 10m
    scope: { exec: ["uptime"] }
    require: [reason]
    approval: { group: dba }
    when: { hours: "Mon-Fri 08:00-18:30 Europe/Berlin", source: [10.0.0.0/8] }
    sessions: { total: 1 }
people: { clients: [0oaPeople] }
`

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-check-'))
})
after(() => rm(folder, { recursive: true }))

async function check(t: TestContext, text: string, ...args: string[]): Promise<string> {
  const file = join(folder, 'postern.yaml')
  await writeFile(file, text)
  await chmod(file, 0o644)
  let printed = ''
  const write = t.mock.method(process.stdout, 'write', (part: string) => {
    printed += part
    return true
  })
  try {
    await checkCommand(new Map([['ssh', ssh]])).parseAsync(['-c', file, ...args], { from: 'user' })
  } finally {
    write.mock.restore()
  }
  return printed
}

test('a valid file: who can reach what, and under which conditions', async t => {
  const printed = await check(t, config)
  assert.match(
    printed,
    /^.*postern\.yaml is valid \(policy [0-9a-f]{12}\)\.\n\nGROUP +CONNECTION +PROTOCOL +TTL +MAY +ONLY IF\n/,
  )
  assert.match(
    printed,
    /\nsre-agents +web-1 +ssh +10m +.*uptime.* approved by 1 of dba within 10m; states reason; from 10\.0\.0\.0\/8; Mon,Tue,Wed,Thu,Fri 08:00-18:30 Europe\/Berlin; one session in all\n/,
  )
  assert.match(
    printed,
    /warning: .*postern\.yaml:8:41: connections\.web-1\.lease\.private_key: the variable POSTERN_TEST_UNSET is not set here\n/,
  )
})

test('--json says the same to programs', async t => {
  const { valid, policy, reach, warnings } = JSON.parse(await check(t, config, '--json'))
  assert.equal(valid, true)
  assert.match(policy, /^[0-9a-f]{64}$/)
  assert.equal(reach.length, 1)
  assert.deepEqual(
    [reach[0].rule, reach[0].issuer, reach[0].connection, reach[0].ttl],
    ['sre-agents:web-1', 'okta', 'web-1', '10m'],
  )
  assert.equal(warnings.length, 1)
})

test('an invalid file: every problem with its place, and exit code 78', async t => {
  const broken = config.replace('ttl: 10m', 'ttl: 9h').replace('group: sre', 'grop: sre')
  await assert.rejects(check(t, broken), error => {
    assert.ok(error instanceof Stop)
    assert.equal(error.exitCode, exit.config)
    assert.match(
      error.message,
      /is not valid: 2 problems\n.*postern\.yaml:10:5: rules\[0\]\.grop: unknown key; did you mean "group"\?\n.*:12:10: rules\[0\]\.ttl: must be between 1s and 8h$/,
    )
    assert.equal((error.answer as { problems: unknown[] }).problems.length, 2)
    return true
  })
})

test('what another user could change is said before serve refuses it', async t => {
  await chmod(folder, 0o777)
  const printed = await check(t, config)
  await chmod(folder, 0o700)
  assert.match(
    printed,
    /warning: serve would refuse to start: \S+ can be written by other users \(mode 0777\); run: chmod go-w/,
  )
})

test('--strict: where serve would refuse to start, the exit code says so', async t => {
  const absent = config.replace('env:POSTERN_TEST_UNSET', 'file:nowhere.key')
  const codeOf = async (text: string, ...args: string[]) => {
    const before = process.exitCode
    try {
      const printed = await check(t, text, ...args)
      return [process.exitCode, /^warning: serve would refuse to start: (.*)$/m.exec(printed)?.[1]]
    } finally {
      process.exitCode = before
    }
  }
  const missing = `${join(folder, 'nowhere.key')} does not exist`
  assert.deepEqual(await codeOf(absent), [undefined, missing])
  assert.deepEqual(await codeOf(absent, '--strict'), [exit.config, missing])
  await writeFile(join(folder, 'tls.pem'), 'nonsense', { mode: 0o600 })
  const tls = config.replace(/2222" }$/m, '2222", tls: { cert: file:tls.pem, key: file:tls.pem } }')
  const [code, why] = await codeOf(tls, '--strict')
  assert.match(String(why), /^listen\.tls: the certificate or its key cannot be used: /)
  assert.equal(code, exit.config)
  // A variable that is not set here may well be set where the gateway runs.
  assert.deepEqual(await codeOf(config, '--strict'), [undefined, undefined])
})

test('no rules are said to be no access', async t => {
  assert.match(
    await check(t, config.replace(/rules:[\s\S]*(?=people:)/, 'rules:\n')),
    /No rules: every request is refused\./,
  )
})
