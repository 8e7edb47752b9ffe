/** OpenSSH 10, as client and as host: its defaults, ML-KEM of its own making, its way of starting sessions. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { endingOf } from '../../ending.ts'
import { openssh10 as bin, noOpenssh10 as skip } from './openssh.fixture.ts'
import { type Granted, run, until, type World, world } from './world.fixture.ts'

const mlkem = 'mlkem768x25519-sha256'

let w: World
before(async () => {
  if (skip !== false) return
  // All tests come from one address, and some fail to log in.
  w = await world({ openssh: bin, extra: `KexAlgorithms ${mlkem}\nRekeyLimit 20M\nPerSourcePenalties no` })
  mkdirSync(join(w.folder, 'data'))
})
after(() => w?.close())

const ssh = (g: Granted, ...more: readonly string[]) => run(join(bin, 'ssh'), [...w.args(g), ...more])

test('both ends choose ML-KEM by themselves, and a command runs', { skip }, async () => {
  const g = w.grant({ exec: ['*'] })
  const ran = await ssh(g, '-v', '127.0.0.1', 'echo hello; exit 7')
  assert.equal(ran.code, 7, ran.stderr)
  assert.equal(ran.stdout, 'hello\n')
  assert.match(ran.stderr, new RegExp(`kex: algorithm: ${mlkem}`))
  assert.match(ran.stderr, /remote software version Postern/)
})

test('keys change by ML-KEM on both sides in the middle of a transfer', { skip }, async () => {
  const g = w.grant({ exec: ['*'] })
  const there = [...w.args(g), '-o', 'RekeyLimit=15M', '127.0.0.1'].join(' ')
  const ran = await run('bash', [
    '-c',
    `seq 1 8000000 | ${bin}/ssh ${there} cat | sha256sum; seq 1 8000000 | sha256sum`,
  ])
  const [back, sent] = ran.stdout.trim().split('\n')
  assert.equal(back, sent, ran.stderr)
  assert.ok(w.last().upstream.wire.exchanges >= 3)
})

test('sftp, and scp in both its modes, both ways', { skip }, async () => {
  const data = join(w.folder, 'data')
  const g = w.grant({ scp: true, sftp: { read: [data], write: [data] } })
  const bytes = randomBytes(700_001)
  writeFileSync(join(w.folder, 'here'), bytes)
  for (const mode of ['-s', '-O']) {
    const scp = (...paths: readonly string[]) =>
      run(join(bin, 'scp'), [...w.args(g, '-P'), mode, '-q', ...paths])
    const up = await scp(join(w.folder, 'here'), `127.0.0.1:${data}/there${mode}`)
    assert.equal(up.code, 0, up.stderr)
    const down = await scp(`127.0.0.1:${data}/there${mode}`, join(w.folder, `back${mode}`))
    assert.equal(down.code, 0, down.stderr)
    assert.deepEqual(readFileSync(join(w.folder, `back${mode}`)), bytes)
    const refused = await scp('127.0.0.1:/etc/hostname', join(w.folder, 'hostname'))
    assert.notEqual(refused.code, 0)
    assert.ok(!existsSync(join(w.folder, 'hostname')))
  }
  const batch = `put ${w.folder}/here ${data}/put\nget ${data}/put ${w.folder}/got\n`
  const sftp = await run(join(bin, 'sftp'), ['-b', '-', ...w.args(g, '-P'), '127.0.0.1'], batch)
  assert.equal(sftp.code, 0, sftp.stderr)
  assert.deepEqual(readFileSync(join(w.folder, 'got')), bytes)
})

test('a master connection, a jump, and a forward on standard input', { skip }, async () => {
  const g = w.grant({ exec: ['*'] })
  const control = ['-o', `ControlPath=${w.folder}/control`]
  const master = await ssh(
    g,
    ...control,
    '-o',
    'ControlMaster=yes',
    '-o',
    'ControlPersist=10',
    '127.0.0.1',
    'true',
  )
  assert.equal(master.code, 0, master.stderr)
  const many = await Promise.all([1, 2, 3, 4].map(n => ssh(g, ...control, '127.0.0.1', `echo ${n}`)))
  assert.deepEqual(
    many.map(({ stdout }) => stdout),
    ['1\n', '2\n', '3\n', '4\n'],
  )
  await ssh(g, ...control, '-O', 'exit', '127.0.0.1')
  const { host, port } = w.target
  const through = w.grant({ forward: [`${host}:${port}`] })
  const config = join(w.folder, 'jump.config')
  const lines = [
    `Host jump\n  HostName 127.0.0.1\n  Port ${w.port}\n  User ${through.id}\n  IdentityFile ${w.keyFile}`,
    `Host target\n  HostName ${host}\n  Port ${port}\n  IdentityFile ${w.folder}/lease`,
    `Host *\n  BatchMode yes\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n`,
  ]
  writeFileSync(config, lines.join('\n'))
  const jumped = await run(join(bin, 'ssh'), ['-F', config, '-J', 'jump', 'target', 'echo through'])
  assert.equal(jumped.stdout, 'through\n', jumped.stderr)
  const spoken = await ssh(through, '-W', `${host}:${port}`, '127.0.0.1')
  assert.match(spoken.stdout, /^SSH-2\.0-OpenSSH_10/, spoken.stderr)
})

test('a cut tells the client why, and the command is told to go', { skip }, async () => {
  const g = w.grant({ exec: ['*'], pty: true })
  const marker = randomBytes(4).readUInt32BE() + 100_000
  const running = ssh(g, '-tt', '127.0.0.1', `echo up; exec sleep ${marker}`)
  const sleeps = async () => (await run('pgrep', ['-f', `^sleep ${marker}`])).code === 0
  await until(sleeps, 'the command runs')
  await w.last().end(endingOf({ id: 'g_1', state: 'expired', ending: 'it expired just now' }))
  const ran = await running
  assert.match(`${ran.stdout}${ran.stderr}`, /postern: grant g_1 expired; session ended/)
  await until(async () => !(await sleeps()), 'the command is gone')
})
