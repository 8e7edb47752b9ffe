import assert from 'node:assert/strict'
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { LedgerBroken } from '../ledger/recover.ts'
import { RecordingLost } from '../recording/record.ts'
import { faultyDisk, openWorld, policy, tempFolder, verify } from './audit.fixture.ts'
import type { Page } from './read.ts'

const lines = (data: string, file = 'audit/gw-1.jsonl') =>
  readFileSync(join(data, file), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)

test('a decision is answered after its line has been synced, and many share one sync', async t => {
  const data = tempFolder(t)
  const disk = faultyDisk()
  const { audit } = await openWorld(data, { disk: disk.io })
  disk.state.syncs = 0
  const cursors = await Promise.all(
    Array.from({ length: 100 }, (_, n) => audit.decided({ type: 'grant.issued', grant: `g_${n}` })),
  )
  assert.equal(disk.state.syncs, 1)
  assert.deepEqual(cursors[99], { file: 'audit/gw-1.jsonl', seq: 101 })
  assert.equal(lines(data).length, 101)
  await audit.close()
})

test('a line says who, what and under which policy, and no token whatever field it came in by', async t => {
  const data = tempFolder(t)
  const { audit } = await openWorld(data)
  const password = `pst_${'A'.repeat(43)}`
  const jwt = `eyJhbGciOiJSUzI1NiJ9.${'a'.repeat(40)}.${'b'.repeat(40)}`
  const identity = {
    issuer: 'okta',
    subject: 'sre-bot',
    client: '0oaSre',
    kind: 'agent',
    groups: ['a\nb\u2028'],
    tokenDigest: 'd'.repeat(64),
    expiresAt: 0,
    raw: 'never shown',
  } as const
  await audit.decided({
    type: 'token.refused',
    reason: 'token_audience',
    detail: `saw ${jwt}`,
    identity,
    facts: { header: password },
  })
  const text = readFileSync(join(data, 'audit/gw-1.jsonl'), 'utf8')
  assert.equal(text.split(/\r\n|[\n\r\u2028\u2029\u0085]/).length, 3)
  assert.ok(!text.includes(password) && !text.includes(jwt) && !text.includes('never shown'))
  const [, line] = lines(data)
  assert.equal(line?.['policy'], policy)
  assert.equal(line?.['reason'], 'token_audience')
  assert.deepEqual(line?.['identity'], {
    issuer: 'okta',
    subject: 'sre-bot',
    client: '0oaSre',
    kind: 'agent',
    groups: ['a\nb\u2028'],
    token_digest: 'd'.repeat(64),
    expires_at: '1970-01-01T00:00:00.000Z',
  })
  assert.deepEqual(line?.['facts'], { header: '[redacted 47]' })
  await audit.close()
})

test('nothing is sealed while nothing happens', async t => {
  const data = tempFolder(t)
  const { audit } = await openWorld(data)
  await audit.decided({ type: 'grant.issued' })
  await audit.seal()
  const size = statSync(join(data, 'audit/gw-1.jsonl')).size
  await audit.seal()
  await audit.close()
  assert.equal(statSync(join(data, 'audit/gw-1.jsonl')).size, size)
})

test('the audit goes on where it stopped, also over many files', async t => {
  const data = tempFolder(t)
  for (let start = 0; start < 4; start++) {
    const { audit } = await openWorld(data, { rotateAt: 1500 })
    for (let n = 0; n < 5; n++) {
      await audit.decided({ type: 'grant.issued', grant: `g_${start}_${n}` })
      if (n % 2 === 0) await audit.seal()
    }
    await audit.close()
  }
  assert.ok(readdirSync(join(data, 'audit')).length > 3)
  const report = await verify(data)
  assert.deepEqual(report.faults, [])
  assert.equal(report.events, 20)
})

