import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Refused } from '../../denial.ts'
import { message, Reader } from '../../statement/sftp/fields.ts'
import { allowed, escapes, patterns } from '../../statement/shell/escapes.fixture.ts'
import { type ExecOutput, exec } from './calls.ts'
import { channelRequest, msg } from './messages.ts'
import { oneShots } from './oneshots.fixture.ts'
import { RawClient } from './raw.fixture.ts'
import { processes, type TestSession, until, type World, world } from './world.fixture.ts'

let w: World
before(async () => {
  w = await world()
})
after(() => w.close())

const session = (scope: unknown) => oneShots(w, scope)

const call = (at: TestSession, command: string, more: object = {}) =>
  exec.run(exec.input.parse({ command, ...more }), at)

async function ran(at: TestSession, command: string, more: object = {}): Promise<ExecOutput> {
  const answer = await call(at, command, more)
  assert.ok(!(answer instanceof Refused), answer instanceof Refused ? answer.denial.detail : '')
  exec.output.parse(answer)
  return answer
}

test('a command runs with its stdin, and its outputs and status come back apart', async () => {
  const at = await session({ exec: ['*'] })
  assert.deepEqual(await ran(at, 'cat; echo oops >&2; exit 7', { stdin: 'some input' }), {
    ...{
      stdout: 'some input',
      stderr: 'oops\n',
      exit_code: 7,
      signal: null,
      truncated: false,
      timed_out: false,
    },
  })
  const [end] = at.recorder.of('end') as [{ tag: string; output: number; stderr: number; input: number }]
  assert.deepEqual([end.tag, end.output, end.stderr, end.input], ['exit 7', 10, 5, 10])
  const killed = await ran(at, 'kill -TERM $$')
  assert.deepEqual([killed.exit_code, killed.signal], [null, 'TERM'])
  const binary = await ran(at, `printf '\\377\\376'`)
  assert.deepEqual([binary.encoding, binary.stdout], ['base64', '//4='])
})

test('commands at once share one session and its one connection; more than the host takes wait their turn', async () => {
  const at = await session({ exec: ['*'] })
  const all = await Promise.all(Array.from({ length: 20 }, (_, i) => ran(at, `sleep 0.2; echo ${i}`)))
  assert.deepEqual(
    all.map(one => one.stdout),
    Array.from({ length: 20 }, (_, i) => `${i}\n`),
  )
  const many = Array.from({ length: 60 }, () => call(at, 'sleep 0.1'))
  const told = (await Promise.all(many)).filter(one => one instanceof Refused)
  assert.equal(told.length, 24)
  assert.ok(told.every(one => one.denial.code === 'limit_exceeded'))
  assert.equal((await ran(at, 'echo again')).stdout, 'again\n')
})

test('what is too long is cut, what takes too long is ended, and the session lives on', async () => {
  const at = await session({ exec: ['*'] })
  const long = await ran(at, 'head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2; echo é >&2')
  assert.deepEqual([long.stdout.length, long.stderr.length], [1024 * 1024, 1024 * 1024])
  assert.deepEqual([long.truncated, long.exit_code], [true, 0])
  const stdin = 'x'.repeat(1024 * 1024)
  assert.equal((await ran(at, 'wc -c', { stdin })).stdout.trim(), String(stdin.length))
  const late = await ran(at, 'echo before; exec sleep 8123456', { timeout: '1s' })
  assert.deepEqual([late.stdout, late.timed_out, late.exit_code], ['before\n', true, null])
  assert.equal((await ran(at, 'echo after')).stdout, 'after\n')
  await until(() => processes('sleep 8123456') === 0, 'it is gone while the session lives')
  await at.end({ how: 'close', why: 'idle', text: 'unused for a minute' })
  await until(() => processes('sleep 8123456') === 0, 'nothing of it is left')
})

test('what takes too long is ended with all of its process group, and what runs beside it goes on', async () => {
  const at = await session({ exec: ['*'] })
  const runs = (command: string) => until(() => processes(command) === 1, command)
  const first = call(at, 'exec sleep 8345671')
  await runs('sleep 8345671')
  const late = [1, 2].map(n =>
    ran(at, `trap "" HUP; sleep 834567${n}0 & sleep 834567${n}0; wait`, { timeout: '1s' }),
  )
  await until(() => processes('sleep 83456720') === 2, 'both run')
  const last = call(at, 'exec sleep 8345673')
  for (const one of await Promise.all(late)) assert.equal(one.timed_out, true)
  for (let i = 0; i < 5; i++) await ran(at, 'true')
  await until(
    () => processes('sleep 83456710') + processes('sleep 83456720') === 0,
    'nothing of them is left',
  )
  assert.deepEqual([processes('sleep 8345671'), processes('sleep 8345673')], [1, 1])
  assert.equal((await ran(at, 'echo after')).stdout, 'after\n')
  await at.end({ how: 'close', why: 'idle', text: 'unused for a minute' })
  await Promise.all([first, last])
})

