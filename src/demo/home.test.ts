import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { openHome } from './home.ts'

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('closing a home stops what runs from it, also what ignores the signal, and removes the folder', async () => {
  const home = await openHome()
  const stubborn = spawn('sh', ['-c', 'trap "" TERM; echo up; while :; do sleep 1; done'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  home.keep(stubborn)
  await once(stubborn.stdout, 'data')
  await home.close()
  assert.equal(existsSync(home.dir), false)
  assert.equal(alive(stubborn.pid ?? 0), false)
})

test('when the demo itself is killed, the watchdog stops its processes and removes the folder', async () => {
  const script = `
    import { spawn } from 'node:child_process'
    import { openHome } from ${JSON.stringify(import.meta.resolve('./home.ts'))}
    const home = await openHome()
    const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' })
    home.keep(child)
    console.log(JSON.stringify({ dir: home.dir, pid: child.pid }))
    setInterval(() => undefined, 1000)`
  const demo = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(demo.stdout, 'data')
  const { dir, pid } = JSON.parse(String(line)) as { dir: string; pid: number }
  assert.ok(existsSync(dir) && alive(pid))
  demo.kill('SIGKILL')
  await once(demo, 'exit')
  for (let tries = 0; tries < 100 && (existsSync(dir) || alive(pid)); tries++)
    await new Promise(r => setTimeout(r, 100))
  assert.equal(existsSync(dir), false)
  assert.equal(alive(pid), false)
})
