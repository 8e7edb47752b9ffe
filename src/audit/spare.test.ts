import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from '../../test/fixtures/run.ts'
import { tempFolder, verify } from './audit.fixture.ts'

const child = fileURLToPath(new URL('./spare.child.ts', import.meta.url))

test('M191: who takes every file descriptor does not end the audit', async t => {
  const data = tempFolder(t)
  const script = `ulimit -n 200 && exec "$0" "$1" "$2"`
  const ran = await run('sh', ['-c', script, process.execPath, child, data])
  assert.equal(ran.stdout.trim(), '[["EMFILE",true],["EMFILE",true],["EMFILE",true]]', ran.stderr)
  const { seq } = JSON.parse(readFileSync(join(data, 'audit/head.json'), 'utf8')) as { seq: number }
  assert.ok(seq >= 7, `the head is at ${seq}`)
  assert.equal((await verify(data)).intact, true)
})
