import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { Refused } from '../../denial.ts'
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import type { Grant } from '../../words.ts'
import { certified, hostCertificates, userCertificate } from './authority.ts'
import { type CertificateText, certificateType, issue, readCertificate } from './certificate.ts'
import { newKey } from './hostkey.ts'
import { msg } from './messages.ts'
import { RawClient } from './raw.fixture.ts'
import type { SshScope } from './scope.ts'
import { type Signer, signerOf } from './signature.ts'
import { run, type World, world } from './world.fixture.ts'

const signer = (pem = newKey()): Signer => signerOf(pem) ?? assert.fail()
const now = Date.now()
const nowSeconds = Math.floor(now / 1000)

let w: World
before(async () => {
  w = await world()
})
after(() => w.close())

function text(more: Partial<CertificateText> = {}): CertificateText {
  return {
    ...{ kind: 'user', keyBlob: signer().blob, keyId: 'g_1', serial: 7n, principals: ['g_1'] },
    ...{ after: nowSeconds - 10, before: nowSeconds + 60 },
    ...more,
  }
}

const ca = signer()

function verdict(
  certificate: Uint8Array,
  more: { user?: string; source?: string; now?: number } = {},
): string {
  const at = { authority: ca.blob, user: 'g_1', source: '10.1.2.3', now, ...more }
  const found = certified(certificate, at)
  return found instanceof Refused ? found.denial.detail : 'good'
}

test('ssh-keygen reads what is issued, and what it signs is read', () => {
  const file = join(w.folder, 'x-cert.pub')
  const keyBlob = Buffer.from(w.publicKey.split(' ')[1] ?? '', 'base64')
  const made = issue(
    text({
      keyBlob,
      critical: { 'source-address': '10.0.0.0/8,127.0.0.1/32' },
      extensions: ['permit-pty', 'permit-port-forwarding'],
    }),
    ca,
    randomBytes(32),
  )
  writeFileSync(file, `${certificateType('ssh-ed25519')} ${made.toString('base64')}\n`)
  const said = execFileSync('ssh-keygen', ['-L', '-f', file], { encoding: 'utf8' })
  for (const part of [
    /user certificate/,
    /Key ID: "g_1"/,
    /Serial: 7/,
    /Principals: \n\s+g_1\n/,
    /source-address 10\.0\.0\.0\/8,127\.0\.0\.1\/32/,
    /permit-port-forwarding\n\s+permit-pty/,
  ])
    assert.match(said, part)
  assert.equal(verdict(made), 'good')

  for (const type of ['ed25519', 'ecdsa', 'rsa']) {
    const key = join(w.folder, `theirs-${type}`)
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', key])
    execFileSync('ssh-keygen', ['-q', '-s', key, '-I', 'id', '-n', 'a,b', '-V', '+5m', `${w.keyFile}.pub`])
    const [, base64 = ''] = readFileSync(`${w.keyFile}-cert.pub`, 'utf8').split(' ')
    const [, authority = ''] = readFileSync(`${key}.pub`, 'utf8').split(' ')
    const read = readCertificate(Buffer.from(base64, 'base64'), Buffer.from(authority, 'base64'))
    assert.deepEqual(read.principals, ['a', 'b'])
    assert.deepEqual(read.keyBlob, keyBlob)
  }
  execFileSync('rm', [`${w.keyFile}-cert.pub`])
})

test('a certificate is good for its own authority, name, time, place and purpose alone', () => {
  const made = (more: Partial<CertificateText>, by = ca) => issue(text(more), by, randomBytes(32))
  assert.equal(verdict(made({})), 'good')
  assert.match(verdict(made({}, signer())), /another authority/)
  assert.match(verdict(made({ kind: 'host' })), /host certificate/)
  for (const user of ['g_2', 'g_', 'g_1,g_2', 'G_1', '', '*'])
    assert.match(verdict(made({}), { user }), /other principals/)
  assert.match(verdict(made({ principals: ['g_10', 'root'] })), /other principals/)
  assert.match(verdict(made({ after: nowSeconds + 1 })), /not valid yet/)
  assert.match(verdict(made({ before: nowSeconds })), /no longer valid/)
  assert.equal(verdict(made({ before: nowSeconds + 1 })), 'good')
  for (const critical of [{ 'force-command': 'id' }, { 'verify-required': '' }, { 'x@y': '' }])
    assert.match(verdict(made({ critical: critical as never })), /critical option/)
  const here = made({ critical: { 'source-address': '10.0.0.0/8,192.168.0.1/32' } })
  assert.equal(verdict(here), 'good')
  assert.equal(verdict(here, { source: '192.168.0.1' }), 'good')
  for (const source of ['11.0.0.1', '::1', '192.168.0.2', 'nonsense'])
    assert.match(verdict(here, { source }), /not from/)
  assert.match(verdict(made({ critical: { 'source-address': '0.0.0.0/99,x' } })), /not from/)
  assert.throws(() => issue(text({ principals: [] }), ca, randomBytes(32)), /nobody/)
  for (const name of ['a,b', 'a b', 'a\nb', '', 'a\0'])
    assert.throws(() => issue(text({ principals: [name] }), ca, randomBytes(32)), /separator/)
})

