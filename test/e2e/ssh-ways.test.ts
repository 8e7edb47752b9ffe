import assert from 'node:assert/strict'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { sshClients } from '../../src/protocol/ssh/openssh.fixture.ts'
import { newKey, python, sshOptions } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { missing, run } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'

const skip = missing('/usr/sbin/sshd', 'ssh', 'ssh-keygen')
let home: Home
let okta: FakeOkta
let gateway: Gateway

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  gateway = await startGateway(home, {
    okta,
    sshd: await startSshd(home),
    sshKeys: 'token_login: true',
    rules: `
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { shell: true, exec: ["*"] } }
  - { group: near-agents, connection: web-1, ttl: 5m, scope: { exec: ["uname -s"] }, when: { source: [127.0.0.0/8] } }
`,
  })
})
after(() => home?.close())

test('a grant with a public key brings its certificate: for that grant, that long, from where the rule says', {
  skip,
}, async () => {
  const key = await newKey(home)
  const { json } = await gateway.grant(okta.token({ groups: ['near-agents'] }), 'web-1', {
    public_key: key.public,
  })
  assert.equal(json.credential.password, undefined)
  const file = `${key.file}-cert.pub`
  await writeFile(file, `${json.credential.certificate}\n`)
  const { stdout } = await run('ssh-keygen', ['-L', '-f', file], { env: { TZ: 'UTC' } })
  // A certificate counts in whole seconds.
  const ends = new Date(Math.ceil(Date.parse(json.expires_at) / 1000) * 1000).toISOString().slice(0, 19)
  assert.match(stdout, new RegExp(`Valid: from \\S+ to ${ends}\n`))
  assert.match(stdout, /user certificate/)
  assert.match(stdout, new RegExp(`Principals: \\n\\s+${json.id}\\n`))
  assert.match(stdout, /source-address 127\.0\.0\.0\/8/)
  assert.match(stdout, /Extensions: \(none\)/)
  const alone = ['-o', 'PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com']
  const to = `${json.credential.username}@127.0.0.1`
  const ran = await run('ssh', [...sshOptions(gateway, key), ...alone, to, 'uname -s'])
  assert.deepEqual(ran, { status: 0, stdout: 'Linux\n', stderr: '' })
  // Given back, it opens nothing, valid as it still is.
  await gateway.api('DELETE', `/v1/grants/${json.id}`, okta.token({ groups: ['near-agents'] }))
  assert.equal((await run('ssh', [...sshOptions(gateway, key), ...alone, to, 'uname -s'])).status, 255)
})

test('known_hosts is shown without a token, and OpenSSH believes the authority in it', { skip }, async () => {
  const answer = await fetch(`${gateway.url}/v1/ssh/known_hosts`)
  assert.equal(answer.status, 200)
  const [authority = '', bare = '', ...more] = (await answer.text()).split('\n')
  assert.match(
    authority,
    new RegExp(`^@cert-authority \\[127\\.0\\.0\\.1\\]:${gateway.ports.ssh} ssh-ed25519 `),
  )
  assert.match(bare, new RegExp(`^\\[127\\.0\\.0\\.1\\]:${gateway.ports.ssh} ssh-ed25519 `))
  assert.deepEqual(more, [''])
  const file = join(await mkdtemp(join(home.dir, 'known-')), 'hosts')
  const key = await newKey(home)
  const { json } = await gateway.grant(okta.token(), 'web-1', { public_key: key.public })
  for (const [line, status] of [
    [authority, 0],
    [bare, 0],
    [authority.replace('127.0.0.1', '127.0.0.2'), 255],
    [authority.replace('@cert-authority ', ''), 255],
  ] as const) {
    await writeFile(file, `${line}\n`)
    const strict = ['-o', 'StrictHostKeyChecking=yes', '-o', `UserKnownHostsFile=${file}`]
    const to = `${json.credential.username}@127.0.0.1`
    const ran = await run('ssh', [...strict, ...sshOptions(gateway, key), to, 'true'])
    assert.equal(ran.status, status, `${line}: ${ran.stderr}`)
  }
})

