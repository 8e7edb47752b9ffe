import assert from 'node:assert/strict'
import { test } from 'node:test'
import { postern } from '../test/fixtures/gateway.ts'
import { run } from '../test/fixtures/run.ts'
import { exit } from './cli/exit.ts'

const env = { POSTERN_URL: 'http://127.0.0.1:1', POSTERN_TOKEN: 't' }

test('--json after -- is the own argument of the command that is run', async () => {
  const own = await run(postern, ['run', 'nosuch', '--', 'tool', '--json'], { env })
  assert.equal(own.status, exit.unavailable)
  assert.equal(own.stdout, '')
  assert.match(own.stderr, /^postern: no gateway at /)
  const ours = await run(postern, ['connections', '--json'], { env })
  assert.match(JSON.parse(ours.stdout).error, /^no gateway at /)
})