/** The parts of a certificate, so that one can be put together wrong. */
function built(parts: {
  principals?: Uint8Array
  critical?: Uint8Array
  authority?: Uint8Array
  kind?: number
  signer?: Signer
  tail?: Uint8Array
}): Buffer {
  const key = signer()
  const by = parts.signer ?? ca
  const unsigned = message(
    0,
    certificateType('ssh-ed25519'),
    randomBytes(32),
    { raw: new Reader(key.blob, 15).rest() },
    1n,
    parts.kind ?? 1,
    'g_1',
    parts.principals ?? message(0, 'g_1').subarray(1),
    BigInt(nowSeconds - 10),
    BigInt(nowSeconds + 60),
    parts.critical ?? '',
    '',
    '',
    parts.authority ?? by.blob,
  ).subarray(1)
  const signature = message(0, by.sign(by.type, unsigned)).subarray(1)
  return Buffer.concat([unsigned, signature, parts.tail ?? Buffer.alloc(0)])
}

test('raw abuses of certificates are refused (CVE-2025-49825, CVE-2026-35414)', () => {
  assert.equal(verdict(built({})), 'good')
  const nested = issue(text({ keyBlob: ca.blob }), ca, randomBytes(32))
  for (const [name, certificate] of Object.entries({
    'a certificate of a stranger who signed nothing': built({ authority: signer().blob, signer: ca }),
    'a certificate as the authority': built({ authority: nested }),
    'our authority named, another signs': built({ authority: ca.blob, signer: signer() }),
    'no principals': built({ principals: Buffer.alloc(0) }),
    'an empty principal': built({ principals: message(0, '').subarray(1) }),
    'a comma in a principal': built({ principals: message(0, 'g_1,root').subarray(1) }),
    'a principal cut short': built({ principals: Buffer.from([0, 0, 0, 9, 103]) }),
    'an unknown kind': built({ kind: 3 }),
    'a host': built({ kind: 2 }),
    'an option twice': built({
      critical: message(
        0,
        'source-address',
        message(0, '0.0.0.0/0').subarray(1),
        'source-address',
        '',
      ).subarray(1),
    }),
    'options out of order': built({ critical: message(0, 'z', '', 'source-address', '').subarray(1) }),
    'bytes behind its signature': built({ tail: Buffer.of(0) }),
    'a plain key': Buffer.from(ca.blob),
    nothing: Buffer.alloc(0),
    'far too long': Buffer.alloc(20_000),
  }))
    assert.notEqual(verdict(certificate), 'good', name)
  const good = built({})
  fc.assert(
    fc.property(fc.nat(good.length * 8 - 1), bit => {
      const altered = Buffer.from(good)
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.notEqual(verdict(altered), 'good')
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      assert.throws(() => readCertificate(bytes, ca.blob), Malformed)
    }),
  )
})

test("a grant's certificate lives from its activation to its end, and may what the scope may", () => {
  const file = join(w.folder, 'granted-cert.pub')
  const publicKey = w.publicKey.split(' ').slice(0, 2).join(' ')
  const dates = {
    issuedAt: Date.UTC(2026, 2, 1, 12),
    activatedAt: Date.UTC(2026, 2, 1, 12, 1),
    expiresAt: Date.UTC(2026, 2, 1, 12, 10, 5) - 1,
  }
  const grant = { id: 'g_1', request: { connection: 'web-1', publicKey }, ...dates } as Grant
  const scope = w.grant({ exec: ['*'] }).scope
  for (const [more, extensions] of [
    [{}, /Extensions: \(none\)/],
    [{ pty: true }, /Extensions: \n\s+permit-pty\n$/],
    [
      { pty: true, forward: ['db:5432'] as never },
      /Extensions: \n\s+permit-port-forwarding\n\s+permit-pty\n$/,
    ],
  ] as const) {
    writeFileSync(file, `${userCertificate(grant, { ...scope, ...more }, ca, undefined)}\n`)
    const env = { ...process.env, TZ: 'UTC' }
    const said = execFileSync('ssh-keygen', ['-L', '-f', file], { encoding: 'utf8', env })
    assert.match(said, /Valid: from 2026-03-01T12:01:00 to 2026-03-01T12:10:05\n/)
    assert.match(said, extensions)
  }
})

