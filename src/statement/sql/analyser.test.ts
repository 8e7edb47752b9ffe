import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Refused } from '../../denial.ts'
import { createAnalyser, type SqlAnalyser } from './analyser.ts'
import type { Limits } from './analysis.ts'
import { checkCaps } from './caps.ts'

const limits: Limits = {
  masked: {},
  filter: {},
  columns: {},
  own: {
    version: 18,
    schema: 'public',
    rows: [],
    hidden: [],
    fields: [],
    names: [],
    casting: [],
    unsaid: [],
  },
  functions: [],
  catalog: false,
}

const warnings: unknown[] = []
const none = () => undefined
const log = { debug: none, info: none, error: none, warn: (what: unknown) => void warnings.push(what) }

async function reads(analyser: SqlAnalyser): Promise<void> {
  const answer = await analyser.analyse('select id from orders', limits, 'g_1')
  assert.ok(!(answer instanceof Refused) && answer.ok)
  assert.deepEqual(answer.statements[0]?.touches, [{ act: 'read', on: 'public.orders' }])
}

/** A thread that does something else than parse where a statement says so. */
async function planted(t: { after(run: () => Promise<void>): void }, body: string): Promise<URL> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-sql-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'worker.mjs')
  const facts =
    "{ ok: true, statements: [{ kind: 'select', verbs: [], touches: [{ act: 'read', on: 'public.orders' }], refusals: [], literal: false }] }"
  await writeFile(
    file,
    `import { parentPort } from 'node:worker_threads'
     parentPort.on('message', ({ id, sql }) => { ${body}; parentPort.postMessage({ id, analysis: ${facts} }) })
     parentPort.postMessage('ready')`,
  )
  return pathToFileURL(file)
}

const codeOf = (answer: unknown) => (answer instanceof Refused ? answer.denial.code : 'answered')

test('a statement is read, and many at once in their order', async () => {
  await using analyser = createAnalyser({ log })
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => analyser.analyse(`select * from t${i}`, limits, 'g_1')),
  )
  assert.deepEqual(
    answers.map(answer => !(answer instanceof Refused) && answer.ok && answer.statements[0]?.touches[0]?.on),
    Array.from({ length: 50 }, (_, i) => `public.t${i}`),
  )
})

test('a syntax error is an answer, and costs no thread', async () => {
  await using analyser = createAnalyser({ log })
  warnings.length = 0
  const answer = await analyser.analyse('selec 1', limits, 'g_1')
  assert.deepEqual(answer, { ok: false, why: 'syntax error at or near "selec"' })
  await reads(analyser)
  assert.equal(warnings.length, 0)
})

test('after statements that break the parser, time and again, an ordinary statement is still read, and memory is flat', async () => {
  await using analyser = createAnalyser({ log })
  // Past the caps, straight into the parser: what breaks it for good breaks one thread (attack 103).
  const bomb = `select 1${'+1'.repeat(45_000)}`
  assert.ok(checkCaps(bomb))
  await reads(analyser)
  for (let i = 0; i < 2; i++) await analyser.analyse(bomb, limits, 'g_1')
  const before = process.memoryUsage().rss
  for (let i = 0; i < 6; i++) {
    assert.equal(codeOf(await analyser.analyse(bomb, limits, 'g_1')), 'statement_unparsable')
    await reads(analyser)
  }
  assert.ok(
    process.memoryUsage().rss - before < 200 * 1024 * 1024,
    'threads that broke are gone with their memory',
  )
})

test('what the caps let through does not break the parser, by the hundred', async () => {
  await using analyser = createAnalyser({ log })
  warnings.length = 0
  const edges = [
    `select 1${'+1'.repeat(990)}`,
    `select ${'- '.repeat(1_900)}a`,
    `select a${' at time zone b'.repeat(480)}`,
    `select ${'f('.repeat(99)}1${'+1'.repeat(800)}${')'.repeat(99)}`,
    `select ${'(select '.repeat(99)}1${')'.repeat(99)}`,
    `select 1${' union select 1'.repeat(600)}`,
    `select ${'case when a then '.repeat(300)}1${' end'.repeat(300)}`,
    `insert into t values ${Array(9_000).fill('(1)').join(', ')}`,
  ]
  for (const sql of edges) assert.equal(checkCaps(sql), undefined, sql.slice(0, 40))
  for (let i = 0; i < 13; i++)
    for (const sql of edges)
      assert.equal(codeOf(await analyser.analyse(sql, limits, 'g_1')), 'answered', sql.slice(0, 40))
  assert.deepEqual(warnings, [])
})

