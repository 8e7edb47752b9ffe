import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { Secret } from '../../config/secret.ts'
import { Refused } from '../../denial.ts'
import type { Grant, Narrowed } from '../../words.ts'
import { readCertificate } from './certificate.ts'
import { forcing } from './guardian-text.ts'
import { newKey } from './hostkey.ts'
import { ssh } from './index.ts'
import { exactCommand, mint } from './minted.ts'
import type { SshScope } from './scope.ts'
import { signerOf } from './signature.ts'
import { type World, world } from './world.fixture.ts'

const python = '/usr/bin/python3'
const modules = resolve(import.meta.dirname, '../../../node_modules/.cache/postern/python')
const env = { ...process.env, PYTHONPATH: modules, PYTHONDONTWRITEBYTECODE: '1' }

let w: World
before(async () => {
  w = await world({
    extra: folder => `TrustedUserCAKeys ${folder}/user_ca.pub\nHostCertificate ${folder}/host-cert.pub`,
    prepare(folder) {
      const keygen = (...args: readonly string[]) => execFileSync('ssh-keygen', ['-q', ...args])
      for (const name of ['user_ca', 'host_ca']) keygen('-t', 'ed25519', '-N', '', '-f', join(folder, name))
      keygen(
        '-s',
        join(folder, 'host_ca'),
        '-h',
        '-I',
        'web',
        '-n',
        '127.0.0.1,web',
        join(folder, 'host.pub'),
      )
    },
  })
})
after(() => w.close())

const scopeOf = (scope: unknown) => ssh.scope.schema.parse(scope) as Narrowed<SshScope>
const user = process.env.USER ?? 'root'

async function dial(lease: object, target: object = {}, scope: unknown = { exec: ['*'] }): Promise<string> {
  const { host, port, host_key } = w.target
  const outcome = await ssh.dial({
    target: ssh.target.parse({ host, port, ...('host_ca' in target ? {} : { host_key }), ...target }),
    lease: lease as never,
    scope: scopeOf(scope),
    grant: { id: 'g_1', expiresAt: Date.now() + 60_000 } as Grant,
    session: 's_1',
    signal: new AbortController().signal,
  })
  if (outcome instanceof Refused) return `${outcome.denial.code} ${outcome.denial.detail}`
  outcome.destroy()
  return 'in'
}

test('keys of every type and form are leases, encrypted ones with their passphrase', async () => {
  const add = (file: string) =>
    writeFileSync(join(w.folder, 'authorized'), `\n${readFileSync(`${file}.pub`, 'utf8')}`, { flag: 'a' })
  for (const [type, form] of [
    ['ed25519', 'RFC4716'],
    ['ecdsa', 'RFC4716'],
    ['ecdsa', 'PEM'],
    ['rsa', 'RFC4716'],
    ['rsa', 'PEM'],
  ] as const) {
    const file = join(w.folder, `lease-${type}-${form}`)
    execFileSync('ssh-keygen', [
      '-q',
      '-t',
      type,
      ...(type === 'rsa' ? ['-b', '2048'] : []),
      '-m',
      form,
      '-N',
      '',
      '-f',
      file,
    ])
    add(file)
    for (const passphrase of ['', 'open sesame']) {
      if (passphrase !== '')
        execFileSync('ssh-keygen', ['-q', '-p', '-m', form, '-P', '', '-N', passphrase, '-f', file])
      const key = new Secret(readFileSync(file, 'utf8'))
      const what = `${type} ${form} ${passphrase}`
      if (passphrase === '') assert.equal(await dial({ user, private_key: key }), 'in', what)
      else {
        assert.equal(
          await dial({ user, private_key: key, passphrase: new Secret(`${passphrase}\n`) }),
          'in',
          what,
        )
        assert.match(await dial({ user, private_key: key }), /needs its passphrase/)
        assert.match(
          await dial({ user, private_key: key, passphrase: new Secret('wrong') }),
          /passphrase is wrong/,
        )
      }
    }
  }
})

test('a certificate is minted for the session by an authority that the host trusts', async () => {
  const ca = new Secret(readFileSync(join(w.folder, 'user_ca'), 'utf8'))
  assert.equal(await dial({ user, ca_key: ca }), 'in')
  assert.match(await dial({ user: 'nobody', ca_key: new Secret(newKey()) }), /^upstream_refused/)
  assert.match(await dial({ user, ca_key: new Secret(newKey()) }), /^upstream_refused/)
  assert.equal(ssh.lease.safeParse({ user: 'deploy,root', ca_key: 'file:/x' }).success, false)
})