test("OpenSSH comes in with the grant's certificate alone, and trusts the gateway by its authority", async () => {
  const g = w.grant({ exec: ['echo *'], pty: true })
  const grant = {
    id: g.id,
    request: { connection: 'web-1', publicKey: w.publicKey.split(' ').slice(0, 2).join(' ') },
    issuedAt: now - 5000,
    expiresAt: now + 60_000,
  } as Grant
  const scope: SshScope = g.scope
  const certificate = userCertificate(grant, scope, w.authority, ['127.0.0.0/8']) ?? assert.fail()
  // Where OpenSSH looks for it, beside the key.
  const file = `${w.keyFile}-cert.pub`
  writeFileSync(file, `${certificate}\n`)
  const known = join(w.folder, 'known_ca')
  writeFileSync(
    known,
    `@cert-authority [127.0.0.1]:${w.port} ssh-ed25519 ${w.authority.blob.toString('base64')}\n`,
  )
  const args = (id: string) => [
    ...[
      '-o',
      `UserKnownHostsFile=${known}`,
      '-o',
      'PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com',
    ],
    ...[
      '-o',
      'HostKeyAlgorithms=ssh-ed25519-cert-v01@openssh.com',
      ...w.args({ ...g, id }),
      '127.0.0.1',
      'echo in',
    ],
  ]
  const ran = await run('ssh', args(g.id))
  assert.equal(ran.stdout, 'in\n', ran.stderr)

  // Another grant of the same key: the certificate is not for it.
  const other = w.grant({ exec: ['echo *'] })
  assert.equal((await run('ssh', args(other.id))).code, 255)
  // Made for elsewhere, or for a grant whose key is another.
  writeFileSync(file, `${userCertificate(grant, scope, w.authority, ['10.0.0.0/8'])}\n`)
  assert.equal((await run('ssh', args(g.id))).code, 255)
  const stolen = w.grant({ exec: ['echo *'] }, { key: signer().blob })
  writeFileSync(file, `${userCertificate({ ...grant, id: stolen.id }, scope, w.authority, undefined)}\n`)
  assert.equal((await run('ssh', args(stolen.id))).code, 255)
  assert.ok(w.notes.some(note => note.denial.detail.includes('certificate: for other principals')))
})

test('a host certificate names the door, is renewed every day and lives a week', () => {
  let [time, name] = [now, 'ssh.example.com']
  const host = signer()
  const hostKey = `ssh-ed25519 ${host.blob.toString('base64')}`
  const certificate = hostCertificates({ hostKey, authority: ca, host: () => name, now: () => time })
  const first = certificate()
  const read = readCertificate(first, ca.blob)
  assert.deepEqual([read.kind, read.principals, read.keyBlob], ['host', ['ssh.example.com'], host.blob])
  assert.equal(read.before, BigInt(Math.floor(time / 1000) + 7 * 86_400))
  time += 3_600_000
  assert.equal(certificate(), first)
  time += 86_400_000
  assert.notEqual(certificate(), first)
  name = 'other'
  assert.deepEqual(readCertificate(certificate(), ca.blob).principals, ['other'])
})

test('a certificate that is merely offered opens nothing (GHSA-3cjp)', async () => {
  const g = w.grant({ exec: ['*'] })
  const keyBlob = Buffer.from(w.publicKey.split(' ')[1] ?? '', 'base64')
  const made = issue(text({ keyBlob, principals: [g.id] }), w.authority, randomBytes(32))
  const client = await RawClient.connect(w)
  client.send(message(msg.serviceRequest, 'ssh-userauth'))
  const ask = (signed: boolean, algorithm: string, ...more: readonly Uint8Array[]) =>
    client.send(
      message(msg.userauthRequest, g.id, 'ssh-connection', 'publickey', signed, algorithm, made, ...more),
    )
  const algorithm = certificateType('ssh-ed25519')
  ask(false, algorithm)
  await client.see(msg.userauth60)
  ask(true, algorithm, message(0, 'ssh-ed25519', Buffer.alloc(64)).subarray(1))
  await client.see(msg.userauthFailure, 1)
  // Its name must be the key's; a certificate under a plain algorithm is none.
  ask(false, certificateType('rsa-sha2-512'))
  await client.see(msg.userauthFailure, 2)
  ask(false, 'ssh-ed25519')
  await client.see(msg.userauthFailure, 3)
  assert.equal(client.count(msg.userauthSuccess), 0)
  client.socket.destroy()
})
