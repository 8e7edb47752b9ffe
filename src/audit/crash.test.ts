import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseCast } from '../recording/cast.fixture.ts'
import { RecordingLost } from '../recording/record.ts'
import { recoverRecordings } from '../recording/recover.ts'
import { allowed, byClient, openWorld, silent, tempFolder, verify } from './audit.fixture.ts'

const [mount, umount] = ['mount', 'umount'] as const
const child = new URL('./crash.child.ts', import.meta.url).pathname

/** Lets the child run for a moment, kills it with -9, and returns what it had acknowledged. */
async function runAndKill(data: string, round: number, millis: number): Promise<string[]> {
  // A file, which takes all that is said at once: a pipe that is full refuses it.
  const said = `${data}.said-${round}`
  const out = openSync(said, 'w')
  const running = spawn(process.execPath, [child, data, String(round)], { stdio: ['ignore', out, 'inherit'] })
  closeSync(out)
  const gone = new Promise(resolve => running.once('close', resolve))
  const lines = () => readFileSync(said, 'utf8').split('\n').slice(0, -1)
  while (lines().length === 0 && running.exitCode === null) await sleep(5)
  await sleep(millis)
  running.kill('SIGKILL')
  await gone
  assert.equal(running.signalCode, 'SIGKILL')
  // The last line may be half written: it was acknowledged to nobody.
  return lines().slice(1)
}

test('kill -9 at any moment: nothing acknowledged is lost, and what is left verifies', async t => {
  const data = join(tempFolder(t), 'data')
  mkdirSync(data)
  const acknowledged: string[] = []
  for (let round = 0; round < 8; round++) {
    acknowledged.push(...(await runAndKill(data, round, 20 + ((round * 37) % 90))))
    assert.deepEqual((await verify(data)).faults, [], `as it stands after round ${round}`)
  }
  const { audit, key } = await openWorld(data)
  await recoverRecordings({ data, key, now: Date.now(), heads: audit, log: silent })
  await audit.close()
  const report = await verify(data)
  assert.deepEqual(report.faults, [])
  assert.equal(report.open, 0)
  assert.ok(report.recoveries.length > 0)
  const files = readdirSync(data, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.jsonl'),
  )
  const all = files.map(name => readFileSync(join(data, name), 'utf8')).join('')
  const lost = acknowledged.filter(text => !all.includes(`"${text}"`))
  assert.deepEqual(lost, [])
  assert.ok(acknowledged.length > 50, `${acknowledged.length} acknowledged`)
  for (const session of readdirSync(join(data, 'recordings'))) {
    for (const cast of readdirSync(join(data, 'recordings', session)).filter(name =>
      name.endsWith('.cast'),
    )) {
      parseCast(readFileSync(join(data, 'recordings', session, cast)))
    }
  }
})

test('a disk that is really full: refused while it is, and whole again when there is room', async t => {
  const data = join(tempFolder(t), 'small')
  mkdirSync(data)
  const mounted = spawnSync(mount, ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', data])
  if (mounted.status !== 0) return t.skip('mounting a small disk takes root')
  try {
    const { audit, record } = await openWorld(data)
    const recorder = await record('s_1')
    const fill = () => {
      for (let n = 0; n < 10_000; n++) {
        recorder.statement(allowed('x'.repeat(1000)))
        recorder.flush()
      }
    }
    assert.throws(fill, RecordingLost)
    await recorder.close({ how: 'cut', why: 'recording_unavailable', text: 'the disk is full' })
    // tmpfs counts pages: the audit's last one may still have room.
    const refusals = await Promise.allSettled(
      Array.from({ length: 20 }, () => audit.decided({ type: 'grant.issued', detail: 'x'.repeat(1000) })),
    )
    assert.ok(refusals.some(({ status }) => status === 'rejected'))
    assert.equal(audit.healthy, false)
    await assert.rejects(
      record('s_2').then(second => second.close(byClient)),
      RecordingLost,
    )
    assert.equal(spawnSync(mount, ['-o', 'remount,size=2m', data]).status, 0)
    await audit.seal()
    await audit.seal()
    assert.equal(audit.healthy, true)
    await audit.decided({ type: 'grant.issued' })
    await audit.close()
    const report = await verify(data)
    assert.deepEqual(report.faults, [])
    assert.equal(report.open, 0)
  } finally {
    spawnSync(umount, [data])
  }
})
