import assert from 'node:assert/strict'
import { test } from 'node:test'
import project from '../package.json' with { type: 'json' }
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

test('--version says which this is', async () => {
  const { stdout, status } = await run(postern, ['--version'])
  assert.equal(stdout, `${project.version}\n`)
  assert.equal(status, exit.ok)
})

test('a command that there is not is said to be none, also where its help is asked for', async () => {
  for (const args of [['conect'], ['conect', '--help'], ['help', 'conect']]) {
    const { status, stdout, stderr } = await run(postern, args)
    assert.equal(status, exit.usage, args.join(' '))
    assert.equal(stdout, '')
    assert.equal(stderr, 'postern: there is no command conect; did you mean "connect"?\n')
  }
  assert.equal((await run(postern, ['help'])).status, exit.ok)
  assert.equal((await run(postern, ['--help'])).status, exit.ok)
})

test('the commands that call the gateway name the variables that they take', async () => {
  for (const command of ['connections', 'request', 'connect', 'run', 'end']) {
    const { stdout } = await run(postern, [command, '--help'])
    for (const name of ['POSTERN_URL', 'POSTERN_TOKEN', 'POSTERN_TOKEN_FILE'])
      assert.match(stdout, new RegExp(`\\b${name}\\b`), command)
  }
})

test('a reader who has seen enough is no defect', async () => {
  const { stderr } = await run('sh', ['-c', `"${postern}" --help | true`])
  assert.equal(stderr, '')
})
