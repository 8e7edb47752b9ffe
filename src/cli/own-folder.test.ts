import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'

const module = new URL('./own-folder.ts', import.meta.url).href
const run = (then: string) =>
  spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { ownFolder } from '${module}'; await using own = await ownFolder(); ${then}`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`a run that ${signal} ends before its client starts leaves no key behind`, async () => {
    const child = run('console.log(own.path); setInterval(() => 0, 1000); await new Promise(() => 0)')
    const [said] = await once(child.stdout, 'data')
    const folder = String(said).trim()
    assert.ok(existsSync(folder))
    child.kill(signal)
    const [, by] = await once(child, 'exit')
    assert.equal(by, signal)
    assert.ok(!existsSync(folder))
  })
}

test('a run that ends by itself leaves nothing either', async () => {
  const child = run('own.started(); console.log(own.path)')
  const [said] = await once(child.stdout, 'data')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  assert.ok(!existsSync(String(said).trim()))
})
