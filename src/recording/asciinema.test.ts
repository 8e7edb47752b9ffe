/** asciinema itself, for which a terminal is recorded as it is. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { allowed, byClient, openWorld, tempFolder } from '../audit/audit.fixture.ts'

const modules = resolve(import.meta.dirname, '../../node_modules/.cache/postern/python')
const skip = existsSync(join(modules, 'asciinema')) ? false : 'asciinema is not installed: make setup'

test('asciinema reads a cast with everything that may be in one', { skip }, async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  const recorder = await record('s_1')
  const terminal = { kind: 'terminal', cols: 80, rows: 24, term: 'xterm', title: 'web-1' } as const
  const shell = recorder.stream(recorder.statement(allowed('shell')), terminal)
  shell.output(Buffer.from('hällo \u001b[1m漢\u001b[0m\r\n'))
  shell.resize(100, 40)
  shell.input(Buffer.from('exit 3\r'))
  shell.output(Uint8Array.of(0xff, 0x41))
  shell.end({ tag: 'exit 3' })
  await recorder.close(byClient)
  await audit.close()
  const env = { ...process.env, PYTHONPATH: modules, PYTHONDONTWRITEBYTECODE: '1', LC_ALL: 'C.UTF-8' }
  const args = ['-m', 'asciinema', 'cat', join(data, 'recordings/s_1/terminal.cast')]
  const ran = spawnSync('/usr/bin/python3', args, { encoding: 'utf8', env })
  assert.equal(ran.stdout, 'hällo \u001b[1m漢\u001b[0m\r\n\ufffdA', ran.stderr)
  assert.equal(ran.status, 0)
})
