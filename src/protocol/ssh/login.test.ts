import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { message } from '../../statement/sftp/fields.ts'
import { channelRequest, msg } from './messages.ts'
import { RawClient } from './raw.fixture.ts'
import { run, until, type World, world } from './world.fixture.ts'

let w: World
before(async () => {
  w = await world()
})
after(() => w.close())

async function asking(user: string): Promise<RawClient> {
  const client = await RawClient.connect(w)
  client.send(
    message(msg.serviceRequest, 'ssh-userauth'),
    message(msg.userauthRequest, user, 'ssh-connection', 'keyboard-interactive', '', ''),
  )
  await client.see(msg.userauth60)
  return client
}

test('one hidden question is asked, and the one answer is a password', async () => {
  const g = w.grant({ exec: ['*'] })
  const client = await asking(g.id)
  const question = await client.see(msg.userauth60)
  assert.deepEqual(question, message(msg.userauth60, '', '', '', 1, 'Password or token: ', false))
  client.send(message(msg.userauthInfoResponse, 1, 'wrong'))
  await client.see(msg.userauthFailure)
  client.send(message(msg.userauthRequest, g.id, 'ssh-connection', 'keyboard-interactive', '', ''))
  await client.see(msg.userauth60, 2)
  client.send(message(msg.userauthInfoResponse, 1, g.password))
  await client.see(msg.userauthSuccess)
  client.socket.destroy()
})

test('answers to nothing, to too much, or after another method was tried end the connection (CVE-2026-48107)', async () => {
  const g = w.grant({ exec: ['*'] })
  const before = w.sessions.length
  for (const answer of [
    message(msg.userauthInfoResponse, 0),
    message(msg.userauthInfoResponse, 2, g.password, g.password),
    message(msg.userauthInfoResponse, 0xffff_ffff, g.password),
    message(msg.userauthInfoResponse, 1, g.password, 'more'),
    message(msg.userauthInfoResponse),
  ]) {
    const client = await asking(g.id)
    client.send(answer)
    await client.end()
    assert.equal(client.count(msg.userauthSuccess), 0)
  }
  const unasked = await RawClient.connect(w)
  unasked.send(message(msg.serviceRequest, 'ssh-userauth'), message(msg.userauthInfoResponse, 1, g.password))
  await unasked.end()
  const late = await asking(g.id)
  late.password(g.id, 'wrong')
  await late.see(msg.userauthFailure)
  late.send(message(msg.userauthInfoResponse, 1, g.password))
  await late.end()
  assert.equal(w.sessions.length, before)
})

test('who has not logged in when the grace is over is shown out, whatever it says meanwhile (attack 190)', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const silent = connect(w.port, '127.0.0.1')
  silent.on('error', () => silent.destroy())
  silent.resume()
  await once(silent, 'data')
  const gone = new Promise(resolve => silent.once('close', resolve))
  silent.write('SSH-2.0-slow')
  t.mock.timers.tick(29_000)
  assert.equal(silent.destroyed, false)
  t.mock.timers.tick(1001)
  await gone
})

test('a client that takes nothing for two minutes while something waits for it is gone (attack 192)', async t => {
  const client = await RawClient.enter(w, w.grant({ exec: ['*'] }))
  const channel = await client.channel(0, 0xffff_ffff)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  client.socket.pause()
  client.send(channelRequest(channel, 'exec', true, 'yes 87654321'))
  const turnsFor = async (millis: number, done = () => false) => {
    for (const end = performance.now() + millis; performance.now() < end && !done(); )
      await new Promise(resolve => setImmediate(resolve))
  }
  await turnsFor(1500)
  t.mock.timers.tick(119_000)
  await turnsFor(50)
  assert.equal(w.last().ending, undefined)
  t.mock.timers.tick(2000)
  await turnsFor(5000, () => w.last().ending !== undefined)
  assert.equal(w.last().ending?.why, 'limit_exceeded')
  t.mock.timers.reset()
  client.socket.destroy()
})

test('a fault of ours on the way in is told as ours, and whoever serves us hears of it', async () => {
  const at = await world()
  const g = at.grant({ exec: ['*'] })
  const fault = new TypeError('a defect')
  Object.defineProperty(at.target, 'host', {
    get: () => {
      throw fault
    },
  })
  const ran = await run('ssh', [...at.args(g), '127.0.0.1', 'true'])
  assert.match(ran.stderr, /the gateway failed/)
  await until(() => at.faults.includes(fault), 'the fault is heard of')
  await at.close()
})
