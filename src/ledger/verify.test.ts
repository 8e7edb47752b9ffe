import assert from 'node:assert/strict'
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { allowed, byClient, openWorld, refused, silent, tempFolder, verify } from '../audit/audit.fixture.ts'
import { recoverRecordings } from '../recording/recover.ts'

/** A gateway's day: two audit files, a database session, a terminal, a session of digests; stopped in good order. */
async function day(t: TestContext): Promise<string> {
  const data = join(tempFolder(t), 'data')
  mkdirSync(data)
  const { audit, record } = await openWorld(data, { rotateAt: 2500 })
  await audit.decided({ type: 'grant.issued', grant: 'g_1', connection: 'orders-db' })
  const sql = await record('s_sql')
  const seq = sql.statement(allowed('select 1'))
  sql.flush()
  sql.result(seq, { rows: 1, tag: 'SELECT 1' })
  await audit.seal()
  sql.statement(refused('delete from orders'))
  sql.flush()
  const shell = await record('s_shell')
  const of = shell.statement(allowed('shell'))
  const terminal = shell.stream(of, { kind: 'terminal', cols: 80, rows: 24, term: 'xterm', title: 'web-1' })
  terminal.output(Buffer.from('$ uptime\r\n'))
  shell.flush()
  await audit.seal()
  terminal.output(Buffer.from('up 3 days\r\n'))
  terminal.end({ tag: '0' })
  const digest = shell.stream(of, { kind: 'digest', what: 'exec' })
  digest.output(Buffer.from('out'))
  digest.end({ tag: '0' })
  await Promise.all([sql.close(byClient), shell.close({ how: 'cut', why: 'grant_expired', text: 'over' })])
  await audit.seal()
  for (let n = 0; n < 6; n++) audit.noted({ type: 'session.closed', session: 's_sql', detail: `n ${n}` })
  await audit.close()
  assert.deepEqual(readdirSync(join(data, 'audit')).sort(), ['gw-1.jsonl', 'gw-2.jsonl', 'head.json'])
  return data
}

const linesOf = (data: string, file: string) => readFileSync(join(data, file), 'utf8').trimEnd().split('\n')
const writeLines = (data: string, file: string, lines: readonly string[]) =>
  writeFileSync(join(data, file), `${lines.join('\n')}\n`)

/** A copy, changed; what verify says of it first. */
async function after(data: string, change: (copy: string) => void): Promise<string> {
  const copy = `${data}-copy`
  rmSync(copy, { recursive: true, force: true })
  cpSync(data, copy, { recursive: true })
  change(copy)
  const { faults } = await verify(copy)
  const first = faults[0]
  return first === undefined ? 'intact' : `${first.where}: ${first.what}`
}

const recording = 'recordings/s_shell/session.jsonl'

test('a day in good order is intact, and verifying changes nothing', async t => {
  const data = await day(t)
  const report = await verify(data)
  assert.deepEqual(report.faults, [])
  assert.deepEqual(report.notes, [])
  assert.equal(report.recordings, 2)
  assert.equal(report.open, 0)
  assert.equal(report.events, 7)
})

test('every flipped bit of every byte is found', async t => {
  const data = await day(t)
  const files = [
    'audit/gw-1.jsonl',
    'audit/gw-2.jsonl',
    'audit/head.json',
    recording,
    'recordings/s_shell/terminal.cast',
  ]
  const copy = `${data}-copy`
  cpSync(data, copy, { recursive: true })
  let tried = 0
  for (const file of files) {
    const good = readFileSync(join(data, file))
    // All of the bytes in turn would take minutes; a stride that is prime to the line lengths, and each newline.
    for (let at = 0; at < good.length; at += good[at] === 10 || good[at + 1] === 10 ? 1 : 11) {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] ?? 0) ^ (1 << (at % 8))
      writeFileSync(join(copy, file), bad)
      const { intact } = await verify(copy)
      assert.equal(intact, false, `${file} byte ${at}`)
      tried++
    }
    writeFileSync(join(copy, file), good)
  }
  assert.ok(tried > 500)
  assert.equal((await verify(copy)).intact, true)
})

