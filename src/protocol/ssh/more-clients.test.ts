import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sshClients } from './openssh.fixture.ts'
import { run, type World, world } from './world.fixture.ts'

const cache = fileURLToPath(new URL('../../../node_modules/.cache/postern/', import.meta.url))
const python = { PYTHONPATH: join(cache, 'python') }

let w: World
before(async () => {
  w = await world()
  mkdirSync(join(w.folder, 'here/deep'), { recursive: true })
  writeFileSync(join(w.folder, 'here/a'), 'a\n')
  writeFileSync(join(w.folder, 'here/deep/b'), 'b\n')
})
after(() => w.close())

function absent(program: string, ...args: readonly string[]): string | false {
  try {
    execFileSync(program, args, { stdio: 'ignore', env: { ...process.env, ...python } })
    return false
  } catch {
    return `${program} ${args.join(' ')} does not run: make setup`
  }
}

for (const { of, ssh, skip } of sshClients) {
  const shell = (g: ReturnType<World['grant']>) => [ssh, ...w.args(g)].join(' ')

  test(`rsync over ${of}'s ssh copies both ways`, {
    skip: skip || absent('rsync', '--version'),
  }, async () => {
    const g = w.grant({ exec: ['*'] })
    const at = mkdtempSync(join(w.folder, 'rsync-'))
    const up = await run('rsync', ['-a', '-e', shell(g), `${w.folder}/here/`, `127.0.0.1:${at}/there/`])
    assert.equal(up.code, 0, up.stderr)
    const down = await run('rsync', ['-a', '-e', shell(g), `127.0.0.1:${at}/there/`, `${at}/back/`])
    assert.equal(down.code, 0, down.stderr)
    assert.equal(readFileSync(join(at, 'back/deep/b'), 'utf8'), 'b\n')
  })

  test(`git over ${of}'s ssh clones and pushes, under patterns that name its two programs and a folder`, {
    skip: skip || absent('git', '--version'),
  }, async () => {
    const at = mkdtempSync(join(w.folder, 'git-'))
    const repo = join(at, 'repo.git')
    execFileSync('git', ['init', '-q', '--bare', '-b', 'main', repo])
    const pull = w.grant({ exec: [`git-upload-pack ${at}/*.git`] })
    const push = w.grant({ exec: [['git-receive-pack', `${at}/*.git`]] })
    const git = (g: ReturnType<World['grant']>, ...args: readonly string[]) =>
      run('git', ['-c', 'user.name=x', '-c', 'user.email=x@example.com', ...args], '', {
        GIT_SSH_COMMAND: shell(g),
      })
    const copy = join(at, 'copy')
    assert.equal((await git(pull, 'clone', '-q', `ssh://127.0.0.1${repo}`, copy)).code, 0)
    writeFileSync(join(copy, 'a'), 'a\n')
    await git(pull, '-C', copy, 'add', 'a')
    await git(pull, '-C', copy, 'commit', '-qm', 'a')
    const refused = await git(pull, '-C', copy, 'push', '-q', 'origin', 'HEAD:main')
    assert.match(refused.stderr, /statement_refused/)
    const pushed = await git(push, '-C', copy, 'push', '-q', 'origin', 'HEAD:main')
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.match(execFileSync('git', ['-C', repo, 'log', '--oneline', 'main'], { encoding: 'utf8' }), / a\n/)
  })
}

test('ssh -J jumps through the gateway to a host that forward lists, and to no other', async () => {
  const { host, port } = w.target
  const config = join(w.folder, 'jump.config')
  const jump = (name: string, g: ReturnType<World['grant']>) =>
    [
      `Host ${name}`,
      `  HostName 127.0.0.1`,
      `  Port ${w.port}`,
      `  User ${g.id}`,
      `  IdentityFile ${w.keyFile}`,
    ].join('\n')
  const all = [
    'Host *',
    '  BatchMode yes',
    '  IdentitiesOnly yes',
    `  UserKnownHostsFile ${w.folder}/jump.known`,
  ]
  const target = ['Host target', `  HostName ${host}`, `  Port ${port}`, `  IdentityFile ${w.folder}/lease`]
  writeFileSync(
    config,
    [
      jump('jump', w.grant({ forward: [`${host}:${port}`] })),
      jump('dead-end', w.grant({ forward: ['db:5432'] })),
      ...[...target, ...all, ''],
    ].join('\n'),
  )
  const hostKey = execFileSync('cut', ['-d ', '-f1-2', `${w.folder}/host.pub`], { encoding: 'utf8' }).trim()
  const known = readFileSync(join(w.folder, 'known_hosts'), 'utf8')
  writeFileSync(join(w.folder, 'jump.known'), `${known}[${host}]:${port} ${hostKey}\n`)
  const there = await run('ssh', ['-F', config, '-J', 'jump', 'target', 'echo through'])
  assert.equal(there.stdout, 'through\n', there.stderr)
  const nowhere = await run('ssh', ['-F', config, '-J', 'dead-end', 'target', 'echo through'])
  assert.match(nowhere.stderr, /forward is not in scope/)
})

test('asyncssh runs a command and reads a file', {
  skip: absent('/usr/bin/python3', '-c', 'import asyncssh'),
}, async () => {
  const g = w.grant({ exec: ['echo *'], sftp: { read: [join(w.folder, 'here')] } })
  const script = `
import asyncio, asyncssh
async def main():
    async with asyncssh.connect('127.0.0.1', ${w.port}, username='${g.id}', client_keys=['${w.keyFile}'], known_hosts='${w.folder}/known_hosts', config=[], agent_path=None) as c:
        print((await c.run('echo hello')).stdout, end='')
        async with c.start_sftp_client() as s:
            print(await s.listdir('.') != [], (await (await s.open('a')).read()), end='')
            try: await s.stat('/etc/passwd')
            except asyncssh.SFTPPermissionDenied: print('denied')
asyncio.run(main())
`
  const ran = await run('/usr/bin/python3', ['-c', script], '', python)
  assert.equal(ran.stdout, 'hello\nTrue a\ndenied\n', ran.stderr)
})

test("Go's x/crypto/ssh runs commands, by ML-KEM too, and is told what was refused by its exit status", {
  skip: existsSync(join(cache, 'ssh-go')) ? false : 'not built: make setup',
}, async () => {
  const g = w.grant({ exec: ['echo *'] })
  const known = readFileSync(join(w.folder, 'known_hosts'), 'utf8').trim()
  const at = `127.0.0.1:${w.port}`
  for (const KEX of ['', 'curve25519-sha256', 'mlkem768x25519-sha256']) {
    const ran = await run(join(cache, 'ssh-go'), [at, g.id, g.password, known, 'echo hello', 'id'], '', {
      KEX,
    })
    assert.equal(ran.stdout, 'hello\n<nil>\nProcess exited with status 126\n', ran.stderr)
  }
})
