import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import ssh2 from 'ssh2'
import { Refused } from '../../denial.ts'
import { Malformed, message } from '../../statement/sftp/fields.ts'
import { loadHostKey, newKey } from './hostkey.ts'
import { keyFor } from './knownhosts.ts'
import { publicKey } from './publickey.ts'
import { publicKeyOf } from './signature.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-keys-'))
after(() => rmSync(folder, { recursive: true }))

const generate = (name: string, ...args: readonly string[]) => {
  execFileSync('ssh-keygen', ['-q', '-N', '', '-C', 'a comment', '-f', join(folder, name), ...args])
  return readFileSync(join(folder, `${name}.pub`), 'utf8').trim()
}
const bare = (line: string) => line.split(' ').slice(0, 2).join(' ')

test('the host key is made once, kept, and readable by nobody else', async () => {
  const first = await loadHostKey(folder)
  assert.deepEqual(await loadHostKey(folder), first)
  const file = join(folder, 'keys', 'ssh_host_ed25519')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(
    bare(execFileSync('ssh-keygen', ['-y', '-f', file], { encoding: 'utf8' }).trim()),
    first.public,
  )
})

test('a host key file that cannot be read is never replaced', async () => {
  const broken = mkdtempSync(join(folder, 'broken-'))
  await loadHostKey(broken)
  const file = join(broken, 'keys', 'ssh_host_ed25519')
  writeFileSync(file, 'nonsense')
  await assert.rejects(loadHostKey(broken), /is not an SSH private key/)
  assert.equal(readFileSync(file, 'utf8'), 'nonsense')
})

test('every key that is made signs what it can verify', () => {
  for (let i = 0; i < 300; i++) {
    const key = ssh2.utils.parseKey(newKey())
    if (key instanceof Error) throw key
    const signature = key.sign(Buffer.from('x'))
    assert.ok(Buffer.isBuffer(signature) && key.verify(Buffer.from('x'), signature) === true)
  }
})

test('one public key of a good kind is taken, with or without a comment', () => {
  for (const args of [
    ['-t', 'ed25519'],
    ['-t', 'ecdsa', '-b', '256'],
    ['-t', 'ecdsa', '-b', '521'],
    ['-t', 'rsa', '-b', '2048'],
  ]) {
    const line = generate(`good-${args.join('')}`, ...args)
    for (const text of [line, bare(line), `${line}\n`]) {
      const blob = publicKey(text)
      assert.ok(!(blob instanceof Refused), text)
      assert.equal(Buffer.from(blob).toString('base64'), line.split(' ')[1])
    }
  }
})

test('anything else than one bare public key is refused (attack 62)', () => {
  const line = bare(generate('other', '-t', 'ed25519'))
  const [, base64 = ''] = line.split(' ')
  const cut = Buffer.from(base64, 'base64').subarray(0, -1).toString('base64')
  const longer = Buffer.concat([Buffer.from(base64, 'base64'), Buffer.of(0)]).toString('base64')
  for (const text of [
    '',
    ' ',
    'ssh-ed25519',
    `command="id" ${line}`,
    `cert-authority ${line}`,
    `restrict,pty ${line}`,
    `${line}\n${line}`,
    ` ${line}`,
    `ssh-rsa ${base64}`,
    `ssh-dss ${base64}`,
    `ssh-ed25519 ${cut}`,
    `ssh-ed25519 ${longer}`,
    `ssh-ed25519  ${base64}`,
    `ssh-ed25519\t${base64}`,
    `ssh-ed25519 ${base64}=`,
    `ssh-ed25519 ${base64.slice(0, -2)}`,
    `ssh-ed25519-cert-v01@openssh.com ${base64}`,
    'x'.repeat(100_000),
    bare(generate('small', '-t', 'rsa', '-b', '1024')),
    readFileSync(join(folder, 'other'), 'utf8'),
    `${line} a\0b`,
  ]) {
    const refused = publicKey(text)
    assert.ok(refused instanceof Refused, text.slice(0, 60))
    assert.equal(refused.denial.code, 'request_invalid')
  }
})

test('an RSA key is no longer than what is quick to verify by, and so is its exponent (attack 190)', () => {
  const made = (bits: number, exponent: string) => {
    const n = randomBytes(bits / 8)
    n[0] = 0x80
    n[n.length - 1] = 1
    return message(0, 'ssh-rsa', Buffer.from(exponent, 'hex'), Buffer.concat([Buffer.of(0), n])).subarray(1)
  }
  const asked = (blob: Buffer) => publicKey(`ssh-rsa ${blob.toString('base64')}`)
  for (const [bits, exponent] of [
    [2048, '010001'],
    [8192, '010001'],
    [3072, '00ffffffff'],
  ] as const) {
    assert.ok(!(asked(made(bits, exponent)) instanceof Refused), exponent)
    assert.equal(publicKeyOf(made(bits, exponent)).type, 'ssh-rsa')
  }
  for (const [bits, exponent] of [
    [8200, '010001'],
    [16_384, '010001'],
    [2048, '0100000001'],
    [2048, '7fffffffffffffff'],
  ] as const) {
    assert.ok(asked(made(bits, exponent)) instanceof Refused, exponent)
    assert.throws(() => publicKeyOf(made(bits, exponent)), Malformed, exponent)
  }
})

test('known_hosts gives the key of exactly that host and port, the best of several, never a revoked one', () => {
  const [ed, ec, other] = [
    generate('ed', '-t', 'ed25519'),
    generate('ec', '-t', 'ecdsa'),
    generate('o', '-t', 'ed25519'),
  ].map(bare)
  const file = join(folder, 'known')
  const text = `# a comment
web ${ec}
web,10.0.0.5 ${ed}
[web]:2222 ${other}
@cert-authority * ${other}
broken line
`
  const shown = (found: Uint8Array | undefined) => found && Buffer.from(found).toString('base64')
  assert.equal(shown(keyFor(text, 'web', 22)), ed?.split(' ')[1])
  assert.equal(shown(keyFor(text, '10.0.0.5', 22)), ed?.split(' ')[1])
  assert.equal(shown(keyFor(text, 'web', 2222)), other?.split(' ')[1])
  assert.equal(keyFor(text, 'we', 22), undefined)
  assert.equal(keyFor(text, 'web', 23), undefined)
  assert.equal(shown(keyFor(`${text}@revoked web ${ed}\n`, 'web', 22)), ec?.split(' ')[1])
  writeFileSync(file, `web ${ed}\n`)
  execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' })
  const hashed = readFileSync(file, 'utf8')
  assert.match(hashed, /^\|1\|/)
  assert.equal(shown(keyFor(hashed, 'web', 22)), ed?.split(' ')[1])
  assert.equal(keyFor(hashed, 'wed', 22), undefined)
})
