/** ATTACKS.md section 4.4 over the wire, through real clients to a real sshd. Byte-level tries stand beside the protocol's own code. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import ssh2 from 'ssh2'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type AgentKey, newKey, python, python3, sftp, ssh } from '../fixtures/clients.ts'
import { type Answer, type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { missing, type Ran, until } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'
import { audit } from './send.ts'

const skip = missing('/usr/sbin/sshd', 'ssh', 'sftp')
let home: Home
let okta: FakeOkta
let gateway: Gateway
let folder: string

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  folder = await home.folder('files')
  await mkdir(join(folder, 'inside'))
  await writeFile(join(folder, 'inside', 'note'), 'inside\n')
  await writeFile(join(folder, 'outside'), 'outside\n')
  await symlink(join(folder, 'outside'), join(folder, 'inside', 'link'))
  gateway = await startGateway(home, {
    okta,
    sshd: await startSshd(home),
    connections: `  hostile:
    protocol: ssh
    target: { host: 127.0.0.1, port: 1, host_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDaWHuGKVYkBlIZnM2jJYbaLT3mNyNfOOYNZ9kZNg3k" }
    lease: { user: root, private_key: "file:web-1.key" }
`,
    rules: `
  - { group: shell-agents, connection: web-1, ttl: 10m, scope: { shell: true, exec: ["*"], sftp: read } }
  - { group: list-agents, connection: web-1, ttl: 10m, scope: { exec: ["ls ${folder}/*", "cat"] } }
  - { group: file-agents, connection: web-1, ttl: 10m, scope: { sftp: read } }
  - { group: no-agents, connection: web-1, ttl: 10m, scope: { exec: ["true"] } }
  - { group: hostile-agents, connection: hostile, ttl: 10m, scope: { exec: ["*"] } }
`,
  })
})
after(() => home?.close())

const open: ssh2.Client[] = []
afterEach(() => {
  for (const client of open.splice(0)) client.end()
})

async function granted(group: string, connection = 'web-1', by?: AgentKey): Promise<Answer['json']> {
  const answer = await gateway.grant(
    okta.token({ groups: [group] }),
    connection,
    by === undefined ? {} : { public_key: by.public },
  )
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}

/** OpenSSH with a key that was made for one grant: a key opens one live grant and no second one (attack 62). */
async function openSsh(
  group: string,
  args: readonly string[],
  { input, connection }: { input?: string; connection?: string } = {},
): Promise<Ran> {
  const key = await newKey(home)
  const grant = await granted(group, connection, key)
  return ssh(gateway, grant, key, args, input === undefined ? {} : { input })
}

async function entered(group: string, more: ssh2.ConnectConfig = {}): Promise<ssh2.Client> {
  const grant = await granted(group)
  const client = new ssh2.Client()
  open.push(client)
  await new Promise<void>((done, fail) => {
    client.once('ready', done).once('error', fail)
    client.connect({
      host: '127.0.0.1',
      port: gateway.ports.ssh,
      username: grant.id,
      password: grant.credential.password,
      ...more,
    })
  })
  client.on('error', () => undefined)
  return client
}

/** What a callback-style call says: an error's text, or that it was granted. */
const tried = (call: (done: (error?: Error | null) => void) => unknown): Promise<string> =>
  new Promise(said => {
    try {
      call(error => said(error ? `refused: ${error.message}` : 'granted'))
    } catch (error) {
      said(`refused: ${error}`)
    }
    setTimeout(() => said('silence'), 8000).unref()
  })

const output = (client: ssh2.Client, command: string, options: ssh2.ExecOptions = {}): Promise<string> =>
  new Promise((done, fail) =>
    client.exec(command, options, (error, channel) => {
      if (error) return fail(error)
      let text = ''
      channel.on('data', (chunk: Buffer) => (text += chunk))
      channel.stderr.on('data', (chunk: Buffer) => (text += chunk))
      channel.once('close', () => done(text))
    }),
  )

test('S107: variables that make loaders and shells run code do not reach the host', { skip }, async () => {
  const client = await entered('shell-agents')
  const env = {
    LD_PRELOAD: '/tmp/evil.so',
    BASH_ENV: '/tmp/evil',
    PATH: '/tmp/evil',
    GIT_SSH_COMMAND: 'evil',
    PERL5OPT: '-Mevil',
    LD_LIBRARY_PATH: '/tmp/evil',
    LC_EVIL: 'evil',
    LANG: 'evil',
  }
  const said = await output(client, 'env; true', { env }).catch(String)
  assert.doesNotMatch(said, /evil/)
})

