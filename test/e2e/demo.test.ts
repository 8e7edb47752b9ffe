import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { postern } from '../fixtures/gateway.ts'
import { until } from '../fixtures/run.ts'

/** A demo with a temporary folder of its own, so that what it leaves behind can be counted. */
function startDemo(
  t: TestContext,
  args: readonly string[],
): { demo: ChildProcess; folder: string; said: () => string } {
  const folder = mkdtempSync(join(tmpdir(), 'demo-'))
  chmodSync(folder, 0o711)
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const demo = spawn(postern, ['demo', ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => demo.kill('SIGKILL'))
  let text = ''
  for (const stream of [demo.stdout, demo.stderr])
    stream.setEncoding('utf8').on('data', chunk => (text += chunk))
  return { demo, folder, said: () => text }
}

const ended = (demo: ChildProcess): Promise<number | null> =>
  demo.exitCode === null
    ? new Promise(resolve => demo.once('close', resolve))
    : Promise.resolve(demo.exitCode)

/** Command lines of running processes that mention the folder. */
function processesOf(folder: string): string[] {
  return globSync('/proc/[0-9]*/cmdline')
    .map(path => {
      try {
        return readFileSync(path, 'utf8').replaceAll('\0', ' ')
      } catch {
        return ''
      }
    })
    .filter(line => line.includes(folder))
}

const nothingLeft = (folder: string): Promise<boolean> =>
  until(
    'the demo left nothing behind',
    () => readdirSync(folder).length === 0 && processesOf(folder).length === 0,
    20_000,
  )

test('the demo keeps every promise of its story, exits zero, and leaves nothing behind', async t => {
  const { demo, folder, said } = startDemo(t, ['--once'])
  const code = await ended(demo)
  assert.match(said(), /^Postern demo: /)
  assert.match(said(), /\n16 of 16 as promised, /, said())
  assert.doesNotMatch(said(), /NOT AS PROMISED|\u001b\[/)
  assert.equal(code, 0)
  await nothingLeft(folder)
})

for (const [name, signal] of [
  ['Ctrl-C', 'SIGINT'],
  ['a kill', 'SIGKILL'],
] as const)
  test(`after ${name} in the middle of the story nothing is left behind`, async t => {
    const { demo, folder, said } = startDemo(t, ['--once'])
    await until('the story has begun', () => /^ 2 /m.test(said()) || demo.exitCode !== null, 60_000)
    assert.equal(demo.exitCode, null, said())
    assert.ok(processesOf(folder).length >= 2, 'PostgreSQL and the gateway run from the folder')
    demo.kill(signal)
    assert.notEqual(await ended(demo), 0)
    await nothingLeft(folder)
  })

test('without --once it stays up, says what to try, and goes at Ctrl-C', async t => {
  const { demo, folder, said } = startDemo(t, [])
  await until('the story is told', () => said().includes('decisions, live') || demo.exitCode !== null, 90_000)
  assert.equal(demo.exitCode, null, said())
  assert.match(said(), /Still up; Ctrl-C removes everything\. Try:/)
  demo.kill('SIGINT')
  assert.equal(await ended(demo), 0)
  await nothingLeft(folder)
})
