import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { test } from 'node:test'
import { clock } from '../clock.ts'
import type { Heads } from '../ledger/heads.ts'
import type { SealKey } from '../ledger/seal.ts'
import { createLog } from '../telemetry/log.ts'
import { Channel, type Handlers } from './channel.ts'
import { Checkpoints } from './checkpoints.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { RemoteRecording } from './recording.ts'

test('a worker that stands still is waited for once, asked for nothing more, and asked again when it goes on', async t => {
  const child = fork(new URL('./checkpoints.child.ts', import.meta.url), { serialization: 'advanced' })
  t.after(() => child.kill('SIGKILL'))
  const channel = new Channel<ToWorker, FromWorker>(child, {} as Handlers<FromWorker>, assert.fail)
  const checkpoints = new Checkpoints(() => channel)
  const at = {
    channel,
    checkpoints,
    data: '/nowhere',
    key: {} as SealKey,
    heads: {} as Heads,
    clock,
    log: createLog('silent'),
  }
  const all = Array.from({ length: 100 }, (_, i) => new RemoteRecording({ ...at, session: String(i) }))
  const [first] = all as [RemoteRecording]
  /** One after the other, as the audit does. */
  const round = async () => {
    const since = performance.now()
    for (const one of all) assert.equal(await one.checkpoint(), undefined)
    return performance.now() - since
  }
  // How long it takes to start is nobody's patience.
  await channel.call('checkpoint', { session: '' })
  first.grown = true
  assert.equal((await first.checkpoint())?.seq, 2)
  assert.equal(first.grown, false)

  child.kill('SIGSTOP')
  const [held, again] = [await round(), await round()]
  assert.ok(held > 400 && held < 2000, `${held} ms`)
  assert.ok(again < 200, `${again} ms`)
  assert.ok(all.every(({ grown }) => grown))

  child.kill('SIGCONT')
  let tip = await first.checkpoint()
  while (tip === undefined) {
    await new Promise(resolve => setTimeout(resolve, 20))
    tip = await first.checkpoint()
  }
  assert.equal(tip.seq, 3, 'what it answered too late is for the next seal')
  assert.equal(first.grown, true)
  assert.equal((await first.checkpoint())?.seq, 4, 'it was asked once while it stood still')
  assert.equal(first.grown, false)

  child.kill('SIGSTOP')
  await first.checkpoint()
  child.kill('SIGKILL')
  await once(child, 'close')
  channel.close('the worker is gone')
  assert.equal(await first.checkpoint(), undefined)
})

test('a worker whose disk takes longer than the audit waits is heard all the same', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let seq = 0
  const call = () => new Promise(resolve => setTimeout(() => resolve({ seq: ++seq, hash: '' }), 600))
  const checkpoints = new Checkpoints(() => ({ call }) as unknown as Channel<ToWorker, FromWorker>)
  const [one, other] = [{ session: 's_1' }, { session: 's_2' }]
  const heard: (number | undefined)[] = []
  for (let second = 0; second < 4; second++) {
    const asked = Promise.all([checkpoints.of(one), checkpoints.of(other)])
    t.mock.timers.tick(500)
    for (const { tip, again } of await asked) {
      heard.push(tip?.seq)
      assert.equal(again, true)
    }
    t.mock.timers.tick(500)
    await new Promise(setImmediate)
  }
  assert.deepEqual(heard, [undefined, undefined, 1, 2, undefined, undefined, 3, 4])
})
