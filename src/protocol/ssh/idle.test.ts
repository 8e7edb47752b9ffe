import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { message } from '../../statement/sftp/fields.ts'
import type { Ending } from '../../words.ts'
import { Idle } from './idle.ts'
import { channelData, channelRequest, msg, whole } from './messages.ts'
import { RawClient } from './raw.fixture.ts'
import { run, until, type World, world } from './world.fixture.ts'

let w: World
before(async () => {
  w = await world()
})
after(() => w.close())

const told = /postern: the session was idle for 600 ms \(idle_timeout\); session ended/

test('what is passed on keeps a session open, and nothing else that is said', t => {
  const timer = {
    after: 0,
    begun: 0,
    act: (): void => assert.fail('nothing is timed'),
    unref: () => timer,
    refresh: () => void timer.begun++,
  }
  t.mock.method(globalThis, 'setTimeout', (act: () => void, after: number) =>
    Object.assign(timer, { act, after }),
  )
  const endings: Ending[] = []
  const idle = new Idle(1000, ending => endings.push(ending))
  const passing = [
    channelData(0, Buffer.from('x'), false),
    channelData(0, Buffer.from('x'), true),
    message(msg.channelOpen, 'session', 0, 0, 0),
    channelRequest(0, 'exec', true, 'true'),
  ]
  for (const [n, payload] of passing.entries()) {
    idle.passes(payload)
    assert.equal(timer.begun, n + 1)
  }
  for (const answer of [msg.channelWindowAdjust, msg.requestSuccess, msg.requestFailure, msg.channelFailure])
    idle.passes(message(answer, 0, 1))
  assert.deepEqual([timer.after, timer.begun], [1000, passing.length])
  timer.act()
  const text = 'the session was idle for 1000 ms (idle_timeout); session ended'
  assert.deepEqual(endings, [{ how: 'cut', why: 'idle', text }])
  const { mock } = setTimeout as unknown as { mock: { callCount(): number } }
  new Idle(null, () => assert.fail('nothing is timed')).passes(message(msg.channelOpen))
  assert.equal(mock.callCount(), 1)
})

test('a silent shell and ssh -N are told why and ended, with their own ending', async () => {
  const g = w.grant({ shell: true, idle_timeout: '600ms' })
  const shell = spawn('ssh', ['-tt', ...w.args(g), '127.0.0.1'], { stdio: ['pipe', 'pipe', 'pipe'] })
  let seen = ''
  shell.stdout.on('data', chunk => {
    seen += chunk
  })
  await once(shell, 'close')
  assert.match(seen, told)
  assert.equal(w.last().ending?.why, 'idle')
  const none = await run('ssh', ['-N', ...w.args(g), '127.0.0.1'])
  assert.match(none.stderr, /the session was idle for 600 ms \(idle_timeout\)/)
  assert.equal(w.last().ending?.why, 'idle')
})

test('keep-alives, unknown requests and windows of the client do not keep it open', async () => {
  const client = await RawClient.enter(w, w.grant({ exec: ['sleep *'], idle_timeout: '600ms' }))
  const channel = await client.channel(0)
  await client.start(channel, 'exec', 'sleep 600')
  const session = w.last()
  for (let n = 0; n < 400 && session.ending === undefined; n++) {
    client.send(message(msg.globalRequest, 'keepalive@openssh.com', true))
    client.send(channelRequest(channel, 'keepalive@openssh.com', true))
    client.send(message(msg.channelWindowAdjust, channel, 1), message(msg.ignore, 'x'))
    await wait(50)
  }
  assert.equal(session.ending?.why, 'idle')
  await client.end()
  assert.match(client.data.toString(), told)
})

test('keep-alives of the host do not keep it open either', async () => {
  const host = await world({ extra: 'ClientAliveInterval 1\nClientAliveCountMax 100' })
  const ran = await run('ssh', [
    ...host.args(host.grant({ exec: ['sleep *'], idle_timeout: '3s' })),
    '127.0.0.1',
    'sleep 600',
  ])
  assert.match(ran.stderr, /the session was idle for 3000 ms/)
  await host.close()
})

test('data of either side, a command and a changed size are heard of as passed on', async t => {
  const passes = t.mock.method(Idle.prototype, 'passes')
  const heard = (type: number) =>
    passes.mock.calls.filter(({ arguments: [payload] }) => whole(payload)[0] === type).length
  const client = await RawClient.enter(w, w.grant({ exec: ['cat'], pty: true, idle_timeout: '1h' }))
  const channel = await client.channel(0)
  assert.equal(heard(msg.channelOpen), 2, "the client's and the guardian's")
  client.send(channelRequest(channel, 'pty-req', true, 'xterm', 80, 24, 0, 0, Buffer.of(0)))
  await client.see(msg.channelSuccess)
  assert.equal(heard(msg.channelRequest), 1)
  await client.start(channel, 'exec', 'cat')
  assert.equal(heard(msg.channelRequest), 2)
  client.send(channelData(channel, Buffer.from('x'), false))
  await until(() => client.data.length > 0, 'its echo')
  assert.equal(heard(msg.channelData), 2)
  client.send(channelRequest(channel, 'window-change', false, 80, 25, 0, 0))
  await until(() => heard(msg.channelRequest) === 3, 'the size')
  client.socket.destroy()
})
