/** A real `ssh` in a real terminal, and what the recording of it holds. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { parseCast } from '../../src/recording/cast.fixture.ts'
import { audit } from '../attack/send.ts'
import { type AgentKey, type Credential, newKey, python3, ssh, sshOptions } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { missing, type Ran, run, until } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'

const skip = missing('/usr/sbin/sshd', 'ssh', 'bash')
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
  - { group: plain-agents, connection: web-1, ttl: 10m, scope: { shell: true } }
  - { group: told-agents, connection: web-1, ttl: 10m, scope: { shell: true }, record: values }
`,
  })
})
after(() => home?.close())

// What is waited for is spelled with a quote in it, so that its own echo is not taken for it.
const script = (ending: string) => `
import fcntl, os, pty, signal, struct, sys, termios
signal.alarm(60)
pid, fd = pty.fork()
if pid == 0: os.execvp('ssh', ['ssh', '-tt'] + sys.argv[1:])
seen = b''
def until(text):
    global seen
    while text not in seen: seen += os.read(fd, 4096)
    seen = seen.split(text, 1)[1]
def type(line): os.write(fd, line.encode() + b'\\r')
type("PS1=OK'> ' exec bash --norc --noprofile"); until(b'OK> ')
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 31, 97, 0, 0))
type("until [ \\"$(stty size)\\" = '31 97' ]; do sleep 0.1; done; echo si'zed'"); until(b'sized'); until(b'OK> ')
type("read -rsp P'W:' secret; echo 'got':\${#secret}"); until(b'PW:')
type('hunter2'); until(b'got:7'); until(b'OK> ')
type('echo pst_' + 'x' * 43); until(b'OK> ')
type('${ending}')
try:
    while os.read(fd, 4096): pass
except OSError: pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`

interface Recorded {
  readonly ran: Ran
  readonly records: readonly Record<string, unknown>[]
  readonly events: ReturnType<typeof parseCast>['events']
  readonly replayed: string
}

async function recorded(group: string, ending = 'exit 3'): Promise<Recorded> {
  const key: AgentKey = await newKey(home)
  const token = okta.token({ groups: [group] })
  const grant: Credential = (await gateway.grant(token, 'web-1', { public_key: key.public })).json
  const to = `${grant.credential.username}@127.0.0.1`
  const ran = await run(python3, ['-c', script(ending), ...sshOptions(gateway, key), to], { timeout: 60_000 })
  const data = join(gateway.dir, 'data')
  const file = globSync(join(data, 'recordings', '*', 'session.jsonl')).find(one =>
    readFileSync(one, 'utf8').includes(grant.id),
  )
  assert.ok(file)
  const folder = dirname(file)
  const lines = async () => (await readFile(join(folder, 'session.jsonl'), 'utf8')).trimEnd().split('\n')
  await until(
    'the recording is sealed',
    async () => (await lines()).at(-1)?.includes('"type":"seal"') === true,
  )
  return {
    ran,
    records: (await lines()).map(line => JSON.parse(line)),
    events: parseCast(await readFile(join(folder, 'terminal.cast'))).events,
    replayed: (await gateway.cli(['replay', basename(folder), '--data', data])).stdout,
  }
}

const of = (events: Recorded['events'], code: string) =>
  events.filter(event => event.code === code).map(event => event.data)

test('the cast holds sizes as they change and the bare exit status, and nothing that was typed', {
  skip,
}, async () => {
  const { ran, records, events } = await recorded('plain-agents')
  assert.equal(ran.status, 3, ran.stderr)
  assert.deepEqual(of(events, 'r'), ['97x31'])
  assert.deepEqual(of(events, 'x'), ['3'])
  assert.deepEqual(of(events, 'i'), [])
  assert.deepEqual(
    records.filter(({ type }) => type === 'echoed'),
    [],
  )
})

test('a shell that a signal ends has no exit status in its cast', { skip }, async () => {
  const { records, events } = await recorded('plain-agents', 'kill -KILL $$')
  assert.equal(records.find(({ type }) => type === 'result')?.['tag'], 'signal KILL')
  assert.deepEqual(of(events, 'x'), [])
})

test('with record: values each line that was echoed can be searched for, as best effort, without secrets', {
  skip,
}, async () => {
  const { records, replayed } = await recorded('told-agents')
  const echoed = records.filter(({ type }) => type === 'echoed')
  const shell = records.find(({ type }) => type === 'statement')
  assert.ok(echoed.every(({ of: number, best_effort }) => number === shell?.['seq'] && best_effort === true))
  const lines = echoed.map(({ line }) => line)
  // What came before was typed ahead of its prompt, or ran over the terminal's edge: that may be missing.
  assert.deepEqual(lines.slice(-3), [
    `read -rsp P'W:' secret; echo 'got':$` + '{#secret}',
    'echo [redacted 47]',
    'exit 3',
  ])
  assert.ok(!JSON.stringify(records).includes('hunter2'))
  assert.match(replayed, / echoed of=2 line=exit 3 best_effort=true\n/)
})

test('a request may ask for less idle time than its rule gives, and the audit says why the session ended', {
  skip,
}, async () => {
  const key = await newKey(home)
  const asked = { public_key: key.public, scope: { idle_timeout: '1s' } }
  const grant = (await gateway.grant(okta.token({ groups: ['plain-agents'] }), 'web-1', asked)).json
  assert.equal(grant.scope.idle_timeout, 1000)
  const ran = await ssh(gateway, grant, key, ['-N'])
  assert.match(ran.stderr, /the session was idle for 1000 ms \(idle_timeout\); session ended/)
  await until('the audit has it', async () =>
    (await audit(gateway, okta)).some(
      ({ type, grant: id, facts }) =>
        type === 'session.cut' && id === grant.id && JSON.stringify(facts).includes('idle'),
    ),
  )
})
