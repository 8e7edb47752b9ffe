import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  allowed,
  byClient,
  faultyDisk,
  openWorld,
  refused,
  silent,
  tempFolder,
  verify,
} from '../audit/audit.fixture.ts'
import { parseCast } from './cast.fixture.ts'
import { readCast, readRecords, recordingFiles } from './read.ts'
import { RecordingLost } from './record.ts'
import { recoverRecordings } from './recover.ts'

const textOf = (data: string, session = 's_1', name = 'session.jsonl') =>
  readFileSync(join(data, 'recordings', session, name), 'utf8')
const recordsOf = (data: string, session = 's_1') =>
  textOf(data, session)
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
const terminal = { kind: 'terminal', cols: 80, rows: 24, term: 'xterm-256color', title: 'web-1' } as const

test('what was asked, judged and answered stands there in order, sealed, private, and known to the audit', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  const recorder = await record('s_1')
  const seq = recorder.statement(allowed('select 1'), Buffer.from('€ 5'))
  recorder.flush()
  assert.equal(recordsOf(data).length, 2)
  recorder.result(seq, { rows: 1, bytes: 10, ms: 1.23456, tag: 'SELECT 1' })
  recorder.statement(refused('delete from orders'))
  recorder.file(seq, { act: 'open', path: '/srv/a\u2028b' })
  await recorder.close({ how: 'cut', why: 'grant_expired', text: 'grant g_1 expired' })
  await recorder.close(byClient)
  await audit.close()
  const records = recordsOf(data)
  assert.deepEqual(
    records.map(record => record['type']),
    ['open', 'statement', 'result', 'statement', 'file', 'cut', 'close', 'seal'],
  )
  const shown = (n: number, ...names: string[]) =>
    Object.fromEntries(names.map(name => [name, records[n]?.[name]]))
  assert.deepEqual(shown(0, 'session', 'grant', 'connection'), {
    session: 's_1',
    grant: 'g_1',
    connection: 'web-1',
  })
  assert.deepEqual(shown(1, 'kind', 'text', 'touches', 'verdict', 'parameters'), {
    kind: 'select',
    text: 'select 1',
    touches: [{ act: 'read', on: 'public.orders' }],
    verdict: 'allow',
    parameters: '€ 5',
  })
  assert.deepEqual(shown(2, 'of', 'rows', 'bytes', 'ms', 'tag'), {
    of: 2,
    rows: 1,
    bytes: 10,
    ms: 1.235,
    tag: 'SELECT 1',
  })
  assert.deepEqual(shown(3, 'verdict', 'reason', 'detail'), {
    verdict: 'refused',
    reason: 'statement_refused',
    detail: 'delete is not in scope',
  })
  assert.equal(records[4]?.['path'], '/srv/a\u2028b')
  assert.equal(records[5]?.['why'], 'grant_expired')
  assert.equal(statSync(join(data, 'recordings/s_1')).mode & 0o777, 0o700)
  assert.equal(statSync(join(data, 'recordings/s_1/session.jsonl')).mode & 0o777, 0o600)
  const audited = readFileSync(join(data, 'audit/gw-1.jsonl'), 'utf8')
  assert.ok(audited.includes(String(records[7]?.['signature'])))
  assert.deepEqual((await verify(data)).faults, [])
})

test('a session id is a name and never a path', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  for (const session of ['../x', 's_', 's_a/b', 's_a\0', 'S_a', 's_ä', ''])
    await assert.rejects(record(session), TypeError)
  mkdirSync(join(data, 'recordings'), { recursive: true })
  symlinkSync('/tmp', join(data, 'recordings/s_link'))
  await assert.rejects(record('s_link'), RecordingLost)
  await (await record('s_1')).close(byClient)
  await assert.rejects(record('s_1'), RecordingLost)
  assert.equal(await recordingFiles(data, '../recordings/s_1'), undefined)
  await audit.close()
})