test('a minted certificate holds the account, the end to the second, and no more than the scope', () => {
  const authority = signerOf(newKey()) ?? assert.fail()
  const now = 1_800_000_000_500
  const minted = (scope: unknown, guardian = true, forward: readonly string[] = []) =>
    readCertificate(
      mint({
        ...{ authority, user: 'deploy', session: 's_1', guardian, now },
        scope: { ...scopeOf(scope), forward: forward as never[] },
        grant: { id: 'g_1', expiresAt: now + 60_000 } as Grant,
      }).certificate,
      authority.blob,
    )
  const shell = minted({ shell: true }, true, ['10.0.0.1:80'])
  assert.deepEqual(shell.principals, ['deploy'])
  assert.equal(shell.before, 1_800_000_061n)
  assert.equal(shell.keyId, 'postern g_1 s_1')
  assert.deepEqual([...shell.extensions.keys()], ['permit-port-forwarding', 'permit-pty'])
  assert.equal(shell.critical.size, 0)
  const one = minted({ exec: ['systemctl status nginx'] })
  assert.deepEqual([...one.critical], [['force-command', forcing('systemctl status nginx')]])
  assert.equal(one.extensions.size, 0)
  assert.equal(minted({ exec: ['uptime'] }, false).critical.size, 0)
  for (const scope of [
    { exec: ['*'] },
    { exec: ['ls *'] },
    { exec: ['uptime', 'id'] },
    { exec: ['uptime'], shell: true },
    { exec: ['uptime'], sftp: 'read' },
    { exec: ["grep 'a b' /x"] },
    { exec: ['echo $HOME'] },
    { exec: [`echo ${'x'.repeat(512)}`] },
  ])
    assert.equal(exactCommand(scopeOf(scope)), undefined, JSON.stringify(scope))
})

test("a host is believed by its authority's certificate, for its own name alone", async () => {
  const lease = { user, private_key: new Secret(readFileSync(join(w.folder, 'lease'), 'utf8')) }
  const key = (file: string) => readFileSync(join(w.folder, file), 'utf8').split(' ').slice(0, 2).join(' ')
  assert.equal(await dial(lease, { host_ca: key('host_ca.pub') }), 'in')
  assert.match(await dial(lease, { host_ca: key('user_ca.pub') }), /another authority/)
  assert.match(await dial(lease, { host_ca: key('host_ca.pub'), host: 'localhost' }), /other principals/)
  // A certificate is no authority, and neither is nonsense (CVE-2025-49825).
  assert.equal(ssh.target.safeParse({ host: 'x', host_ca: key('host-cert.pub') }).success, false)
  for (const both of [{}, { host_key: 'a b', host_ca: 'a b' }])
    assert.equal(ssh.target.safeParse({ host: 'x', ...both }).success, false)
})

/** A host of asyncssh's that takes passwords, or asks for them, as the script says. */
async function asking(questions: string): Promise<{ port: number; close(): void }> {
  const file = join(w.folder, 'asking.py')
  writeFileSync(
    file,
    `
import asyncio, asyncssh
class Asking(asyncssh.SSHServer):
    def begin_auth(self, username): return True
    def password_auth_supported(self): return ${questions === '' ? 'True' : 'False'}
    def validate_password(self, username, password): return password == 's3cret'
    def kbdint_auth_supported(self): return ${questions === '' ? 'False' : 'True'}
    def get_kbdint_challenge(self, username, lang, submethods): return ('', '', '', [${questions}])
    def validate_kbdint_response(self, username, responses): return responses == ['s3cret']
async def main():
    s = await asyncssh.listen('127.0.0.1', 0, server_factory=Asking, server_host_keys=['${w.folder}/host'])
    print(s.get_port(), flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
`,
  )
  const host = spawn(python, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(host.stdout, 'data')
  return { port: Number(line), close: () => void host.kill() }
}

const noAsyncssh = (() => {
  try {
    execFileSync(python, ['-c', 'import asyncssh'], { env, stdio: 'ignore' })
    return false
  } catch {
    return 'asyncssh is not installed: make setup'
  }
})()

test('a password is given, or one hidden question answered where the lease says so', {
  skip: noAsyncssh,
}, async () => {
  const password = new Secret('s3cret\n')
  const plain = { user, password }
  const interactive = { user, password, keyboard_interactive: true }
  for (const [questions, lease, outcome] of [
    ['', plain, /^in$/],
    ['', { user, password: new Secret('wrong') }, /^upstream_refused .*does not take the lease/],
    ["('Password: ', False)", interactive, /^in$/],
    ["('Password: ', False)", plain, /^upstream_refused .*does not take the lease/],
    ["('Password: ', True)", interactive, /would show/],
    ["('Password: ', False), ('Code: ', False)", interactive, /more than one question/],
  ] as const) {
    const host = await asking(questions)
    try {
      assert.match(await dial(lease, { port: host.port }), outcome, questions)
    } finally {
      host.close()
    }
  }
})