test('S108, S109: no forward is opened, however its address is written, and no other channel', {
  skip,
}, async () => {
  const canary = createServer(socket => socket.end('reached'))
  await new Promise<void>(done => canary.listen(0, '127.0.0.1', done))
  home.onEnd(() => void canary.close())
  let reached = 0
  canary.on('connection', () => reached++)
  const { port } = canary.address() as AddressInfo
  const client = await entered('shell-agents')
  for (const host of [
    '127.0.0.1',
    'localhost',
    '::ffff:127.0.0.1',
    '2130706433',
    '0x7f000001',
    '127.1',
    '169.254.169.254',
    '0.0.0.0',
  ])
    assert.match(await tried(done => client.forwardOut('127.0.0.1', 1, host, port, done)), /^refused/, host)
  assert.match(
    await tried(done => client.openssh_forwardOutStreamLocal('/var/run/docker.sock', done)),
    /^refused/,
  )
  assert.equal(reached, 0)
  const said = await openSsh('shell-agents', ['-W', `127.0.0.1:${port}`])
  assert.notEqual(said.status, 0)
  assert.equal(reached, 0)
})

test('S110, S111: agent and X11 forwarding and remote forwards are refused', { skip }, async () => {
  const client = await entered('shell-agents')
  assert.match(await tried(done => client.forwardIn('127.0.0.1', 0, done)), /^refused|silence/)
  assert.match(
    await tried(done => client.openssh_forwardInStreamLocal(`${folder}/sock`, done)),
    /^refused|silence/,
  )
  assert.equal(existsSync(`${folder}/sock`), false)
  assert.match(await tried(done => client.exec('true', { x11: true }, done)), /^refused/)
  const agent = await output(await entered('shell-agents'), 'echo "agent:$SSH_AUTH_SOCK"')
  assert.equal(agent, 'agent:\n')
})

test('S112: subsystems other than sftp are refused, whatever they are called', { skip }, async () => {
  for (const name of ['netconf', '../../bin/sh', '/bin/sh', '', 'sftp;id', 'SFTP', 'x'.repeat(20_000)]) {
    const client = await entered('shell-agents')
    assert.match(await tried(done => client.subsys(name, done)), /^refused/, name.slice(0, 40))
  }
})

test('S113: a pattern for one command lets no second one through, by whatever shell syntax', {
  skip,
}, async () => {
  const trace = join(folder, 'trace')
  const hide = [
    `; touch ${trace}`,
    `&& touch ${trace}`,
    `|| touch ${trace}`,
    `| touch ${trace}`,
    `& touch ${trace}`,
    `\ntouch ${trace}`,
    `\rtouch ${trace}`,
    `$(touch ${trace})`,
    `\`touch ${trace}\``,
    `> ${trace}`,
    `>> ${trace}`,
    `<(touch ${trace})`,
    `$\{IFS}`,
    `<<< x`,
    `<< EOF\nx\nEOF`,
    `--color=$(touch ${trace})`,
    '*',
    '{a,b}',
    '$HOME',
    '../..',
    `inside/../../x`,
    '\u00a0;id',
    'x -la',
    'x --color=auto',
    '"$(id)"',
    '\\\n; id',
  ]
  const client = await entered('list-agents')
  for (const rest of hide) {
    const said = await output(client, `ls ${folder}/${rest}`).catch(error => `refused: ${error.message}`)
    assert.match(said, /refused|not permitted|not allow|may run/i, JSON.stringify(rest))
  }
  for (const command of [
    ` ;touch ${trace}`,
    'sh',
    `sh -c "touch ${trace}"`,
    `/bin/ls ${folder}/x`,
    'LS',
    `env ls ${folder}/x`,
    `A=b ls ${folder}/x`,
    `exec ls ${folder}/x`,
    `'ls' ${folder}/x; id`,
    '',
    ' ',
  ]) {
    const said = await output(client, command).catch(error => `refused: ${error.message}`)
    assert.doesNotMatch(said, /uid=|^\/|root/, JSON.stringify(command))
  }
  assert.equal(existsSync(trace), false)
  assert.equal(await output(client, `ls ${folder}/outside`), `${folder}/outside\n`)
})