test('no secret is written, in a statement, a parameter, an error, a path, a terminal or a digest', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  const lease = 'L3ase-"v\\lue'
  const password = `pst_${'Q'.repeat(43)}`
  const recorder = await record('s_1')
  const shared = allowed(`select '${lease}', '${password}'`)
  const other = await record('s_2')
  // Another session has seen this verdict first, and that value is no secret of its own.
  other.statement(shared)
  await other.close(byClient)
  recorder.hide(lease)
  const seq = recorder.statement(shared, Buffer.from(`x${lease}`))
  recorder.statement(
    allowed("alter role a password 'hunter22'"),
    Buffer.concat([Buffer.from([0xff]), Buffer.from(lease)]),
  )
  recorder.result(seq, { error: { code: '42601', message: `near "${lease}": password 'hunter22'` } })
  recorder.file(seq, { act: 'open', path: `/srv/${lease}` })
  const shell = recorder.stream(seq, { ...terminal, title: `ssh ${lease}` })
  for (const char of `echo ${lease} ${password}\r\n`) shell.output(Buffer.from(char))
  shell.input(Buffer.from(lease))
  shell.end({ tag: '0' })
  const digest = recorder.stream(seq, { kind: 'digest', what: 'exec' })
  for (const char of `a ${lease} b`) digest.output(Buffer.from(char))
  digest.end({})
  await recorder.close(byClient)
  await audit.close()
  for (const name of readdirSync(join(data, 'recordings/s_1'))) {
    const text = textOf(data, 's_1', name)
    for (const secret of [
      lease,
      JSON.stringify(lease).slice(1, -1),
      password,
      'hunter22',
      Buffer.from(lease).toString('base64').slice(0, 15),
    ]) {
      assert.ok(!text.includes(secret), `${secret} in ${name}`)
    }
  }
  assert.match(textOf(data), /\[redacted 12\]/)
})

test('a token in the words of whoever asked is not in the line that opens', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  const password = `pst_${'A'.repeat(43)}`
  const recorder = await record('s_1', { opened: { grant: 'g_1', reason: `with ${password} at hand` } })
  await recorder.close(byClient)
  await audit.close()
  assert.match(textOf(data), /"reason":"with \[redacted 47\] at hand"/)
})

test('a terminal is an asciicast: sizes, output split inside a character, invalid bytes, input, exit', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  const recorder = await record('s_1')
  const of = recorder.statement(allowed('shell'))
  const shell = recorder.stream(of, terminal)
  for (const byte of Buffer.from('hällo 漢🙂\r\n')) shell.output(Uint8Array.of(byte))
  shell.output(Buffer.from('[1.0,"o","forged"]\n'))
  shell.output(Uint8Array.of(0xff, 0x41, 0x0a))
  shell.resize(2 ** 32, 0)
  shell.input(Buffer.from('ls\r'))
  shell.end({ tag: 'exit 3' })
  shell.output(Buffer.from('after the end'))
  const second = recorder.stream(of, terminal)
  second.output(Buffer.from('second\n'))
  second.end({ tag: 'signal HUP' })
  await recorder.close(byClient)
  await audit.close()
  const { header, events } = parseCast(readFileSync(join(data, 'recordings/s_1/terminal.cast')))
  assert.deepEqual([header['width'], header['height'], header['title']], [80, 24, 'web-1'])
  const said = (code: string) => events.filter(event => event.code === code).map(event => event.data)
  assert.equal(said('o').join(''), 'hällo 漢🙂\r\n[1.0,"o","forged"]\n\ufffdA\n')
  assert.deepEqual(said('r'), ['1000x1'])
  assert.equal(said('i').join(''), 'ls\r')
  assert.deepEqual(said('x'), ['3'])
  const raw = recordsOf(data).find(line => line['beside'] === 'terminal.cast')
  assert.deepEqual(Buffer.from(String(raw?.['data']), 'base64'), Buffer.from([0xff, 0x41, 0x0a]))
  assert.deepEqual(await recordingFiles(data, 's_1'), ['session.jsonl', 'terminal.cast', 'terminal-2.cast'])
  const replayed = []
  for await (const event of readCast(data, 's_1', 'terminal-2.cast')) replayed.push(event.data)
  assert.deepEqual(replayed, ['second\n'])
  assert.deepEqual((await verify(data)).faults, [])
})

test('an echoed line says that it is best effort, and holds no secret and no line end of its own', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  const recorder = await record('s_1')
  recorder.hide('lease-value')
  const of = recorder.statement(allowed('shell'))
  const line = `echo lease-value pst_${'x'.repeat(43)}\u2028; psql -c "alter role a password 'hunter2'"`
  recorder.echoed(of, Buffer.from(line))
  recorder.echoed(of, Buffer.concat([Buffer.from('lease-value '), Buffer.of(0xff)]))
  await recorder.close(byClient)
  await audit.close()
  const echoed = recordsOf(data).filter(({ type }) => type === 'echoed')
  assert.deepEqual(
    echoed.map(({ of: number, line: text, encoding, best_effort }) => [number, text, encoding, best_effort]),
    [
      [
        of,
        `echo [redacted 11] [redacted 47]\u2028; psql -c "alter role a password '[redacted 7]'"`,
        undefined,
        true,
      ],
      [
        of,
        Buffer.concat([Buffer.from('[redacted 11] '), Buffer.of(0xff)]).toString('base64'),
        'base64',
        true,
      ],
    ],
  )
  assert.ok(textOf(data).includes('\\u2028'))
  assert.deepEqual((await verify(data)).faults, [])
})

