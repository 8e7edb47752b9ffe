/** What people reach hosts with, unchanged, through the gateway. docs/protocols/ssh.md has the table. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { freePort } from '../../src/demo/ports.ts'
import { newKey, python3, sshOptions } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { missing, type Ran, run, until } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'

const root = resolve(import.meta.dirname, '../..')
const cache = join(root, 'node_modules/.cache/postern')
const here = join(import.meta.dirname, 'ssh-matrix')
const modules = join(cache, 'python')
const sshd = missing('/usr/sbin/sshd', 'ssh')
const absent = (path: string, program: string): string | false =>
  sshd || missing(program) || (existsSync(join(cache, path)) ? false : `${path} is not set up: make setup`)

interface Client {
  readonly name: string
  readonly skip: string | false
  run(env: Readonly<Record<string, string>>): Promise<Ran>
}

const byPython = (name: string, module: string | undefined, script: string): Client => ({
  name,
  skip: module === undefined ? sshd || missing(python3) : absent(`python/${module}`, python3),
  run: env => run(python3, [join(here, script)], { env: { ...env, PYTHONPATH: modules } }),
})

/** Each runs a command, is refused another, reads a file over sftp and is denied one. */
const clients: readonly Client[] = [
  byPython('paramiko', undefined, 'paramiko_.py'),
  byPython('asyncssh', 'asyncssh', 'asyncssh_.py'),
  byPython('libssh2 (ssh2-python)', 'ssh2', 'libssh2_.py'),
  {
    name: 'JSch',
    skip: absent('jsch', 'java'),
    run: env =>
      run('java', ['-cp', join(cache, 'jsch/*'), join(here, 'java/Jsch.java')], { env, timeout: 60_000 }),
  },
]

let home: Home
let okta: FakeOkta
let gateway: Gateway
let folder: string
let known: string
let served: number
const bytes = randomBytes(300_000)
before(async () => {
  if (sshd) return
  home = await openHome()
  okta = await fakeOkta(home)
  folder = await home.folder('files')
  served = await freePort()
  await writeFile(join(folder, 'file'), bytes)
  gateway = await startGateway(home, {
    okta,
    sshd: await startSshd(home),
    rules: `
  - { group: tail-agents, connection: web-1, ttl: 10m, scope: { exec: ["echo hello; exit 4"], scp: true, sftp: { read: [${folder}] } } }
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { shell: true, exec: ["*"], sftp: write, forward: ["127.0.0.1:${served}"] } }
`,
  })
  known = join(home.dir, 'known')
  const lines = await gateway.api('GET', '/v1/ssh/known_hosts')
  await writeFile(known, lines.text)
})
after(() => home?.close())

async function granted(group: string) {
  const answer = await gateway.grant(okta.token({ groups: [group] }), 'web-1')
  assert.equal(answer.status, 201, answer.text)
  const { username, password } = answer.json.credential
  return {
    PORT: String(gateway.ports.ssh),
    GRANT: String(username),
    PASSWORD: String(password),
    FILE: join(folder, 'file'),
    KNOWN_HOSTS: known,
  }
}

for (const { name, skip, run } of clients)
  test(`${name}: a command, a refusal, a file and a denial`, { skip }, async () => {
    const ran = await run(await granted('tail-agents'))
    const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
    const expected = `command hello 4\nrefused 126\nread ${bytes.length} ${digest}\ndenied 3\n`
    assert.equal(ran.stdout, expected, ran.stderr)
  })

/**
 * Remote-SSH runs `ssh -T -D PORT host sh`, gives the shell a script that starts its server and prints where it listens
 * between marks, and connects there through the SOCKS port. The server here is a stand-in: VS Code's own is downloaded.
 */
test("VS Code's way in: a script for a shell, then a connection through -D to what it has started", {
  skip: sshd || missing('curl', python3),
}, async () => {
  const key = await newKey(home)
  const answer = await gateway.grant(okta.token(), 'web-1', { public_key: key.public })
  const socks = await freePort()
  const client = spawn(
    'ssh',
    [
      ...sshOptions(gateway, key),
      ...['-T', '-D', `127.0.0.1:${socks}`, '-o', 'ConnectTimeout=15'],
      ...[`${answer.json.credential.username}@127.0.0.1`, 'sh'],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  let said = ''
  client.stdout.on('data', chunk => {
    said += chunk
  })
  client.stdin.write(`
cd ${folder}
${python3} -m http.server --bind 127.0.0.1 ${served} >/dev/null 2>&1 &
echo "mark: start"
echo "listeningOn==${served}=="
echo "mark: end"
`)
  try {
    await until('the script has run', () => said.includes('mark: end'))
    assert.match(said, new RegExp(`listeningOn==${served}==`))
    const fetched = () =>
      run('curl', ['-sS', '-x', `socks5h://127.0.0.1:${socks}`, `http://127.0.0.1:${served}/`])
    const page = await until('the server answers', async () => {
      const ran = await fetched()
      return ran.status === 0 ? ran.stdout : ''
    })
    assert.match(page, /href="file"/)
    // The API's port answers everybody on this machine, but forward does not list it.
    const elsewhere = await run('curl', ['-sS', '-x', `socks5h://127.0.0.1:${socks}`, gateway.url])
    assert.equal(elsewhere.status, 97, elsewhere.stderr)
  } finally {
    client.kill()
  }
})
