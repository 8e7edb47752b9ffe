import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { refuse } from '../../denial.ts'
import { sshClients } from './openssh.fixture.ts'
import { run, until, type World, world } from './world.fixture.ts'

let w: World
before(async () => {
  w = await world()
})
after(() => w.close())

const ssh = (g: ReturnType<World['grant']>, ...more: readonly string[]) =>
  run('ssh', [...w.args(g), '127.0.0.1', ...more])

test("ssh with the grant's key runs a command, and its output and exit status come back", async () => {
  const ran = await ssh(w.grant({ exec: ['*'] }), 'echo hello; echo oops >&2; exit 7')
  assert.deepEqual(ran, { code: 7, stdout: 'hello\n', stderr: 'oops\n' })
})

test("paramiko with the grant's password runs a command", async () => {
  const g = w.grant({ exec: ['echo *'] })
  const python = `
import paramiko, sys
c = paramiko.SSHClient(); c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect('127.0.0.1', ${w.port}, '${g.id}', '${g.password}', allow_agent=False, look_for_keys=False)
i, o, e = c.exec_command('echo hello'); i.close()
sys.stdout.write(o.read().decode()); status = o.channel.recv_exit_status(); c.close(); sys.exit(status)
`
  assert.deepEqual(await run('/usr/bin/python3', ['-c', python]), { code: 0, stdout: 'hello\n', stderr: '' })
})

test('a wrong password, a wrong key and an unknown grant look alike, and the door hears of each', async () => {
  const g = w.grant({ exec: ['*'] })
  const other = w.grant({ exec: ['*'] }, { key: randomBytes(51) })
  const before = w.sessions.length
  for (const granted of [other, { ...g, id: 'g_unknown' }]) {
    const ran = await ssh(granted, 'echo hello')
    assert.equal(ran.code, 255)
    assert.match(ran.stderr, /Permission denied \(publickey,keyboard-interactive,password\)/)
  }
  const python = `
import paramiko
t = paramiko.Transport(('127.0.0.1', ${w.port})); t.start_client()
for user in ('${g.id}',) * 2:
    try: t.auth_password(user, 'wrong'); print('in')
    except paramiko.AuthenticationException as e: print(e)
`
  const ran = await run('/usr/bin/python3', ['-c', python])
  assert.equal(ran.stdout, 'Authentication failed.\nAuthentication failed.\n')
  assert.equal(w.sessions.length, before)
  assert.equal(w.shown.filter(one => (one as { secret?: string }).secret === 'wrong').length, 2)
})

test('a refusal that comes after a good credential says why', async () => {
  const refusal = refuse('grant_expired', 'x', { say: "grant g_1 expired at 12:00:05Z (the rule's 10m)" })
  const ran = await ssh(w.grant({ exec: ['*'] }, { refusal }), 'echo hello')
  assert.equal(ran.code, 255)
  assert.match(ran.stderr, /postern: grant_expired: grant g_1 expired at 12:00:05Z/)
})

test('a command that no pattern allows is refused with the reason, and nothing reaches the host', async () => {
  const ran = await ssh(w.grant({ exec: ['uptime', 'ls *'] }), `touch ${w.folder}/made`)
  assert.equal(ran.code, 126)
  assert.equal(ran.stdout, '')
  assert.equal(
    ran.stderr,
    'postern: statement_refused: this command is not in scope; this grant allows exec of: uptime, ls *\n',
  )
  assert.throws(() => readFileSync(join(w.folder, 'made')))
  const crossing = await ssh(w.grant({ exec: ['ls *'] }), `ls; touch ${w.folder}/made`)
  assert.match(crossing.stderr, /a command with the operator ; is not one plain command/)
  assert.throws(() => readFileSync(join(w.folder, 'made')))
  assert.equal(w.last().recorder.of('refused').length, 1)
})

