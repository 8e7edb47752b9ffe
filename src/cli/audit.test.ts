import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { allowed, byClient, openWorld, tempFolder } from '../audit/audit.fixture.ts'

const program = new URL('../../bin/postern', import.meta.url).pathname
const postern = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

async function data(folder: string) {
  const { audit, record } = await openWorld(folder)
  await audit.decided({ type: 'grant.issued', grant: 'g_1', detail: 'evil\u001b[2J\u009d52;c;x\u009c\u202e' })
  const recorder = await record('s_1')
  const of = recorder.statement(allowed('select 1'))
  const shell = recorder.stream(of, { kind: 'terminal', cols: 80, rows: 24, term: 'xterm', title: 't' })
  shell.output(Buffer.from('on \u001b]52;c;ZXZpbA==\u0007\u001b[1;31mscreen\u001b[0m\r\n'))
  shell.end({ tag: '0' })
  await recorder.close(byClient)
  await audit.close()
  return { folder, key: join(folder, 'keys/audit.pub.pem') }
}

test('audit verify says intact with 0, names the first bad line with 1, and a key that is none with 64', async t => {
  const { folder, key } = await data(tempFolder(t))
  const intact = postern('audit', 'verify', '--data', folder, '--key', key)
  assert.equal(intact.stdout, '1 events, 1 recordings: intact\n')
  assert.equal(intact.status, 0)
  assert.equal(
    postern('audit', 'verify', '--data', folder, '--key', join(folder, 'keys/audit.key')).status,
    64,
  )
  assert.equal(postern('audit', 'verify', '--data', folder, '--key', join(folder, 'none.pem')).status, 64)

  const kept = join(folder, 'kept-head.json')
  copyFileSync(join(folder, 'audit/head.json'), kept)
  assert.equal(postern('audit', 'verify', '--data', folder, '--key', key, '--head', kept).status, 0)
  const file = join(folder, 'audit/gw-1.jsonl')
  writeFileSync(file, readFileSync(file, 'utf8').replace('"g_1"', '"g_2"'))
  const broken = postern('audit', 'verify', '--data', folder, '--key', key)
  assert.match(broken.stdout + broken.stderr, /BROKEN audit\/gw-1\.jsonl:2: was changed/)
  assert.equal(broken.status, 1)
  const answer = postern('audit', 'verify', '--data', folder, '--key', key, '--json')
  assert.equal((JSON.parse(answer.stdout) as { intact: boolean }).intact, false)
})

test('audit tail shows events and obeys nothing in them', async t => {
  const { folder } = await data(tempFolder(t))
  const { stdout, status } = postern('audit', 'tail', '--data', folder, '--once')
  assert.equal(status, 0)
  assert.match(stdout, /grant\.issued g_1 evil\\u001b\[2J\\u009d52;c;x\\u009c\\u202e\n$/)
  const json = postern('audit', 'tail', '--data', folder, '--once', '--json')
  assert.match(json.stdout, /"detail":"evil/)
  assert.doesNotMatch(json.stdout, /[\u0080-\u009f\u202e\u001b]/)
})

test('audit tail says what a person called and what one decided', async t => {
  const folder = tempFolder(t)
  const { audit } = await openWorld(folder)
  await audit.decided({ type: 'people.called', facts: { call: 'GET /v1/sessions' } })
  await audit.decided({ type: 'approval.decided', grant: 'g_1', facts: { decision: 'deny', shown: 'ab' } })
  await audit.close()
  const { stdout } = postern('audit', 'tail', '--data', folder, '--once')
  assert.match(stdout, /Z people\.called GET \/v1\/sessions\n\S+ approval\.decided deny g_1\n$/)
})

test('replay waits as long as was waited, faster by --speed, no longer than --idle, and not at all into a pipe', async t => {
  const folder = tempFolder(t)
  let ticks = 0
  const clock = { now: () => Date.UTC(2026, 0, 1) + ticks, mono: () => ticks }
  const { audit, record } = await openWorld(folder, { clock })
  const recorder = await record('s_1')
  const terminal = { kind: 'terminal', cols: 80, rows: 24, term: 'xterm', title: 't' } as const
  const shell = recorder.stream(recorder.statement(allowed('shell')), terminal)
  for (const seconds of [0, 1, 3600, 1]) {
    ticks += seconds * 1000
    shell.output(Buffer.from('seen\r\n'))
  }
  await recorder.close(byClient)
  await audit.close()
  const counting = join(folder, 'counting.mjs')
  writeFileSync(
    counting,
    `import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers/promises'
timers.setTimeout = async millis => void process.stderr.write(millis + ' ')
syncBuiltinESMExports()`,
  )
  const env = { ...process.env, NODE_OPTIONS: `--import ${counting}` }
  for (const [options, waits] of [
    [[], ''],
    [['--speed', '1'], '1000 2000 1000 '],
    [['--speed', '4', '--idle', '8'], '250 2000 250 '],
    [['--speed', '1', '--idle', '0.5'], '500 500 500 '],
  ] as const) {
    const args = ['replay', 's_1', '--data', folder, ...options]
    const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', env })
    assert.equal(stdout.split('seen').length, 5)
    assert.equal(stderr, waits)
  }
})

test('replay plays what was seen and asked, and nothing that acts on the reader', async t => {
  const { folder } = await data(tempFolder(t))
  const { stdout, status } = postern('replay', 's_1', '--data', folder, '--speed', '0')
  assert.equal(status, 0)
  assert.match(stdout, /statement 2 select: select 1\n/)
  // A pipe gets no sequence at all.
  assert.match(stdout, /on screen\r\n/)
  assert.ok(!stdout.includes('\u001b'))
  assert.equal(postern('replay', '../s_1', '--data', folder).status, 1)
  const odd = postern('replay', 's_1', '--data', folder, '--speed', '-1')
  assert.equal(odd.status, 64)
  assert.match(odd.stderr, /--speed takes a number, 0 or above/)
})