test('postern connect comes in with the certificate, without a prompt', { skip }, async () => {
  // OpenSSH shows the bare key first, which opens the door as well.
  const alone = ['-o', 'PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com']
  const ran = await gateway.cli(['connect', 'web-1', '--', '-v', ...alone, 'echo connected'], {
    token: okta.token(),
  })
  assert.equal(ran.status, 0, ran.stderr)
  assert.equal(ran.stdout, 'connected\n')
  assert.match(ran.stderr, /Server accepts key: .*-CERT/)
  assert.match(ran.stderr, /Server host certificate: ssh-ed25519-cert-v01/)
  assert.match(ran.stderr, /is known and matches the ED25519-CERT host certificate/)
})

test('a token itself opens its connection, asked for as a password or in a conversation', {
  skip,
}, async () => {
  const asked = (token: string, how: string) =>
    python(
      `
import paramiko
t = paramiko.Transport(('127.0.0.1', ${gateway.ports.ssh}))
t.connect()
try:
    ${how === 'password' ? `t.auth_password('web-1', ${JSON.stringify(token)})` : `t.auth_interactive('web-1', lambda title, text, prompts: [${JSON.stringify(token)}])`}
    c = t.open_session()
    c.exec_command('echo token')
    print(c.makefile().read().decode(), end='')
except paramiko.AuthenticationException:
    print('refused', (t.auth_handler.banner or b'').decode().strip())
t.close()
`,
      { timeout: 30_000 },
    )
  for (const how of ['password', 'conversation']) {
    const ran = await asked(okta.token(), how)
    assert.equal(ran.stdout, 'token\n', ran.stderr)
    // What OpenSSH leaves of a long one.
    const cut = await asked('e'.repeat(1023), how)
    assert.equal(
      cut.stdout,
      'refused postern: token cut by your ssh client; use postern connect\n',
      cut.stderr,
    )
    assert.equal((await asked('e'.repeat(1022), how)).stdout, 'refused \n')
  }
})

for (const client of sshClients)
  test(`a token is given to ${client.of}'s ssh by askpass, and one that it cuts is told so`, {
    skip: skip || client.skip,
  }, async () => {
    const askpass = join(await mkdtemp(join(home.dir, 'askpass-')), 'askpass')
    await writeFile(askpass, '#!/bin/sh\nprintf "%s\\n" "$TOKEN"\n', { mode: 0o700 })
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'NumberOfPasswordPrompts=1']
    const asked = (token: string, how: string) =>
      run(
        client.ssh,
        [
          ...['-F', 'none', '-p', String(gateway.ports.ssh)],
          ...[...options, `PreferredAuthentications=${how}`].flatMap(option => ['-o', option]),
          ...['web-1@127.0.0.1', 'echo token'],
        ],
        { env: { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: 'none', TOKEN: token } },
      )
    const [short, long] = [okta.token(), okta.token({ more: 'x'.repeat(1000) })]
    assert.ok(short.length < 1023 && long.length > 2000)
    for (const how of ['password', 'keyboard-interactive']) {
      const ran = await asked(short, how)
      assert.equal(ran.stdout, 'token\n', ran.stderr)
      const cut = await asked(long, how)
      assert.deepEqual([cut.status, cut.stdout], [255, ''])
      assert.match(cut.stderr, /postern: token cut by your ssh client; use postern connect/)
    }
  })

test("the authority's key stays in data/keys, and is in no answer, log or record", { skip }, async () => {
  const files = await gateway.dataFiles()
  const file = files.find(name => name.endsWith('ssh_ca_ed25519')) ?? assert.fail('no key')
  const body = (await readFile(file, 'utf8')).split('\n')[3] ?? assert.fail()
  for (const name of files.filter(name => name !== file))
    assert.ok(!(await readFile(name)).includes(body), name)
  assert.ok(!(await gateway.log()).includes(body))
})