test('no statement that the caps let through holds the thread up, whatever it names', async t => {
  await using analyser = createAnalyser({ log })
  await reads(analyser)
  warnings.length = 0
  const many = (count: number, one: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => one(i)).join()
  const columns = Array.from({ length: 1_000 }, (_, i) => `c${i}`)
  const limited: Limits = {
    ...limits,
    masked: { 'public.people': ['email', 'salary'] },
    filter: { 'public.people': ['email'] },
    columns: { 'public.items': { columns: ['id'], barred: columns } },
  }
  const floods = [
    `select ${many(12_000, i => `a${i}`)} from ${many(10_000, i => `t${i}`)}`,
    `select ${many(24_000, i => `a${i}`)} from ${many(499, i => `t${i}`)}`,
    `select ${many(10_000, i => `a${i}`)} from ${many(8_000, i => `people t${i}`)}`,
    `select ${many(12_000, () => 'email')} from ${many(499, i => `people t${i}`)}`,
    `select ${many(12_000, () => '*')} from ${many(499, i => `people t${i}`)}`,
    `select ${many(12_000, () => 'people.*')} from ${many(499, () => `people`)}`,
    `select ${many(12_000, () => 'c999')} from ${many(499, i => `items t${i}`)}`,
    `select ${many(12_000, () => '*')} from items`,
    `select ${many(8_000, i => `id as b${i}`)} from people order by ${many(8_000, i => `x${i}`)}`,
    `select z.a from rows from (${many(5_000, () => "json_each('1')")}) as z order by ${many(5_000, () => 'z.a')}`,
    `with ${many(6_500, i => `c${i} as (select 1)`)} select 1`,
    `select 1 from ${'people join '.repeat(400)} people ${'using (a) '.repeat(400)}`,
    `select ${many(12_000, i => `f${i}()`)}`,
    `select ${many(40, () => 'c')} from ${many(25, i => `items i${i}`)};`.repeat(300),
    `with c0 as (select email, salary from people), ${many(200, i => `c${i + 1} as (select a.*, b.* from c${i} a, c${i} b)`)} select 1 from c200`,
    `select ${many(6_000, () => 's.*')} from (select ${many(4_000, i => `email as e${i}`)} from people) s`,
    `select ${many(5_000, i => `s.e${i}`)} from (select ${many(5_000, i => `email as e${i}`)} from people) s`,
    `select 1 from ${'(select * from '.repeat(90)}(select ${many(9_000, i => `email as e${i}`)} from people) s${') s'.repeat(90)}`,
    `select ${many(4_000, () => 'salary')} from ${many(400, i => `(select email as x${i} from people) t${i}`)}`,
    `copy (with c as (select ${many(20, i => `email as e${i}`)} from people) select ${many(40, () => 'c.*')} from c) to stdout;`.repeat(
      100,
    ),
  ]
  for (const sql of floods) {
    assert.equal(checkCaps(sql), undefined, sql.slice(0, 40))
    const since = performance.now()
    assert.equal(codeOf(await analyser.analyse(sql, limited, 'g_1')), 'answered', sql.slice(0, 40))
    t.diagnostic(`${Math.round(performance.now() - since)} ms: ${sql.slice(0, 30)}`)
  }
  assert.deepEqual(warnings, [])
})

test('what is not looked at to its end is refused', async () => {
  await using analyser = createAnalyser({ log })
  const relations = Array.from({ length: 501 }, (_, i) => `public.orders t${i}`)
  const of = async (sql: string) => {
    const answer = await analyser.analyse(sql, limits, 'g_1')
    assert.ok(!(answer instanceof Refused) && answer.ok)
    return answer.statements.flatMap(facts => facts.refusals)
  }
  assert.deepEqual(await of(`select 1 from ${relations.slice(1).join()}`), [])
  assert.match(String(await of(`select 1 from ${relations.join()}`)), /at most 500 relations/)
  const sets = Array.from({ length: 12 }, (_, i) => `'a'::type${i}`)
  assert.equal((await of(`select ${sets.join()}`)).length, 10)
  assert.equal((await of(`select 1; select ${sets.join()}; select 1`)).length, 10)
})