test('a stream without a terminal is its digest, its count and its first 64 KiB each way', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  const recorder = await record('s_1')
  const of = recorder.statement(allowed('exec'))
  const stream = recorder.stream(of, { kind: 'digest', what: 'exec' })
  const chunk = Buffer.alloc(1000, 'x')
  for (let n = 0; n < 50; n++) stream.output(chunk)
  await audit.seal()
  for (let n = 0; n < 50; n++) stream.output(chunk)
  stream.output(Buffer.from('error'), 'stderr')
  stream.input(Uint8Array.of(0, 255))
  stream.end({ tag: '0', bytes: 100_000 })
  await recorder.close(byClient)
  await audit.close()
  const records = recordsOf(data).filter(line => line['what'] === 'exec')
  const out = records.filter(line => line['from'] === 'stdout')
  assert.equal(out.map(line => line['data']).join(''), 'x'.repeat(65_536))
  assert.equal(out.at(-1)?.['bytes'], 100_000)
  const sum = hash('sha256', 'x'.repeat(100_000))
  assert.equal(out.at(-1)?.['digest'], sum)
  assert.deepEqual(
    records.filter(line => line['type'] === 'input').map(line => [line['data'], line['encoding']]),
    [['AP8=', 'base64']],
  )
  assert.equal(records.find(line => line['from'] === 'stderr')?.['data'], 'error')
})

test('while a session lives the audit notes each second how far it has come, casts included', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  const recorder = await record('s_1')
  await recorder.placed
  const of = recorder.statement(allowed('shell'))
  const shell = recorder.stream(of, terminal)
  shell.output(Buffer.from('one\r\n'))
  await audit.seal()
  const size = statSync(join(data, 'audit/gw-1.jsonl')).size
  await audit.seal()
  assert.equal(statSync(join(data, 'audit/gw-1.jsonl')).size, size)
  shell.output(Buffer.from('two\r\n'))
  recorder.flush()
  const report = await verify(data)
  assert.deepEqual(report.faults, [])
  assert.equal(report.open, 1)
  truncateSync(join(data, 'recordings/s_1/terminal.cast'), 100)
  assert.match((await verify(data)).faults[0]?.what ?? '', /the end is missing/)
  rmSync(join(data, 'recordings/s_1'), { recursive: true })
  assert.match((await verify(data)).faults[0]?.what ?? '', /is missing/)
  await audit.close()
})

test('a record that cannot be written is thrown before anything is relayed; the session is closed when there is room again', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  for (const [session, room, error] of [
    ['s_1', 0, 'ENOSPC'],
    ['s_2', 30, 'EIO'],
    ['s_3', 400, 'EDQUOT'],
  ] as const) {
    const disk = faultyDisk()
    const recorder = await record(session, { disk: disk.io })
    disk.state.room = room
    disk.state.writeError = error
    recorder.statement(allowed('select 1'))
    recorder.statement(allowed('select 2'))
    assert.throws(() => recorder.flush(), RecordingLost)
    assert.throws(() => recorder.flush(), RecordingLost)
    const stream = recorder.stream(1 as never, terminal)
    stream.output(Buffer.from('nothing'))
    await recorder.close({
      how: 'cut',
      why: 'recording_unavailable',
      text: 'the recording cannot be written',
    })
    disk.state.room = Number.POSITIVE_INFINITY
    await audit.seal()
    const records = textOf(data, session).trimEnd().split('\n')
    assert.match(records.at(-1) ?? '', /"type":"seal"/)
    assert.match(records.at(-2) ?? '', /"type":"close","why":"recording_unavailable"/)
  }
  await audit.close()
  const report = await verify(data)
  assert.deepEqual(report.faults, [])
  assert.equal(report.open, 0)
  assert.equal(report.recoveries.length, 3)
})

test('a sync that fails between turns ends the session by itself', async t => {
  const data = tempFolder(t)
  const disk = faultyDisk()
  const lost: unknown[] = []
  const { audit, record } = await openWorld(data)
  const recorder = await record('s_1', { disk: disk.io, onLost: why => lost.push(why) })
  await recorder.placed
  await audit.seal()
  recorder.statement(allowed('select 1'))
  recorder.flush()
  disk.state.syncError = 'EIO'
  await audit.seal()
  assert.equal(lost.length, 1)
  assert.throws(() => recorder.flush(), RecordingLost)
  disk.state.syncError = ''
  await recorder.close({ how: 'cut', why: 'recording_unavailable', text: 'x' })
  await audit.close()
  assert.deepEqual((await verify(data)).faults, [])
})