test('S115: a scope of commands gives no shell, no terminal and no files', { skip }, async () => {
  const client = await entered('list-agents')
  assert.match(await tried(done => client.shell(done)), /^refused/)
  assert.match(await tried(done => client.sftp(done)), /^refused/)
  const terminal = await output(await entered('list-agents'), `ls ${folder}/outside`, { pty: true }).catch(
    error => `refused: ${error.message}`,
  )
  assert.doesNotMatch(terminal, /uid=/)
  const typed = await openSsh('list-agents', ['cat'], { input: 'typed into cat\n' })
  assert.equal(typed.stdout, 'typed into cat\n', typed.stderr)
})

test('S117, S118: sftp that reads makes no link, changes no attribute and opens nothing for writing', {
  skip,
}, async () => {
  const client = await entered('file-agents')
  const files = await new Promise<ssh2.SFTPWrapper>((done, fail) =>
    client.sftp((error, it) => (error ? fail(error) : done(it))),
  )
  const read = (path: string): Promise<string> =>
    new Promise(done =>
      files.readFile(path, (error, data) => done(error ? `refused: ${error.message}` : data.toString())),
    )
  assert.equal(await read(`${folder}/inside/note`), 'inside\n')
  const changes: ((done: (error?: Error | null) => void) => unknown)[] = [
    done => files.symlink('/etc/passwd', `${folder}/inside/evil`, done),
    done => files.ext_openssh_hardlink('/etc/passwd', `${folder}/inside/hard`, done),
    done => files.rename(`${folder}/inside/note`, `${folder}/inside/other`, done),
    done => files.ext_openssh_rename(`${folder}/inside/note`, `${folder}/inside/other`, done),
    done => files.unlink(`${folder}/inside/note`, done),
    done => files.mkdir(`${folder}/inside/new`, done),
    done => files.rmdir(`${folder}/inside`, done),
    done => files.chmod(`${folder}/inside/note`, 0o777, done),
    done => files.setstat(`${folder}/inside/note`, { size: 0 } as never, done),
    done => files.open(`${folder}/inside/note`, 'w', done),
    done => files.open(`${folder}/inside/note`, 'a', done),
    done => files.open(`${folder}/inside/new`, 'wx', done),
    done => files.open(`${folder}/inside/note`, 'r+', done),
  ]
  for (const change of changes) assert.match(await tried(change), /^refused/, String(change))
  assert.equal(await readFile(`${folder}/inside/note`, 'utf8'), 'inside\n')
})

test('S118: reading files gives no way to change one', { skip }, async () => {
  const key = await newKey(home)
  const grant = await granted('shell-agents', 'web-1', key)
  for (const batch of [
    `put ${folder}/outside ${folder}/up`,
    `rm ${folder}/outside`,
    `rename ${folder}/outside ${folder}/gone`,
    `chmod 777 ${folder}/outside`,
    `ln -s /etc ${folder}/ln`,
    `mkdir ${folder}/dir`,
  ]) {
    const answer = await sftp(gateway, grant, key, `${batch}\n`)
    assert.notEqual(answer.status, 0, batch)
    assert.match(answer.stderr, /denied|not permitted|unsupported|failure/i, batch)
  }
  for (const left of ['up', 'gone', 'ln', 'dir']) assert.equal(existsSync(join(folder, left)), false)
  assert.equal(await readFile(join(folder, 'outside'), 'utf8'), 'outside\n')
})

test('S120: scp in its old mode is refused where the scope does not say it', { skip }, async () => {
  const client = await entered('list-agents')
  for (const command of [`scp -t ${folder}`, `scp -f ${folder}/outside`]) {
    const said = await output(client, command).catch(error => `refused: ${error.message}`)
    assert.doesNotMatch(said, /^C0/)
  }
})

test('S121: channels have a limit, and the gateway answers others meanwhile', { skip }, async () => {
  const client = await entered('shell-agents')
  const all = await Promise.all(
    Array.from({ length: 60 }, () =>
      tried(done =>
        client.exec('sleep 5', (error, channel) => {
          if (channel !== undefined) channel.resume()
          done(error)
        }),
      ),
    ),
  )
  assert.ok(
    all.some(said => /^refused/.test(said)),
    'sixty channels were all opened',
  )
  assert.equal((await openSsh('shell-agents', ['echo on'])).stdout, 'on\n')
})

