import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { processes, run, until, type World, world } from './world.fixture.ts'

let w: World
before(async () => {
  w = await world()
})
after(() => w.close())

test('a command that closes its output before it ends goes on, and its status arrives', async () => {
  const g = w.grant({ exec: ['*'] })
  const control = `${w.folder}/closed`
  const master = spawn('ssh', ['-M', '-S', control, ...w.args(g), '127.0.0.1', 'read -r line'])
  await until(() => existsSync(control), 'the master is there')
  for (const [n, how] of [
    ['-S', control],
    ['-S', 'none'],
  ].entries()) {
    const line = `exec >&- 2>&-; sleep 0.5; touch ${w.folder}/done-${n}; exit 7`
    const ran = await run('ssh', [...how, '-n', ...w.args(g), '127.0.0.1', line])
    assert.equal(ran.code, 7, ran.stderr)
    assert.ok(existsSync(`${w.folder}/done-${n}`))
  }
  for (let i = 0; i < 40; i++) {
    const ran = await run('ssh', ['-S', control, ...w.args(g), '127.0.0.1', 'cat; exit 5'], 'x')
    assert.deepEqual([ran.code, ran.stdout], [5, 'x'])
  }
  master.stdin.end()
  await once(master, 'close')
})

test('what has closed its output ends with its client all the same', async () => {
  const seconds = String(9_000_000 + Math.floor(Math.random() * 100_000))
  const args = [...w.args(w.grant({ exec: ['*'] })), '-n', '127.0.0.1']
  const client = spawn('ssh', [...args, `exec >&- 2>&-; exec sleep ${seconds}`], { stdio: 'ignore' })
  await until(() => processes(`sleep ${seconds}`) === 1, 'the command runs')
  client.kill('SIGKILL')
  await until(() => processes(`sleep ${seconds}`) === 0, 'the command is gone')
})