test('a recording that is as long as it may be ends the session, closed and sealed in good order', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  const recorder = await record('s_1', { limits: { bytes: 10_000 } })
  const shell = recorder.stream(recorder.statement(allowed('shell')), terminal)
  const pour = () => {
    for (let n = 0; n < 1000; n++) {
      shell.output(Buffer.alloc(500, 'x'))
      recorder.flush()
    }
  }
  assert.throws(pour, (error: unknown) => error instanceof RecordingLost && error.why === 'limit_exceeded')
  await recorder.close({ how: 'cut', why: 'limit_exceeded', text: 'the recording is full' })
  await audit.close()
  assert.ok(statSync(join(data, 'recordings/s_1/terminal.cast')).size < 20_000)
  assert.equal(recordsOf(data).at(-2)?.['why'], 'limit_exceeded')
  const report = await verify(data)
  assert.deepEqual([report.faults, report.recoveries, report.open], [[], [], 0])
})

test('a host that goes on to a client that sends nothing ends its session by the next look', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  const ends: string[] = []
  const onLost = (lost: RecordingLost) => void ends.push(lost.why)
  const recorder = await record('s_1', { limits: { bytes: 100_000 }, onLost })
  const shell = recorder.stream(recorder.statement(allowed('shell')), terminal)
  recorder.flush()
  await recorder.checkpoint()
  assert.deepEqual(ends, [])
  for (let n = 0; n < 1000; n++) shell.output(Buffer.alloc(500, 'x'))
  await recorder.checkpoint()
  assert.deepEqual(ends, ['limit_exceeded'])
  await recorder.close({ how: 'cut', why: 'limit_exceeded', text: 'the recording is full' })
  await audit.close()
  assert.deepEqual((await verify(data)).faults, [])
})

test('a recording that cannot be opened is refused and leaves nothing', async t => {
  const data = tempFolder(t)
  const { audit, record } = await openWorld(data)
  const disk = faultyDisk()
  disk.state.room = 10
  await assert.rejects(record('s_1', { disk: disk.io }), RecordingLost)
  assert.ok(!existsSync(join(data, 'recordings/s_1')))
  await audit.close()
  assert.deepEqual((await verify(data)).faults, [])
})

test('a recording left open by a crash is closed at start, its torn line fenced, its cast playable, its seal audited', async t => {
  const data = tempFolder(t)
  const first = await openWorld(data)
  const recorder = await first.record('s_1')
  await recorder.placed
  const shell = recorder.stream(recorder.statement(allowed('shell')), terminal)
  shell.output(Buffer.from('one\r\n'))
  await first.audit.seal()
  // A second terminal whose header was never written.
  recorder.stream(recorder.statement(allowed('shell')), terminal)
  // The process is gone here: nothing is closed, the last writes are torn.
  appendFileSync(join(data, 'recordings/s_1/session.jsonl'), '{"seq":8,"time')
  appendFileSync(join(data, 'recordings/s_1/terminal.cast'), Buffer.from('[9.5,"o","tw\\u00'))
  mkdirSync(join(data, 'recordings/s_2'))
  const crashed = await verify(data)
  assert.deepEqual(crashed.faults, [])
  assert.ok(
    crashed.notes.some(({ where, what }) => `${where} ${what}` === 'recordings/s_2 is not a recording yet'),
  )
  const second = await openWorld(data)
  const at = { data, key: second.key, now: second.clock.now(), heads: second.audit, log: silent }
  assert.deepEqual((await recoverRecordings(at)).recovered, ['s_1'])
  assert.deepEqual((await recoverRecordings(at)).recovered, [])
  await second.audit.close()
  const types = []
  for await (const line of readRecords(data, 's_1')) types.push(line.type)
  assert.deepEqual(types.slice(-3), ['recovered', 'close', 'seal'])
  assert.equal(recordsOfClose(data)?.['why'], 'gateway_crashed')
  assert.deepEqual(parseCast(readFileSync(join(data, 'recordings/s_1/terminal.cast'))).events.at(-1), {
    time: 9.5,
    code: 'o',
    data: 'tw\0',
  })
  assert.deepEqual(parseCast(readFileSync(join(data, 'recordings/s_1/terminal-2.cast'))).events, [])
  const report = await verify(data)
  assert.deepEqual([report.faults, report.open], [[], 0])
  assert.deepEqual(
    report.recoveries.filter(({ file }) => file.startsWith('recordings')).map(({ tornBytes }) => tornBytes),
    [14],
  )
})

function recordsOfClose(data: string): Record<string, unknown> | undefined {
  const line = textOf(data)
    .split('\n')
    .find(text => text.includes('"type":"close"'))
  return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>)
}