test('a cut answers at once, with the reason', async () => {
  const at = await session({ exec: ['*'] })
  const running = call(at, 'exec sleep 8234567')
  await until(() => processes('sleep 8234567') === 1, 'it runs')
  const over = at.end({ how: 'cut', why: 'grant_expired', text: 'grant g_1 expired' })
  const answer = await running
  assert.ok(answer instanceof Refused)
  assert.deepEqual([answer.denial.code, answer.denial.say], ['grant_expired', 'grant g_1 expired'])
  const next = await call(at, 'true')
  assert.ok(next instanceof Refused && next.denial.code === 'grant_expired')
  await over
  await until(() => processes('sleep 8234567') === 0, 'it is gone')
})

test('a command that says nothing for as long as idle_timeout allows ends its session, and its caller is told', async () => {
  const at = await session({ exec: ['*'], idle_timeout: '400ms' })
  const answer = await call(at, 'exec sleep 8345678')
  assert.ok(answer instanceof Refused)
  const say = 'the session was idle for 400 ms (idle_timeout); session ended'
  assert.deepEqual([answer.denial.code, answer.denial.say], ['limit_exceeded', say])
  assert.equal(at.ending?.why, 'idle')
  await until(() => processes('sleep 8345678') === 0, 'it is gone')
})

test('what cannot be recorded does not run', async () => {
  const at = await session({ exec: ['*'] })
  await ran(at, 'true')
  at.recorder.broken = true
  const answer = await call(at, `touch ${w.folder}/unrecorded`)
  assert.ok(answer instanceof Refused && answer.denial.code === 'recording_unavailable')
  assert.equal(at.ending?.why, 'recording_unavailable')
})

test('a fault of ours is thrown to whoever called, and ends the session as ours', async () => {
  const at = await session({ exec: ['*'] })
  const fault = new TypeError('a defect')
  at.recorder.statement = () => {
    throw fault
  }
  await assert.rejects(call(at, 'true'), fault)
  assert.equal(at.ending?.why, 'internal_error')
})

test('an input that is too large, odd or unknown is refused before anything runs', () => {
  for (const input of [
    {},
    { command: '' },
    { command: 'x'.repeat(40_000) },
    { command: '\ud800' },
    { command: 'true', stdin: 'x'.repeat(1024 * 1024 + 1) },
    { command: 'true', timeout: '0s' },
    { command: 'true', timeout: '11m' },
    { command: 'true', timeout: 60 },
    { command: 'true', env: {} },
    { command: ['true'] },
  ])
    assert.ok(!exec.input.safeParse(input).success, JSON.stringify(input).slice(0, 50))
})

test('every command line has the same verdict on the wire and by exec', async () => {
  const scope = { exec: patterns }
  const at = await session(scope)
  const client = await RawClient.enter(w, w.grant(scope))
  const lines = [
    ...escapes.filter(line => line !== ''),
    ...allowed.filter(line => !line.startsWith('journalctl')),
  ]
  for (const [i, line] of lines.entries()) {
    const channel = await client.channel(i)
    client.send(channelRequest(channel, 'exec', true, line))
    await until(() => closed(client, i), line)
    client.send(message(msg.channelClose, channel))
    const answer = await call(at, line)
    const wire = w.last().recorder.of('refused').at(-1) as { text: string } | undefined
    assert.equal(wire?.text === line, answer instanceof Refused, line)
    assert.equal(answer instanceof Refused, !allowed.includes(line), line)
    if (answer instanceof Refused) assert.match(answer.denial.code, /^statement_(refused|unparsable)$/)
  }
  assert.deepEqual(w.last().recorder.of('refused'), at.recorder.of('refused'))
  client.socket.destroy()
})

function closed(client: RawClient, near: number): boolean {
  return client.seen.some(one => one.type === msg.channelClose && new Reader(one.payload, 1).u32() === near)
}