test('a decision made while a file is changed for the next waits for both files', async t => {
  const data = tempFolder(t)
  const { audit } = await openWorld(data, { rotateAt: 1 })
  const all: Promise<unknown>[] = []
  for (let n = 0; n < 20; n++) {
    all.push(audit.decided({ type: 'grant.issued', grant: `g_${n}` }))
    if (n % 3 === 0) all.push(audit.seal())
    if (n % 4 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  await Promise.all(all)
  await audit.close()
  const report = await verify(data)
  assert.deepEqual(report.faults, [])
  assert.equal(report.events, 20)
})

test('an audit that was cut off while the disk was full is not gone on from', async t => {
  const data = tempFolder(t)
  const disk = faultyDisk()
  const { audit } = await openWorld(data, { disk: disk.io })
  const first = statSync(join(data, 'audit/gw-1.jsonl')).size
  for (let n = 0; n < 5; n++) await audit.decided({ type: 'grant.issued', grant: `g_${n}` })
  await audit.seal()
  disk.state.room = 0
  await assert.rejects(audit.decided({ type: 'grant.issued', grant: 'g_late' }), RecordingLost)
  truncateSync(join(data, 'audit/gw-1.jsonl'), first)
  disk.state.room = Number.POSITIVE_INFINITY
  await audit.seal()
  assert.equal(audit.healthy, false)
  assert.notEqual((await verify(data)).faults.length, 0)
})

test('on a full disk every decision is refused, and facts wait until there is room again', async t => {
  const data = tempFolder(t)
  const disk = faultyDisk()
  const heard: string[] = []
  const { audit } = await openWorld(data, {
    disk: disk.io,
    onLost: () => heard.push('lost'),
    onBack: () => heard.push('back'),
  })
  await audit.decided({ type: 'grant.issued', grant: 'g_1' })
  disk.state.room = 50
  await assert.rejects(audit.decided({ type: 'grant.issued', grant: 'g_2' }), RecordingLost)
  assert.equal(audit.healthy, false)
  await assert.rejects(audit.decided({ type: 'grant.issued', grant: 'g_3' }), RecordingLost)
  audit.noted({ type: 'session.closed', session: 's_1' })
  await audit.seal()
  assert.equal(audit.healthy, false)
  disk.state.room = Number.POSITIVE_INFINITY
  await audit.seal()
  assert.equal(audit.healthy, true)
  await audit.decided({ type: 'grant.issued', grant: 'g_4' })
  await audit.close()
  assert.deepEqual(heard, ['lost', 'back'])
  const report = await verify(data)
  assert.deepEqual(report.faults, [])
  assert.equal(report.recoveries[0]?.tornBytes, 50)
  const text = readFileSync(join(data, 'audit/gw-1.jsonl'), 'utf8')
  for (const [id, there] of [
    ['g_1', true],
    ['g_2', false],
    ['g_3', false],
    ['s_1', true],
    ['g_4', true],
  ] as const) {
    assert.equal(text.includes(`"${id}"`), there, id)
  }
})

test('facts that waited are not lost where room comes back bit by bit', async t => {
  const data = tempFolder(t)
  const disk = faultyDisk()
  const { audit } = await openWorld(data, { disk: disk.io })
  disk.state.room = 0
  await assert.rejects(audit.decided({ type: 'grant.issued', grant: 'g_1' }), RecordingLost)
  audit.noted({ type: 'session.closed', session: 's_1' })
  // Among them are those that the recovery's own lines fit in, and not what waited.
  for (let room = 0; !audit.healthy; room += 100) {
    disk.state.room = room
    await audit.seal()
  }
  disk.state.room = Number.POSITIVE_INFINITY
  await audit.close()
  assert.match(readFileSync(join(data, 'audit/gw-1.jsonl'), 'utf8'), /"s_1"/)
  assert.deepEqual((await verify(data)).faults, [])
})

test('facts that waited stand there with the time at which they happened', async t => {
  const data = tempFolder(t)
  const disk = faultyDisk()
  const at = { now: Date.UTC(2026, 0, 1) }
  const { audit } = await openWorld(data, { disk: disk.io, clock: { now: () => at.now, mono: () => at.now } })
  disk.state.room = 0
  await assert.rejects(audit.decided({ type: 'grant.issued', grant: 'g_1' }), RecordingLost)
  at.now += 60_000
  audit.noted({ type: 'session.cut', session: 's_1' })
  at.now += 3_600_000
  disk.state.room = Number.POSITIVE_INFINITY
  await audit.seal()
  await audit.close()
  const lines = readFileSync(join(data, 'audit/gw-1.jsonl'), 'utf8').trim().split('\n')
  const cut = lines.map(line => JSON.parse(line)).find(({ type }) => type === 'session.cut')
  assert.equal(cut.time, '2026-01-01T00:01:00.000Z')
  assert.deepEqual((await verify(data)).faults, [])
})

test('a disk that cannot sync answers no decision', async t => {
  const data = tempFolder(t)
  const disk = faultyDisk()
  const { audit } = await openWorld(data, { disk: disk.io })
  disk.state.syncError = 'EIO'
  await assert.rejects(audit.decided({ type: 'grant.issued', grant: 'g_1' }), RecordingLost)
  disk.state.syncError = ''
  await audit.seal()
  await audit.decided({ type: 'grant.issued', grant: 'g_2' })
  await audit.close()
  assert.deepEqual((await verify(data)).faults, [])
})

test('a write that is cut short is gone on with', async t => {
  const data = tempFolder(t)
  const disk = faultyDisk()
  disk.state.shortWrites = true
  const { audit } = await openWorld(data, { disk: disk.io })
  await audit.decided({ type: 'grant.issued', detail: 'é'.repeat(500) })
  await audit.close()
  assert.deepEqual((await verify(data)).faults, [])
})

test('a torn last line is fenced, told and sealed at start; what was whole stays', async t => {
  const data = tempFolder(t)
  const { audit } = await openWorld(data)
  await audit.decided({ type: 'grant.issued', grant: 'g_1' })
  await audit.close()
  const file = join(data, 'audit/gw-1.jsonl')
  for (const torn of ['{"seq":3,"ti', '\0\0\0\0', 'x\n{"seq":9}\n{"se', '\n']) {
    appendFileSync(file, torn)
    const again = await openWorld(data)
    await again.audit.close()
    const report = await verify(data)
    assert.deepEqual(report.faults, [], JSON.stringify(torn))
  }
  const report = await verify(data)
  assert.deepEqual(
    report.recoveries.map(recovery => recovery.tornBytes),
    [12, 4, 16, 0],
  )
  assert.ok(readFileSync(file, 'utf8').includes('{"seq":3,"ti\n'))
})

test('a torn line that is altered later is found', async t => {
  const data = tempFolder(t)
  const { audit } = await openWorld(data)
  await audit.decided({ type: 'grant.issued', grant: 'g_1' })
  await audit.close()
  const file = join(data, 'audit/gw-1.jsonl')
  appendFileSync(file, 'first\nsecond')
  await (await openWorld(data)).audit.close()
  const good = readFileSync(file, 'utf8')
  for (const [from, to] of [
    ['first', 'farst'],
    ['second', 'secand'],
    ['first\nsecond', 'first second'],
  ] as const) {
    writeFileSync(file, good.replace(from, to))
    assert.match((await verify(data)).faults[0]?.where ?? '', /^audit\/gw-1\.jsonl:4$/)
  }
})

test('the gateway does not go on from an audit that was cut, changed or rolled back', async t => {
  const data = tempFolder(t)
  const { audit } = await openWorld(data)
  await audit.decided({ type: 'grant.issued', grant: 'g_1' })
  await audit.seal()
  const file = join(data, 'audit/gw-1.jsonl')
  const old = readFileSync(file)
  await audit.decided({ type: 'grant.revoked', grant: 'g_1' })
  await audit.close()
  const good = readFileSync(file)
  const head = join(data, 'audit/head.json')
  const signed = readFileSync(head)
  const breaks = [
    () => writeFileSync(file, old),
    () => truncateSync(file, good.length - 1 - 200),
    () => writeFileSync(file, good.toString().replace('grant.revoked', 'grant.renewed')),
    () => rmSync(file),
    () => rmSync(head),
  ]
  for (const make of breaks) {
    make()
    await assert.rejects(openWorld(data), LedgerBroken)
    writeFileSync(file, good)
    writeFileSync(head, signed)
  }
  rmSync(join(data, 'keys/audit.key'))
  await assert.rejects(openWorld(data), /is gone/)
  assert.ok(!existsSync(join(data, 'keys/audit.key')))
})

test('a crash between two files and the head is no break; lines changed before seals are', async t => {
  const data = tempFolder(t)
  const first = await openWorld(data, { rotateAt: 1000 })
  await first.audit.decided({ type: 'grant.issued', grant: 'g_1' })
  await first.audit.seal()
  const head = join(data, 'audit/head.json')
  const before = readFileSync(head)
  for (let n = 2; n < 6; n++) {
    await first.audit.decided({ type: 'grant.issued', grant: `g_${n}` })
    await first.audit.seal()
  }
  await first.audit.close()
  assert.ok(existsSync(join(data, 'audit/gw-2.jsonl')))
  writeFileSync(head, before)
  await (await openWorld(data)).audit.close()
  assert.deepEqual((await verify(data)).faults, [])

  writeFileSync(head, before)
  const last =
    readdirSync(join(data, 'audit'))
      .filter(name => name.endsWith('.jsonl'))
      .sort()
      .at(-1) ?? ''
  const again = await openWorld(data)
  for (let n = 0; n < 3; n++) {
    again.audit.noted({ type: 'session.closed', session: `s_${n}` })
    await again.audit.seal()
  }
  await again.audit.close()
  writeFileSync(head, before)
  const file = join(data, 'audit', last)
  writeFileSync(file, readFileSync(file, 'utf8').replace('s_0', 's_9'))
  await assert.rejects(openWorld(data), LedgerBroken)
})

test('pages go backwards from the newest and forwards from a cursor, over files, with filters', async t => {
  const data = tempFolder(t)
  const { audit } = await openWorld(data, { rotateAt: 800 })
  const cursors = []
  for (let n = 0; n < 20; n++) {
    cursors.push(
      await audit.decided({ type: n % 2 === 0 ? 'grant.issued' : 'grant.revoked', grant: `g_${n}` }),
    )
    if (n % 4 === 3) await audit.seal()
  }
  const grants = (page: Page) => page.events.map(event => event['grant'])
  const newest = await audit.read({ limit: 3 })
  assert.deepEqual(grants(newest), ['g_19', 'g_18', 'g_17'])
  assert.ok(newest.next)
  assert.deepEqual(grants(await audit.read({ limit: 2, before: newest.next })), ['g_16', 'g_15'])
  const all = await audit.read({ type: 'grant.revoked' })
  assert.equal(all.events.length, 10)
  assert.equal(all.next, undefined)
  assert.deepEqual(grants(await audit.read({ grant: 'g_7' })), ['g_7'])
  assert.deepEqual(grants(await audit.read({ after: cursors[16] ?? { file: '', seq: 0 } })), [
    'g_17',
    'g_18',
    'g_19',
  ])
  const again = []
  for await (const one of audit.replay(cursors[9])) again.push(one)
  assert.deepEqual(
    again.map(({ event }) => event['grant']),
    Array.from({ length: 10 }, (_, n) => `g_${n + 10}`),
  )
  assert.deepEqual(again.at(-1)?.cursor, cursors[19])
  await audit.close()
})
