import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { Refused } from '../../denial.ts'
import { endingOf } from '../../ending.ts'
import type { Grant, Narrowed } from '../../words.ts'
import { userCertificate } from './authority.ts'
import { ssh } from './index.ts'
import type { SshScope } from './scope.ts'
import { run, type World, world } from './world.fixture.ts'

const python = '/usr/bin/python3'
/** Where `make setup` puts what Debian does not have. */
const modules = resolve(import.meta.dirname, '../../../node_modules/.cache/postern/python')
const env = { PYTHONPATH: modules, PYTHONDONTWRITEBYTECODE: '1' }

function without(module: string): string | false {
  try {
    execFileSync(python, ['-c', `import ${module}`], { env: { ...process.env, ...env }, stdio: 'ignore' })
    return false
  } catch {
    return `${module} is not installed: make setup`
  }
}

let w: World
before(async () => {
  w = await world({ extra: 'RekeyLimit 20M' })
})
after(() => w.close())

test('OpenSSH comes in with each cipher and MAC that is offered, and with nothing older', async () => {
  const g = w.grant({ exec: ['echo *'] })
  for (const cipher of [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
    'chacha20-poly1305@openssh.com',
  ])
    for (const mac of ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com']) {
      const ran = await run('ssh', [...w.args(g), '-c', cipher, '-m', mac, '127.0.0.1', 'echo in'])
      assert.equal(ran.stdout, 'in\n', `${cipher} ${mac}: ${ran.stderr}`)
    }
  for (const old of [
    ['-c', 'aes256-cbc'],
    ['-c', 'aes128-ctr', '-m', 'hmac-sha1'],
    ['-o', 'KexAlgorithms=diffie-hellman-group14-sha1'],
    ['-o', 'HostKeyAlgorithms=ssh-rsa'],
  ]) {
    const ran = await run('ssh', [...w.args(g), ...old, '127.0.0.1', 'echo in'])
    assert.equal(ran.code, 255)
    assert.match(ran.stderr, /no matching|Unable to negotiate/)
  }
})

for (const [algorithm, bits, kex] of [
  ['ecdsa-sha2-nistp256', '256', 'ecdh-sha2-nistp256'],
  ['ecdsa-sha2-nistp384', '384', 'ecdh-sha2-nistp384'],
  ['ecdsa-sha2-nistp521', '521', 'ecdh-sha2-nistp521'],
  ['rsa-sha2-256', '2048', 'curve25519-sha256'],
  ['rsa-sha2-512', '2048', 'curve25519-sha256@libssh.org'],
] as const)
  test(`${algorithm} opens the door and is believed of a host, bare and certified, over ${kex}`, async () => {
    const certified = `${algorithm}-cert-v01@openssh.com`
    await using host = await world({
      extra: folder =>
        `HostKey ${folder}/own\nHostCertificate ${folder}/own-cert.pub\nHostKeyAlgorithms ${algorithm},${certified}\nKexAlgorithms ${kex}`,
      prepare(folder) {
        const keygen = (...args: readonly string[]) => execFileSync('ssh-keygen', ['-q', ...args])
        const [ca, own] = [join(folder, 'ca'), join(folder, 'own')]
        keygen('-t', 'ed25519', '-N', '', '-f', ca)
        keygen('-t', algorithm.startsWith('rsa') ? 'rsa' : 'ecdsa', '-b', bits, '-N', '', '-f', own)
        for (const end of ['', '.pub']) copyFileSync(`${own}${end}`, join(folder, `user${end}`))
        keygen('-s', ca, '-h', '-I', 'web', '-n', '127.0.0.1', `${own}.pub`)
      },
    })
    const publicOf = (name: string) =>
      readFileSync(join(host.folder, name), 'utf8').split(' ').slice(0, 2).join(' ')
    const publicKey = publicOf('own.pub')
    const g = host.grant({ exec: ['echo *'] }, { key: Buffer.from(publicKey.split(' ')[1] ?? '', 'base64') })
    const dates = { issuedAt: Date.now() - 5000, expiresAt: Date.now() + 60_000 }
    const grant = { id: g.id, request: { connection: 'web-1', publicKey }, ...dates } as Grant
    const user = join(host.folder, 'user')
    writeFileSync(
      `${user}-cert.pub`,
      userCertificate(grant, g.scope, host.authority, undefined) ?? assert.fail(),
    )
    for (const [name, target] of [
      [algorithm, { host_key: publicKey }],
      [certified, { host_key: undefined, host_ca: publicOf('ca.pub') }],
    ] as const) {
      Object.assign(host.target, target)
      const only = ['-i', user, '-o', `PubkeyAcceptedAlgorithms=${name}`]
      const ran = await run('ssh', [...only, ...host.args(g), '127.0.0.1', 'echo in'])
      assert.equal(ran.stdout, 'in\n', `${name}: ${ran.stderr}`)
    }
  })

