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
  const answered = async () => {
    for (;;) {
      const tip = await first.checkpoint()
      if (tip !== undefined) return tip
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
  first.grown = true
  // It may take longer to start than it is waited for.
  const { seq: asked } = await answered()
  assert.equal(first.grown, false)

  child.kill('SIGSTOP')
  const [held, again] = [await round(), await round()]
  assert.ok(held > 400 && held < 2000, `${held} ms`)
  assert.ok(again < 200, `${again} ms`)
  assert.ok(all.every(({ grown }) => grown))

  child.kill('SIGCONT')
  assert.equal((await answered()).seq, asked + 2, 'it was asked once while it stood still')
  assert.equal(first.grown, false)

  child.kill('SIGSTOP')
  await first.checkpoint()
  child.kill('SIGKILL')
  await once(child, 'close')
  channel.close('the worker is gone')
  assert.equal(await first.checkpoint(), undefined)
})