test('S122: a master connection ends with its grant, and no new channel is opened on it', {
  skip,
}, async () => {
  const token = okta.token({ groups: ['shell-agents'] })
  const grant = (await gateway.grant(token, 'web-1')).json
  const client = new ssh2.Client()
  open.push(client)
  await new Promise<void>((done, fail) =>
    client.once('ready', done).once('error', fail).connect({
      host: '127.0.0.1',
      port: gateway.ports.ssh,
      username: grant.id,
      password: grant.credential.password,
    }),
  )
  client.on('error', () => undefined)
  let closed = false
  client.once('close', () => {
    closed = true
  })
  assert.equal(await output(client, 'echo first'), 'first\n')
  assert.equal((await gateway.api('DELETE', `/v1/grants/${grant.id}`, token)).status, 204)
  assert.match(await tried(done => client.exec('echo second', done)), /refused|silence/)
  await until('the connection is gone', () => closed, 3000)
})

test('S123: none, an empty password, keyboard-interactive, host-based and keys of strangers do not get in', {
  skip: skip || missing(python3),
}, async () => {
  const grant = await granted('shell-agents')
  const key = await newKey(home)
  const keyed = await granted('shell-agents', 'web-1', key)
  const answer = await python(
    `
import os, paramiko
ID, KEYED, PORT = os.environ['ID'], os.environ['KEYED'], int(os.environ['PORT'])
def attempt(name, f):
    t = paramiko.Transport(('127.0.0.1', PORT)); t.start_client(timeout=10)
    try:
        f(t); print(name, 'IN' if t.is_authenticated() else 'out')
    except Exception as e: print(name, 'out')
    t.close()
attempt('none', lambda t: t.auth_none(ID))
attempt('empty', lambda t: t.auth_password(ID, ''))
attempt('keyboard', lambda t: t.auth_interactive(ID, lambda *a: ['x' for _ in a[2]]))
attempt('stranger', lambda t: t.auth_publickey(KEYED, paramiko.RSAKey.generate(2048)))
attempt('key for password grant', lambda t: t.auth_publickey(ID, paramiko.ECDSAKey.generate()))
attempt('password for key grant', lambda t: t.auth_password(KEYED, 'pst_x'))
for user in ('grant%target', ID + ':web-1', ID + '@evil', '-oProxyCommand=x', ID + '\\0', 'x' * 30000, 'root', ''):
    attempt('user', lambda t: t.auth_password(user, os.environ['PASSWORD']))
`,
    {
      env: {
        ID: grant.id,
        KEYED: keyed.id,
        PASSWORD: grant.credential.password,
        PORT: String(gateway.ports.ssh),
      },
    },
  )
  assert.doesNotMatch(answer.stdout, /IN/)
  assert.equal(answer.stdout.trim().split('\n').length, 14, answer.stderr)
  assert.equal((await ssh(gateway, keyed, key, ['echo in'])).stdout, 'in\n')
})

test('S125: strict key exchange is offered, and nothing that is weak', { skip }, async () => {
  const socket = connect(gateway.ports.ssh, '127.0.0.1')
  let offered = ''
  socket.setEncoding('latin1').on('data', chunk => (offered += chunk))
  socket.on('error', () => undefined).write('SSH-2.0-attack\r\n')
  await until('the key exchange is offered', () => offered.includes('none'))
  socket.destroy()
  assert.match(offered, /kex-strict-s-v00@openssh\.com/)
  assert.doesNotMatch(
    offered,
    /group1-sha1|group14-sha1|group-exchange-sha1|3des|arcfour|[a-z0-9]-cbc|hmac-md5|hmac-sha1|ssh-dss|ssh-rsa[,\0]|zlib/,
  )
})

test('S129: a host that cannot be reached, or shows another key, is told so without a word of the lease', {
  skip,
}, async () => {
  const answer = await openSsh('hostile-agents', ['id'], { connection: 'hostile' })
  assert.notEqual(answer.status, 0)
  assert.doesNotMatch(answer.stdout + answer.stderr, /uid=|PRIVATE|ECONNREFUSED|127\.0\.0\.1:1\b/)
  const [line] = await audit(gateway, okta, { connection: 'hostile', type: 'session.refused' })
  assert.equal(line?.['reason'], 'upstream_unreachable')
})