test('keys change on both sides in the middle of a transfer, and nothing is lost', async () => {
  const g = w.grant({ exec: ['*'] })
  const size = 100_000_000
  const limit = ['-o', 'RekeyLimit=15M', '-c', 'aes128-gcm@openssh.com']
  const down = await run('bash', [
    '-c',
    `ssh ${[...w.args(g), ...limit].join(' ')} 127.0.0.1 'seq 1 100000000 | head -c ${size}' | sha256sum`,
  ])
  const wanted = await run('bash', ['-c', `seq 1 100000000 | head -c ${size} | sha256sum`])
  assert.equal(down.stdout, wanted.stdout, down.stderr)
  assert.ok(w.last().upstream.wire.exchanges >= 4, `the host's: ${w.last().upstream.wire.exchanges}`)
  const up = await run('bash', [
    '-c',
    `seq 1 100000000 | head -c ${size} | ssh ${[...w.args(g), ...limit, '-c', 'aes256-ctr'].join(' ')} 127.0.0.1 sha256sum`,
  ])
  assert.equal(up.stdout, wanted.stdout, up.stderr)
})

test('ChaCha20-Poly1305 on both sides, towards a host that has nothing else, across changes of keys', async () => {
  await using host = await world({ extra: 'RekeyLimit 2M\nCiphers chacha20-poly1305@openssh.com' })
  const g = host.grant({ exec: ['*'] })
  const there = ['-c', 'chacha20-poly1305@openssh.com', '-o', 'RekeyLimit=2M', '127.0.0.1']
  const ran = await run('bash', [
    '-c',
    `seq 1 2000000 | ssh ${[...host.args(g), ...there].join(' ')} cat | sha256sum; seq 1 2000000 | sha256sum`,
  ])
  const [back, sent] = ran.stdout.trim().split('\n')
  assert.equal(back, sent, ran.stderr)
  assert.ok(host.last().upstream.wire.exchanges >= 4)
})

test('a cut in the middle of key changes is on time', async () => {
  const g = w.grant({ exec: ['*'] })
  const client = spawn('ssh', [...w.args(g), '-o', 'RekeyLimit=1M', '127.0.0.1', 'yes 456789'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [bytes, said] = [0, '']
  client.stdout.on('data', chunk => {
    bytes += chunk.length
  })
  client.stderr.on('data', chunk => {
    said += chunk
  })
  while (bytes < 20_000_000) await once(client.stdout, 'data')
  const began = performance.now()
  const closed = once(client, 'close')
  await w.last().end(endingOf({ id: 'g_1', state: 'expired', ending: 'it expired just now' }))
  await closed
  assert.ok(performance.now() - began < 1000)
  assert.match(said, /postern: grant g_1 expired; session ended/)
})

test('ML-KEM beside X25519, from a client and towards a host (asyncssh)', {
  skip: without('asyncssh'),
}, async () => {
  const g = w.grant({ exec: ['echo *'] })
  const script = join(w.folder, 'client.py')
  writeFileSync(
    script,
    `
import asyncio, asyncssh, sys
async def main():
    async with asyncssh.connect('127.0.0.1', ${w.port}, username='${g.id}', client_keys=['${w.keyFile}'], known_hosts='${w.folder}/known_hosts', config=[], agent_path=None, kex_algs=['mlkem768x25519-sha256']) as c:
        print((await c.run('echo quantum')).stdout, end='')
asyncio.run(main())
`,
  )
  const ran = await run(python, [script], '', env)
  assert.equal(ran.stdout, 'quantum\n', ran.stderr)

  const server = join(w.folder, 'server.py')
  writeFileSync(
    server,
    `
import asyncio, asyncssh
class Open(asyncssh.SSHServer):
    def begin_auth(self, username): return False
async def main():
    s = await asyncssh.listen('127.0.0.1', 0, server_factory=Open, server_host_keys=['${w.folder}/host'], kex_algs=['mlkem768x25519-sha256'])
    print(s.get_port(), flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
`,
  )
  const host = spawn(python, [server], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [line] = await once(host.stdout, 'data')
    const reached = await ssh.dial({
      target: { ...w.target, port: Number(line) },
      lease: w.lease as never,
      scope: g.scope as Narrowed<SshScope>,
      grant: { id: g.id } as Grant,
      session: 's_1',
      signal: new AbortController().signal,
    })
    assert.ok(!(reached instanceof Refused), JSON.stringify(reached))
    reached.destroy()
  } finally {
    host.kill()
  }
})

test('ssh-audit finds nothing to fail', { skip: without('ssh_audit') }, async () => {
  const args = ['-m', 'ssh_audit', '-n', '-p', String(w.port), '127.0.0.1']
  const audited = await run(python, args, '', env)
  assert.match(audited.stdout, /\(kex\) mlkem768x25519-sha256/)
  assert.doesNotMatch(audited.stdout, /\[fail\]/, audited.stdout)
  const warned = audited.stdout.split('\n').filter(line => line.includes('[warn]'))
  // Clients before OpenSSH 9.9 know nothing that withstands a quantum computer and that Node has.
  for (const line of warned) assert.match(line, /curve25519-sha256/, audited.stdout)
})

test('what asks for nothing we have is told goodbye, not left waiting', async () => {
  const socket = connect(w.port, '127.0.0.1')
  socket.resume()
  socket.write('SSH-2.0-x\r\n')
  socket.write(Buffer.from(`0000000c0a14${'00'.repeat(10)}`, 'hex'))
  await once(socket, 'close')
})
