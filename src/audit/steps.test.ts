/**
 * Every moment at which a kill -9 can fall, one after the other: the data folder is copied before each call that changes
 * the disk, and in the middle of each write. Each copy is then verified as it stands, recovered, and verified again.
 */
import assert from 'node:assert/strict'
import fs, { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseCast } from '../recording/cast.fixture.ts'
import { recoverRecordings } from '../recording/recover.ts'
import { allowed, byClient, openWorld, silent, tempFolder, verify } from './audit.fixture.ts'

/** Copies `data` at each step that `work` takes on the disk; returns the copies. */
async function copies(t: TestContext, data: string, work: () => Promise<void>): Promise<string[]> {
  const made: string[] = []
  let copying = false
  const copy = (step: string) => {
    if (copying) return
    copying = true
    const to = `${data}-${String(made.length).padStart(3, '0')}-${step}`
    cpSync(data, to, { recursive: true })
    made.push(to)
    copying = false
  }
  const plain = { ...fs }
  for (const name of ['mkdirSync', 'openSync', 'unlinkSync', 'rmdirSync'] as const) {
    t.mock.method(fs, name, (...args: unknown[]) => {
      copy(name)
      return (plain[name] as (...args: unknown[]) => unknown)(...args)
    })
  }
  t.mock.method(fs, 'writeSync', (fd: number, bytes: Uint8Array, offset: number, length: number) => {
    copy('write')
    const half = Math.floor(length / 2)
    if (half > 0) plain.writeSync(fd, bytes, offset, half)
    if (half > 0) copy('torn')
    return half + plain.writeSync(fd, bytes, offset + half, length - half)
  })
  const rename = fs.promises.rename
  t.mock.method(fs.promises, 'rename', async (from: string, to: string) => {
    copy('rename')
    await rename(from, to)
  })
  syncBuiltinESMExports()
  try {
    await work()
  } finally {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  }
  copy('end')
  return made
}

/** Two recordings, one with two terminals, over a change of the audit's files; one is left open. */
async function day(data: string): Promise<void> {
  const { audit, record } = await openWorld(data, { rotateAt: 1500 })
  await audit.decided({ type: 'grant.issued', grant: 'g_1' })
  const shell = await record('s_1')
  const of = shell.statement(allowed('shell'))
  const form = { kind: 'terminal', cols: 80, rows: 24, term: 'xterm', title: 'web-1' } as const
  const first = shell.stream(of, form)
  first.output(Buffer.from('$ uptime\r\n'))
  shell.flush()
  await audit.seal()
  shell.stream(of, form).output(Buffer.from('ü漢\r\n'))
  shell.flush()
  first.end({ tag: '0' })
  const open = await record('s_2')
  open.statement(allowed('select 1'))
  open.flush()
  await audit.seal()
  await shell.close(byClient)
  await audit.decided({ type: 'grant.ended', grant: 'g_1' })
  open.stream(open.statement(allowed('shell')), form).output(Buffer.from('$ '))
  open.flush()
  await audit.close()
}

async function recoverIn(data: string): Promise<void> {
  const { audit, key } = await openWorld(data)
  await recoverRecordings({ data, key, now: Date.UTC(2026, 0, 2), heads: audit, log: silent })
  await audit.close()
}

async function assertWhole(data: string): Promise<void> {
  const { faults, open } = await verify(data)
  assert.deepEqual(faults, [], data)
  assert.equal(open, 0, data)
  for (const session of readdirSync(join(data, 'recordings'))) {
    const names = readdirSync(join(data, 'recordings', session))
    for (const name of names.filter(one => one.endsWith('.cast')))
      parseCast(readFileSync(join(data, 'recordings', session, name)))
  }
}

test('killed between any two steps on the disk, or within a write: intact as it stands, and when recovered', async t => {
  const data = join(tempFolder(t), 'data')
  mkdirSync(data)
  const made = await copies(t, data, () => day(data))
  assert.ok(made.length > 60, `${made.length} moments`)
  for (const copy of made) {
    // The key and the first head are made at the very first start, before anything can be decided.
    if (readdirSync(copy).includes('recordings')) assert.deepEqual((await verify(copy)).faults, [], copy)
    await recoverIn(copy)
    await assertWhole(copy)
  }
})

test('killed once more while it recovers, at any moment: recovered at the next start', async t => {
  const data = join(tempFolder(t), 'data')
  mkdirSync(data)
  const made = await copies(t, data, () => day(data))
  // The line that names the last cast is there and the cast is not; its header is torn.
  const last = made.findLastIndex(copy => copy.endsWith('-openSync'))
  for (const copy of made.slice(last, last + 3).filter(one => !one.endsWith('-write'))) {
    for (const again of await copies(t, copy, () => recoverIn(copy))) {
      await recoverIn(again)
      await assertWhole(again)
    }
  }
})