test('a name in WITH is known behind it, in RECURSIVE to all, and nowhere else', async () => {
  await using analyser = createAnalyser({ log })
  for (const [sql, ...touched] of [
    ['with a as (select 1), b as (select * from a) select * from a, b'],
    ['with a as (select * from b), b as (select 1) select * from b', 'public.b'],
    ['with recursive a as (select * from b), b as (select 1) select * from b'],
    ['with a as (select * from a) select * from a', 'public.a'],
    ['with a as (select 1) select * from (with b as (select * from a) select * from a, b) x, b', 'public.b'],
    ['with a as (with c as (select 1) select * from c) select * from c', 'public.c'],
  ] as const) {
    const answer = await analyser.analyse(sql, limits, 'g_1')
    assert.ok(!(answer instanceof Refused) && answer.ok)
    assert.deepEqual(
      answer.statements.flatMap(facts => facts.touches.map(touch => touch.on)),
      touched,
      sql,
    )
  }
})

test('a statement that outlasts the deadline is refused, and those behind it are read by a new thread', async t => {
  const file = await planted(
    t,
    "if (sql === 'slow') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
  )
  await using analyser = createAnalyser({ log, limits: { deadline: 100 }, file })
  await reads(analyser)
  const [slow, next] = await Promise.all([
    analyser.analyse('slow', limits, 'g_1'),
    analyser.analyse('select 1', limits, 'g_1'),
  ])
  assert.equal(codeOf(slow), 'statement_unparsable')
  assert.equal(codeOf(next), 'answered')
})

test('a thread that throws, ends, says it is broken or answers out of turn is replaced', async t => {
  for (const fault of [
    "throw new RangeError('x')",
    'process.exit(1)',
    "return parentPort.postMessage({ id, broken: 'x' })",
    'return parentPort.postMessage({ id: id + 7, analysis: {} })',
  ]) {
    const file = await planted(t, `if (sql === 'bad') { ${fault} }`)
    await using analyser = createAnalyser({ log, file })
    const answers = await Promise.all(['a', 'bad', 'b'].map(sql => analyser.analyse(sql, limits, 'g_1')))
    assert.deepEqual(answers.map(codeOf), ['answered', 'statement_unparsable', 'answered'], fault)
  }
})

test('a thread that cannot start refuses everything that waits, once each', async () => {
  await using analyser = createAnalyser({ log, file: new URL('file:///nowhere/worker.mjs') })
  const answers = await Promise.all([
    analyser.analyse('a', limits, 'g_1'),
    analyser.analyse('b', limits, 'g_1'),
  ])
  assert.deepEqual(answers.map(codeOf), ['statement_unparsable', 'internal_error'])
})

test('who floods waits for themselves: each in turn has one read, whatever number of sessions asks', async t => {
  const file = await planted(t, '')
  await using analyser = createAnalyser({ log, file })
  const order: string[] = []
  const ask = (who: string, sql: string) => analyser.analyse(sql, limits, who).then(() => order.push(sql))
  const flood = Array.from({ length: 6 }, (_, i) => ask('g_1', `flood ${i}`))
  await Promise.all([...flood, ask('g_2', 'a'), ask('g_3', 'b'), ask('g_2', 'c')])
  assert.deepEqual(order, ['flood 0', 'a', 'b', 'flood 1', 'c', 'flood 2', 'flood 3', 'flood 4', 'flood 5'])
})

test('too many that wait are refused, and a closed analyser refuses', async t => {
  const file = await planted(t, '')
  const analyser = createAnalyser({ log, limits: { waiting: 2 }, file })
  const answers = await Promise.all(['a', 'b', 'c'].map(sql => analyser.analyse(sql, limits, 'g_1')))
  assert.deepEqual(answers.map(codeOf), ['answered', 'answered', 'limit_exceeded'])
  const open = analyser.analyse('d', limits, 'g_1')
  await analyser[Symbol.asyncDispose]()
  assert.equal(codeOf(await open), 'shutting_down')
  assert.equal(codeOf(await analyser.analyse('e', limits, 'g_1')), 'shutting_down')
})

test('a thread is replaced after so much text, between statements', async () => {
  await using analyser = createAnalyser({ log, limits: { characters: 10 } })
  for (let i = 0; i < 3; i++) await reads(analyser)
  await Promise.all([reads(analyser), reads(analyser)])
})