test('a command is on record before the host has it, with its streams apart', async () => {
  const ran = await run(
    'ssh',
    [...w.args(w.grant({ exec: ['*'] })), '127.0.0.1', 'cat; echo err >&2; exit 3'],
    'some input',
  )
  assert.equal(ran.stdout, 'some input')
  const { recorder } = w.last()
  assert.deepEqual(recorder.of('allowed'), [
    {
      kind: 'exec',
      text: 'cat; echo err >&2; exit 3',
      touches: [{ act: 'exec', on: 'cat; echo err >&2; exit 3' }],
    },
  ])
  const [end] = recorder.of('end') as [{ tag: string; output: number; stderr: number; input: number }]
  assert.deepEqual([end.tag, end.output, end.stderr, end.input], ['exit 3', 10, 4, 10])
})

test('an interactive shell on a terminal works, is recorded as one, and knows its size', async () => {
  const g = w.grant({ shell: true })
  const ran = await run('ssh', ['-tt', ...w.args(g), '127.0.0.1'], 'stty size; echo $TERM; exit 5\n', {
    TERM: 'vt220',
  })
  assert.equal(ran.code, 5)
  assert.match(ran.stdout, /vt220/)
  const { recorder } = w.last()
  assert.deepEqual(
    (recorder.of('stream') as [{ kind: string; term: string }]).map(s => [s.kind, s.term]),
    [['terminal', 'vt220']],
  )
  const [end] = recorder.of('end') as [{ text: string; input: number }]
  assert.match(end.text, /vt220/)
  assert.equal(end.input, 0, 'what is typed may be a password')
})

