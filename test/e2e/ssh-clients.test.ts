import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import {
  type AgentKey,
  type Credential,
  newKey,
  python,
  python3,
  sftp,
  ssh,
  sshOptions,
} from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { missing, run } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'

const skip = missing('/usr/sbin/sshd', 'ssh', 'sftp')
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
    rules: `
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { shell: true, exec: ["*"], sftp: read } }
  - { group: tail-agents, connection: web-1, ttl: 10m, scope: { exec: ["uname -s"] } }
`,
  })
})
after(() => home?.close())

/** A grant and the key it opens for; a key opens one grant alone, so each gets its own. */
async function granted(group = 'sre-agents'): Promise<[Gateway, Credential, AgentKey]> {
  const key = await newKey(home)
  const answer = await gateway.grant(okta.token({ groups: [group] }), 'web-1', { public_key: key.public })
  assert.equal(answer.status, 201, answer.text)
  return [gateway, answer.json, key]
}

test('ssh runs a command: output, errors and exit status come back apart', { skip }, async () => {
  const answer = await ssh(...(await granted()), ['echo out; echo err >&2; exit 7'])
  assert.deepEqual(answer, { status: 7, stdout: 'out\n', stderr: 'err\n' })
})

test('ssh carries a megabyte in and out unchanged', { skip }, async () => {
  const input = randomBytes(512 * 1024).toString('hex')
  const answer = await ssh(...(await granted()), ['cat'], { input })
  assert.equal(answer.status, 0, answer.stderr)
  assert.ok(answer.stdout === input, `${answer.stdout.length} of ${input.length} characters`)
})

test('ssh opens a shell on a terminal', { skip }, async () => {
  const answer = await ssh(...(await granted()), ['-tt'], {
    input: 'test -t 0 && echo "a terminal: $((6 * 7))"\nexit 3\n',
  })
  assert.match(answer.stdout, /a terminal: 42/)
  assert.equal(answer.status, 3, answer.stderr)
})

test('a command outside the scope is refused in words, and does not run', { skip }, async () => {
  const grant = await granted('tail-agents')
  assert.notEqual((await ssh(...grant, ['uname -s'])).stdout, '')
  const trace = join(home.dir, 'trace')
  const answer = await ssh(...grant, [`touch ${trace}`])
  assert.notEqual(answer.status, 0)
  assert.equal(existsSync(trace), false)
})

test('sftp fetches and lists; what would write is refused', { skip }, async () => {
  const grant = await granted()
  const [from, to, up] = ['source', 'target', 'upload'].map(name => join(home.dir, name)) as [
    string,
    string,
    string,
  ]
  const bytes = randomBytes(300_000)
  await writeFile(from, bytes)
  const fetched = await sftp(...grant, `ls ${home.dir}\nget ${from} ${to}\n`)
  assert.equal(fetched.status, 0, fetched.stderr)
  assert.ok((await readFile(to)).equals(bytes))
  const refused = await sftp(...grant, `put ${from} ${up}\n`)
  assert.notEqual(refused.status, 0)
  assert.match(refused.stderr, /denied/i)
  assert.equal(existsSync(up), false)
})

test('a forwarded port is refused', { skip }, async () => {
  const [, grant, key] = await granted()
  const options = ['-o', 'LogLevel=INFO', ...sshOptions(gateway, key)]
  const answer = await run('ssh', [
    ...options,
    '-W',
    '127.0.0.1:22',
    `${grant.credential.username}@127.0.0.1`,
  ])
  assert.notEqual(answer.status, 0)
  assert.match(answer.stderr, /prohibited/)
})

test('paramiko logs in with the password, runs a command and reads a file', {
  skip: skip || missing(python3),
}, async () => {
  const grant: Credential = (await gateway.grant(okta.token(), 'web-1')).json
  const file = join(home.dir, 'for-paramiko')
  await writeFile(file, 'read me')
  const answer = await python(
    `
import os, paramiko
c = paramiko.SSHClient()
c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect('127.0.0.1', port=int(os.environ['PORT']), username=os.environ['GRANT'], password=os.environ['PASSWORD'],
          allow_agent=False, look_for_keys=False)
_, out, err = c.exec_command('echo hello; exit 4')
print(out.read().decode().strip(), out.channel.recv_exit_status())
print(c.open_sftp().open(os.environ['FILE']).read().decode())
c.close()
`,
    {
      env: {
        PORT: String(gateway.ports.ssh),
        GRANT: grant.credential.username,
        PASSWORD: grant.credential.password ?? '',
        FILE: file,
      },
    },
  )
  assert.equal(answer.stdout, 'hello 4\nread me\n', answer.stderr)
})