test('a file cut anywhere is found', async t => {
  const data = await day(t)
  for (const file of [
    'audit/gw-1.jsonl',
    'audit/gw-2.jsonl',
    'audit/head.json',
    recording,
    'recordings/s_shell/terminal.cast',
  ]) {
    const { size } = statSync(join(data, file))
    for (let to = 0; to < size; to += to < size - 10 ? 97 : 1) {
      const said = await after(data, copy => truncateSync(join(copy, file), to))
      assert.notEqual(said, 'intact', `${file} cut to ${to}`)
    }
  }
})

test('the line that was changed is named, not the one after it', async t => {
  const data = await day(t)
  for (const file of ['audit/gw-1.jsonl', recording]) {
    const lines = linesOf(data, file)
    for (let n = 0; n < lines.length; n++) {
      const said = await after(data, copy =>
        writeLines(copy, file, lines.with(n, (lines[n] ?? '').replace(/"time":"2026/, '"time":"2025'))),
      )
      assert.match(said, new RegExp(`^${file}:${n + 1}: `), `line ${n + 1}: ${said}`)
    }
  }
})

test('of an audit that is broken it is not said what it does not know', async t => {
  const data = await day(t)
  const file = 'audit/gw-1.jsonl'
  writeLines(data, file, linesOf(data, file).with(0, '{}'))
  const { faults, notes, recordings } = await verify(data)
  assert.equal(recordings, 2)
  assert.equal(faults.length > 0, true)
  assert.deepEqual(
    notes.filter(({ what }) => what.includes('not in the audit')),
    [],
  )
})

test('a line taken out, put in, doubled or swapped is found where it is', async t => {
  const data = await day(t)
  const file = 'audit/gw-1.jsonl'
  const lines = linesOf(data, file)
  assert.match(
    await after(data, copy => writeLines(copy, file, lines.toSpliced(2, 1))),
    /gw-1\.jsonl:3: .*lines are missing/,
  )
  assert.match(
    await after(data, copy => writeLines(copy, file, lines.toSpliced(3, 0, lines[2] ?? ''))),
    /gw-1\.jsonl:[34]: /,
  )
  assert.match(
    await after(data, copy => writeLines(copy, file, lines.with(2, lines[3] ?? '').with(3, lines[2] ?? ''))),
    /gw-1\.jsonl:3: /,
  )
  const forged = JSON.parse(lines[2] ?? '') as { type: string }
  forged.type = 'lock.lifted'
  const put = lines.toSpliced(2, 0, JSON.stringify(forged))
  assert.match(await after(data, copy => writeLines(copy, file, put)), /gw-1\.jsonl:3: was added/)
})

test('a forged seal, a stripped seal and a seal by another key are found', async t => {
  const data = await day(t)
  const file = 'audit/gw-2.jsonl'
  const lines = linesOf(data, file)
  const seal = JSON.parse(lines.at(-1) ?? '') as { signature: string; key: string }
  const forged = JSON.stringify({ ...seal, signature: Buffer.alloc(64).toString('base64') })
  assert.match(
    await after(data, copy => writeLines(copy, file, lines.with(-1, forged))),
    /the seal does not verify/,
  )
  const other = JSON.stringify({ ...seal, key: '0'.repeat(64) })
  assert.match(await after(data, copy => writeLines(copy, file, lines.with(-1, other))), /another key/)
  assert.match(await after(data, copy => writeLines(copy, file, lines.slice(0, -1))), /the end is missing/)
  const sealed = linesOf(data, recording)
  assert.match(
    await after(data, copy => writeLines(copy, recording, sealed.slice(0, -1))),
    /the end is missing/,
  )
})

test('missing files, files put there and exchanged recordings are found', async t => {
  const data = await day(t)
  const at = (copy: string, file: string) => join(copy, file)
  assert.match(
    await after(data, copy => rmSync(at(copy, 'audit/gw-1.jsonl'))),
    /audit\/gw-1\.jsonl: is missing/,
  )
  assert.match(
    await after(data, copy => rmSync(at(copy, 'audit/gw-2.jsonl'))),
    /audit\/gw-2\.jsonl: is missing/,
  )
  assert.match(
    await after(data, copy => rmSync(at(copy, 'audit/head.json'))),
    /audit\/head\.json: is missing/,
  )
  assert.match(
    await after(data, copy => rmSync(at(copy, 'audit'), { recursive: true })),
    /audit: has no files/,
  )
  assert.match(
    await after(data, copy => rmSync(at(copy, 'recordings/s_sql'), { recursive: true })),
    /s_sql\/session\.jsonl: is missing/,
  )
  assert.match(
    await after(data, copy => rmSync(at(copy, 'recordings/s_shell/terminal.cast'))),
    /terminal\.cast: is missing/,
  )
  assert.match(
    await after(data, copy => writeFileSync(at(copy, 'recordings/s_sql/terminal.cast'), '{}')),
    /is no file of this recording/,
  )
  assert.match(
    await after(data, copy => writeFileSync(at(copy, 'audit/gw-x.jsonl'), '')),
    /is no file of the audit/,
  )
  const added = await after(data, copy =>
    cpSync(at(copy, 'recordings/s_sql'), at(copy, 'recordings/s_new'), { recursive: true }),
  )
  assert.match(added, /s_new/)
  const exchanged = await after(data, copy => {
    renameSync(at(copy, 'recordings/s_sql'), at(copy, 'recordings/s_x'))
    renameSync(at(copy, 'recordings/s_shell'), at(copy, 'recordings/s_sql'))
    renameSync(at(copy, 'recordings/s_x'), at(copy, 'recordings/s_shell'))
  })
  assert.match(exchanged, /s_shell|s_sql/)
})

test('a recording that the audit does not know is none, but for one that was just begun when all stopped', async t => {
  const data = await day(t)
  const put = (time: string, events: readonly string[] = []) =>
    after(data, copy => {
      const folder = join(copy, 'recordings/s_new')
      mkdirSync(folder)
      const open = { seq: 1, time, prev: '0'.repeat(64), type: 'open', session: 's_new' }
      writeFileSync(join(folder, 'session.jsonl'), `${JSON.stringify(open)}\n`)
      for (const event of events) writeFileSync(join(copy, 'recordings/s_new', event), '')
    })
  assert.equal(await put('2026-01-01T00:00:00.000Z'), 'intact')
  assert.match(
    await put('2025-12-31T23:59:00.000Z'),
    /s_new: is not in the audit: it was put there by others/,
  )
  assert.match(await put('2026-01-01T00:00:00.000Z', ['terminal.cast']), /is no file of this recording/)
  assert.match(
    await after(data, copy => writeFileSync(join(copy, 'recordings/s_new'), '')),
    /is no recording/,
  )
  const { audit } = await openWorld(data)
  await audit.decided({ type: 'gateway.stopped' })
  await audit.close()
  assert.match(
    await put('2026-01-01T00:00:00.000Z'),
    /s_new: is not in the audit: it was put there by others/,
  )
  assert.match(await after(data, copy => mkdirSync(join(copy, 'recordings/s_new'))), /is no recording/)
})

test('what is written behind a sealed recording or a sealed cast is found', async t => {
  const data = await day(t)
  const lines = linesOf(data, recording)
  assert.match(
    await after(data, copy => writeLines(copy, recording, [...lines, '{"type":"output"}'])),
    /session\.jsonl:\d+: /,
  )
  const cast = 'recordings/s_shell/terminal.cast'
  const more = (copy: string) => writeFileSync(join(copy, cast), '[9,"o","rm -rf /"]\n', { flag: 'a' })
  assert.match(await after(data, more), /bytes more than when it was sealed/)
})

test('an open recording that was changed after a crash stays broken, though recovery has sealed it', async t => {
  const data = join(tempFolder(t), 'data')
  mkdirSync(data)
  const { audit, record } = await openWorld(data)
  await audit.decided({ type: 'grant.issued', grant: 'g_1' })
  const session = await record('s_open')
  await session.placed
  for (let n = 0; n < 10; n++) {
    session.statement(allowed(`select ${n}`))
    session.flush()
  }
  await audit.seal()
  const file = 'recordings/s_open/session.jsonl'
  const lines = linesOf(data, file)
  const changes: readonly [RegExp | string, readonly string[]][] = [
    ['intact', lines],
    [/seals less of s_open than audit\/gw-1\.jsonl:\d+ knows/, lines.slice(0, 4)],
    [
      /was changed before it was sealed/,
      lines.map((line, n) => (n === 8 ? line.replace('select 7', 'select 0') : line)),
    ],
  ]
  for (const [what, changed] of changes) {
    // The crash: as the files stand, without a close.
    const copy = `${data}-crashed`
    rmSync(copy, { recursive: true, force: true })
    cpSync(data, copy, { recursive: true })
    writeLines(copy, file, changed)
    const next = await openWorld(copy)
    const at = { data: copy, key: next.key, now: next.clock.now(), heads: next.audit, log: silent }
    assert.deepEqual((await recoverRecordings(at)).recovered, ['s_open'])
    await next.audit.close()
    const { faults } = await verify(copy)
    const [first] = faults
    assert.match(first === undefined ? 'intact' : `${first.where}: ${first.what}`, new RegExp(what))
  }
  await session.close(byClient)
  await audit.close()
})

test('a recording that cannot be read keeps no other from being recovered', async t => {
  const data = join(tempFolder(t), 'data')
  mkdirSync(data)
  const { audit, record, key, clock } = await openWorld(data)
  const session = await record('s_open')
  session.statement(allowed('select 1'))
  session.flush()
  writeFileSync(join(data, 'recordings/s_a'), 'no folder')
  symlinkSync('/etc', join(data, 'recordings/s_b'))
  mkdirSync(join(data, 'recordings/s_c'))
  symlinkSync('/etc/hostname', join(data, 'recordings/s_c/session.jsonl'))
  const at = { data, key, now: clock.now(), heads: audit, log: silent }
  assert.deepEqual((await recoverRecordings(at)).recovered, ['s_open'])
  await audit.close()
})

test('a roll-back of everything is found by a head that was kept elsewhere, and by nothing else', async t => {
  const data = join(tempFolder(t), 'data')
  mkdirSync(data)
  const { audit } = await openWorld(data)
  await audit.decided({ type: 'grant.issued', grant: 'g_1' })
  await audit.seal()
  const old = `${data}-old`
  cpSync(data, old, { recursive: true })
  await audit.decided({ type: 'grant.revoked', grant: 'g_1' })
  await audit.close()
  const kept = readFileSync(join(data, 'audit/head.json'), 'utf8')
  assert.equal((await verify(data, kept)).intact, true)
  assert.equal((await verify(old)).intact, true)
  const { faults } = await verify(old, kept)
  assert.match(
    `${faults[0]?.where}: ${faults[0]?.what}`,
    /gw-1\.jsonl:3: the end is missing: .* --head has seq 5 signed/,
  )
})

test('two forks cannot both stand: the head kept of one refuses the other', async t => {
  const data = join(tempFolder(t), 'data')
  mkdirSync(data)
  const first = await openWorld(data)
  await first.audit.decided({ type: 'grant.issued', grant: 'g_1' })
  await first.audit.close()
  const fork = `${data}-fork`
  cpSync(data, fork, { recursive: true })
  const heads: string[] = []
  for (const [folder, grant] of [
    [data, 'g_2'],
    [fork, 'g_3'],
  ] as const) {
    const { audit } = await openWorld(folder)
    await audit.decided({ type: 'grant.issued', grant })
    await audit.close()
    heads.push(readFileSync(join(folder, 'audit/head.json'), 'utf8'))
  }
  assert.equal((await verify(data, heads[0])).intact, true)
  const { faults } = await verify(fork, heads[0])
  assert.match(faults[0]?.what ?? '', /is not the line that --head has signed/)
})

test('the writers of one data folder have a chain each, and verify joins them', async t => {
  const data = join(tempFolder(t), 'data')
  mkdirSync(data)
  const one = await openWorld(data, { writer: 'gw1' })
  const two = await openWorld(data, { writer: 'gw2' })
  await Promise.all([
    one.audit.decided({ type: 'grant.issued' }),
    two.audit.decided({ type: 'grant.issued' }),
  ])
  await Promise.all([one.audit.close(), two.audit.close()])
  const report = await verify(data)
  assert.deepEqual(report.faults, [])
  assert.equal(report.events, 2)
})