test('lines typed in a terminal are recorded where the rule says so, what is typed at a prompt without echo never', async () => {
  const g = w.grant({ shell: true }, { recordValues: true })
  // What is waited for is spelled with a quote in it, so that its own echo is not taken for it.
  const script = `
import os, pty, signal, sys
signal.alarm(30)
pid, fd = pty.fork()
if pid == 0: os.execvp('ssh', ['ssh', '-tt'] + sys.argv[1:])
seen = b''
def until(text):
    global seen
    while text not in seen: seen += os.read(fd, 4096)
    seen = seen.split(text, 1)[1]
def type(line): os.write(fd, line.encode() + b'\\r')
type("PS1=OK'> ' exec bash --norc --noprofile"); until(b'OK> ')
type("read -rsp P'W:' secret; echo 'got':\${#secret}"); until(b'PW:')
type('hunter2'); until(b'got:7'); until(b'OK> ')
type('exit')
try:
    while os.read(fd, 4096): pass
except OSError: pass
os.waitpid(pid, 0)
`
  const ran = await run('/usr/bin/python3', ['-c', script, ...w.args(g), '127.0.0.1'])
  assert.equal(ran.code, 0, ran.stderr)
  const [end] = w.last().recorder.of('end') as [{ text: string; typed: string }]
  assert.match(end.text, /got:7/)
  assert.match(end.typed, /read -rsp P'W:' secret; echo 'got':\$\{#secret\}\rexit\r$/)
  assert.ok(!end.typed.includes('hunter'), end.typed)
})

test('a shell, a terminal and sftp that are not in scope are refused, each in its own way', async () => {
  const g = w.grant({ exec: ['echo *'] })
  const shell = await run('ssh', ['-T', ...w.args(g), '127.0.0.1'], 'echo hello\n')
  assert.equal(shell.code, 126)
  assert.match(
    shell.stderr,
    /postern: statement_refused: an interactive shell is not in scope; this grant allows exec of: echo \*/,
  )
  const pty = await run('ssh', ['-tt', ...w.args(g), '127.0.0.1', 'echo hello'])
  assert.match(pty.stderr, /PTY allocation request failed/)
  const sftp = await run('sftp', [...w.args(g, '-P'), '127.0.0.1'], 'ls\n')
  assert.match(sftp.stderr, /sftp is not in scope/)
})

test('forwards are refused: to a port, to a socket, back from the host, agent and X11', async () => {
  const g = w.grant({ exec: ['*'] })
  const to = await run('ssh', ['-W', '127.0.0.1:5432', ...w.args(g), '127.0.0.1'])
  assert.match(to.stderr, /administratively prohibited: forward is not in scope/)
  const back = await run('ssh', [
    '-R',
    '0:127.0.0.1:1',
    '-o',
    'ExitOnForwardFailure=yes',
    ...w.args(g),
    '127.0.0.1',
    'true',
  ])
  assert.match(back.stderr, /remote port forwarding failed/)
  const agent = await run('ssh', ['-A', ...w.args(g), '127.0.0.1', 'echo "[$SSH_AUTH_SOCK]"'])
  assert.equal(agent.stdout, '[]\n')
  assert.deepEqual(
    (w.last(3).recorder.of('refused') as [{ text: string }]).map(one => one.text),
    ['127.0.0.1:5432'],
  )
})

test('only variables that the scope names are passed on', async () => {
  const g = w.grant({ exec: ['*'], env: ['LC_TEST'] })
  const ran = await run(
    'ssh',
    [...w.args(g), '-o', 'SendEnv=LC_TEST OTHER', '127.0.0.1', 'echo "[$LC_TEST][$OTHER]"'],
    '',
    { LC_TEST: 'a', OTHER: 'b' },
  )
  assert.equal(ran.stdout, '[a][]\n')
})

test('megabytes pass both ways unharmed', async () => {
  const bytes = randomBytes(24 * 1024 * 1024)
  const file = join(w.folder, 'big')
  writeFileSync(file, bytes)
  const g = w.grant({ exec: ['*'], sftp: 'read' })
  const ran = await run('sh', ['-c', `ssh "$@" 127.0.0.1 'cat' < ${file} | sha256sum`, 'sh', ...w.args(g)])
  assert.equal(ran.stdout.split(' ')[0], createHash('sha256').update(bytes).digest('hex'))
})

for (const { of, ssh, skip } of sshClients) {
  test(`${of}'s ssh -T is a shell without a terminal`, { skip }, async () => {
    const typed = 'tty; echo hello; exit 5\n'
    const ran = await run(ssh, ['-T', ...w.args(w.grant({ shell: true })), '127.0.0.1'], typed)
    assert.deepEqual([ran.code, ran.stdout], [5, 'not a tty\nhello\n'])
  })
  test(`ten channels of ${of}'s ssh share one connection and one session, and one more is refused`, {
    skip,
  }, async () => {
    const g = w.grant({ exec: ['*'] })
    const at = mkdtempSync(join(w.folder, 'ten-'))
    const control = join(at, 'ctl')
    const before = w.sessions.length
    const master = run(ssh, ['-M', '-N', '-S', control, ...w.args(g), '127.0.0.1'])
    await until(
      async () => (await run(ssh, ['-S', control, '-O', 'check', '127.0.0.1'])).code === 0,
      'the master is up',
    )
    const ten = Array.from({ length: 10 }, (_, i) =>
      run(ssh, [
        '-S',
        control,
        ...w.args(g),
        '127.0.0.1',
        `echo ${i}; while [ ! -e ${at}/go ]; do sleep .1; done`,
      ]),
    )
    const started = () => w.last().recorder.of('allowed').length
    await until(() => started() === 10, 'ten run')
    assert.equal(w.sessions.length - before, 1)
    // OpenSSH's client falls back to a connection of its own.
    const eleventh = await run(ssh, ['-S', control, ...w.args(g), '127.0.0.1', 'echo e'])
    assert.equal(eleventh.stdout, 'e\n', eleventh.stderr)
    assert.equal(w.sessions.length - before, 2)
    writeFileSync(join(at, 'go'), '')
    assert.deepEqual(
      (await Promise.all(ten)).map(ran => ran.stdout).sort(),
      [...'0123456789'].map(n => `${n}\n`),
    )
    await run(ssh, ['-S', control, '-O', 'exit', '127.0.0.1'])
    await master
  })
}
