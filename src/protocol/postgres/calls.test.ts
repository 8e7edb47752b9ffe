/** One-shots on real servers: the same verdicts, masks and limits as over the wire, and answers that lose nothing. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { Refused } from '../../denial.ts'
import { createAnalyser } from '../../statement/sql/analyser.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { createLog } from '../../telemetry/log.ts'
import type { Ending } from '../../words.ts'
import { createCalls, type PostgresCalls } from './calls.ts'
import { type Doorway, type LiveSession, openDoor, openSession } from './door.fixture.ts'
import { createGuard } from './guard.ts'
import type { QueryInput, QueryOutput } from './query-call.ts'
import { RawClient } from './raw.fixture.ts'
import { postgresScope } from './scope.ts'
import type { GuardFor } from './serve.ts'
import * as catalogue from './vectors/catalogue.ts'
import * as columns from './vectors/columns.ts'
import * as filter from './vectors/filter.ts'
import * as statements from './vectors/statements.ts'

const world = `
  create table orders (id int primary key, customer text, total numeric, email text);
  create table order_items (id int primary key, order_id int, name text);
  create table notes (id int primary key default 7, body text);
  create table secret (id int, body text);
  create type mood as enum ('sad', 'glad');
  create table kinds (m mood, j jsonb, b bytea, n numeric, big int8, ok bool, at timestamptz, f float8, a int[]);
  insert into kinds values ('glad', '{"n": 1.10}', '\\x00ff', 1.10, 9007199254740993, true, '2026-01-02T03:04:05Z', 'NaN', '{1,2}');
  create table linked (id int primary key, other int references linked deferrable initially deferred);
  create function safe(int) returns int language sql immutable as 'select $1';
  insert into orders select n, 'c' || n % 3, n, 'hidden-' || n || '@example.com' from generate_series(1, 19) n;
  insert into order_items select n, n, 'i' from generate_series(1, 9) n;
  grant all on orders, order_items, notes, kinds, linked to app_ro;`

let home: Home
let calls: PostgresCalls
let at: At
const [oldest = ''] = versions
const cache = new VerdictCache()
const sessions: LiveSession[] = []
let guardFor: GuardFor

before(async () => {
  home = await openHome()
  const analyser = createAnalyser({ log: createLog() })
  guardFor = (scope, own) => createGuard(scope, analyser, cache, own)
  calls = createCalls(guardFor)
  at = await startServers(home, versions, 'corpus', world)
})
after(async () => {
  for (const session of sessions) session.upstream.destroy()
  await home.close()
})

const mask = [{ column: 'public.orders.email', with: 'partial' }]
const reading = {
  statements: ['select'],
  tables: ['public.orders', 'public.order_items'],
  functions: ['public.safe'],
  statement_timeout: '5s',
  mask,
}
const writing = {
  ...reading,
  statements: ['select', 'insert', 'update', 'delete', 'merge'],
  tables: [...reading.tables, 'public.notes', 'public.kinds', 'public.linked'],
  write_tables: ['public.notes', 'public.linked'],
}

const appending = { statements: ['insert'], write_tables: ['public.notes'] }
const filtering = [{ column: 'public.orders.email', with: 'full', filter: true }]

function wayTo(version: string, scope: object): Doorway {
  const server = at(version)
  return {
    target: { host: '127.0.0.1', port: server.port, database: 'corpus', tls: { mode: 'disable' } },
    lease: { user: 'app_ro', password: server.passwords.ro },
    scope: postgresScope.schema.parse(scope),
  }
}

async function sessionFor(scope: object, version = oldest): Promise<LiveSession> {
  const session = await openSession(wayTo(version, scope))
  assert.ok(!(session instanceof Refused), session instanceof Refused ? session.denial.detail : '')
  sessions.push(session)
  return session
}

async function answered(session: LiveSession, input: QueryInput | string): Promise<QueryOutput> {
  const answer = await calls.query.run(typeof input === 'string' ? { statement: input } : input, session)
  assert.ok(!(answer instanceof Refused), answer instanceof Refused ? answer.denial.detail : '')
  return answer
}

async function refused(session: LiveSession, input: QueryInput | string) {
  const answer = await calls.query.run(typeof input === 'string' ? { statement: input } : input, session)
  assert.ok(answer instanceof Refused, JSON.stringify(answer))
  return answer.denial
}

/** What no call takes, whatever its verdict. */
const onlyOnTheWire =
  /\b(begin|commit|rollback|savepoint|release|transaction|set|prepare|execute|deallocate|declare cursor|fetch|move|close portal|copy)\b|;/

const sqlOf = (cases: readonly { readonly sql: string }[]) => cases.map(({ sql }) => sql)

/** What the newest server alone can run is in the others' corpus as well: it has a verdict there too. */
const corpora = [
  [
    'a read scope',
    reading,
    [...statements.allowedReads, ...statements.allowedNew, ...sqlOf(statements.refusedReads)],
  ],
  ['masks', reading, sqlOf(statements.refusedMasked)],
  [
    'masks that decide',
    { ...reading, mask: filtering },
    [...filter.allowedFilters, ...filter.refusedFilters],
  ],
  [
    'a write scope',
    writing,
    [...statements.allowedWrites, ...statements.allowedWritesNew, ...sqlOf(statements.refusedWrites)],
  ],
  ['an insert-only scope', appending, sqlOf(statements.refusedAppends)],
  [
    'the catalogue',
    { ...reading, catalog: true },
    [...catalogue.allowedCatalogue, ...catalogue.refusedCatalogue],
  ],
  [
    'columns',
    { ...writing, columns: { 'public.orders': ['id', 'total'], 'public.notes': ['id'] } },
    [
      ...columns.allowedColumns,
      ...columns.allowedColumnWrites,
      ...columns.refusedColumns,
      ...columns.refusedStars,
      ...columns.refusedColumnWrites,
    ],
  ],
  ['what cannot be read', reading, sqlOf(statements.unread)],
] as const

/** What is another each time it is asked, and what says of the session that asks who it is. */
const fickle =
  /random|now\(|current_(date|time|timestamp|user|role|setting)|localtime|clock_|_timestamp|backend|pg_stat|explain|uuid|xid|snapshot|session_user|tablesample/i

/** The result of a statement, as the recording has it. */
function resultOf({ lines }: LiveSession['recorder'], of: number | undefined) {
  const result = lines.find(line => line.type === 'result' && line.of === of)?.result
  const { rows, bytes, columns, digest, truncated, tag, error } = result ?? {}
  return JSON.stringify({ rows, bytes, columns, digest, truncated, tag, code: error?.code })
}

for (const version of versions)
  for (const [name, scope, corpus] of corpora) {
    test(`the corpus of ${name} has the same verdicts and results over the wire and in calls (PostgreSQL ${version})`, async () => {
      const door = await openDoor({ ...wayTo(version, scope), guardFor })
      const client = new RawClient(door.port)
      await client.login(door.grant, door.password, { database: 'corpus' })
      const wired = door.sessions[0]?.recorder
      assert.ok(wired)
      const calling = await sessionFor(scope, version)
      const different: string[] = []
      let [compared, same] = [0, 0]
      for (const sql of corpus) {
        if (sql.trim() === '' || sql.includes('\0') || !sql.isWellFormed() || /copy .*from stdin/i.test(sql))
          continue
        // What it writes is undone: the call must find what it found.
        await client.query('begin')
        const from = wired.lines.length
        const wire = (await client.query(sql)).find(({ type }) => type === 'E')
        const first = wired.lines.slice(from).find(({ statement }) => statement?.text === sql)
        await client.query('rollback')
        const before = calling.recorder.lines.length
        const parameters = Math.max(0, ...[...sql.matchAll(/\$(\d)/g)].map(found => Number(found[1])))
        const answer = await calls.query.run(
          { statement: sql, parameters: Array(parameters).fill(null) },
          calling,
        )
        const written = calling.recorder.lines.slice(before).find(({ statement }) => statement?.text === sql)
        compared++
        const ours = wire?.fields.M?.startsWith('postern: ') ? wire.fields.M.slice('postern: '.length) : null
        const say = answer instanceof Refused ? (answer.denial.say ?? answer.denial.code) : null
        const apart = onlyOnTheWire.test(written?.statement?.kind ?? '')
        if (ours === null ? written?.allow !== !apart : written?.allow !== false || say !== ours)
          different.push(`${sql}\n    wire: ${ours ?? 'allowed'}\n    call: ${written?.allow} ${say}`)
        if (ours !== null || apart || parameters > 0 || fickle.test(sql) || /;\s*\S/.test(sql)) continue
        const [there, here] = [resultOf(wired, first?.seq), resultOf(calling.recorder, written?.seq)]
        // A call has a thousand rows at most.
        if (there !== here && !here.includes('"SUSPENDED"'))
          different.push(`${sql}\n    wire: ${there}\n    call: ${here}`)
        else if (!there.includes('"code"')) same++
      }
      client.destroy()
      await door.close()
      assert.equal(different.join('\n'), '')
      assert.ok(compared >= Math.min(5, corpus.length), String(compared))
      if (name === 'a read scope') assert.ok(same > 50, String(same))
    })
  }

for (const version of versions) {
  test(`PostgreSQL ${version}: an answer has names, types and values that lost nothing`, async () => {
    const session = await sessionFor(writing, version)
    const { columns, rows, row_count, truncated } = await answered(session, 'select * from kinds')
    assert.deepEqual(
      columns.map(({ type }) => type),
      ['mood', 'jsonb', 'bytea', 'numeric', 'int8', 'bool', 'timestamptz', 'float8', '_int4'],
    )
    assert.equal(
      JSON.stringify(rows),
      '[["glad",{"n":1.10},"AP8=","1.10","9007199254740993",true,"2026-01-02 03:04:05+00","NaN","{1,2}"]]',
    )
    assert.deepEqual([row_count, truncated], [1, false])
  })

  test(`PostgreSQL ${version}: parameters are the server's to type`, async () => {
    const session = await sessionFor(writing, version)
    const statement =
      "select $1::int + 1 as a, $2::text as b, $3::jsonb -> 'k' as c, $4::int[] as d, $5::bool as e, $6::int8 as f, $7::bytea as g"
    const parameters = [41, null, { k: [1] }, [3, 4], true, '9223372036854775807', '\\x0102']
    const { rows } = await answered(session, { statement, parameters })
    assert.deepEqual(rows, [[42, null, [1], '{3,4}', true, '9223372036854775807', 'AQI=']])
    const few = await refused(session, { statement, parameters: [1] })
    assert.deepEqual([few.code, few.facts?.sqlstate], ['upstream_refused', '08P01'])
    const vague = await refused(session, { statement: 'select $1', parameters: [2 ** 60] })
    assert.equal(vague.code, 'request_invalid')
  })
}

test('masks hold, and the recording has statement, parameters and result', async () => {
  const session = await sessionFor(reading)
  const { rows } = await answered(session, {
    statement: 'select email from orders where id = $1',
    parameters: [3],
  })
  assert.deepEqual(rows, [['h***@example.com']])
  for (const statement of [
    'select s.e from (select id, email as e from orders) s where s.id = $1',
    'with a(x, y) as (select email, id from orders) select x from a where y = $1',
  ])
    assert.deepEqual((await answered(session, { statement, parameters: [3] })).rows, [['h***@example.com']])
  const lines = session.recorder.lines.filter(({ type }) => type === 'statement')
  assert.deepEqual(
    lines.map(({ statement }) => statement?.kind),
    ['startup', 'select', 'select', 'select'],
  )
  assert.match(lines[1]?.parameters?.toString('latin1') ?? '', /3/)
  assert.equal(session.recorder.results()[0]?.rows, 1)
  assert.ok(!JSON.stringify(await answered(session, 'select * from orders')).includes('hidden'))
})

test('rows are cut at what was asked and at what the scope allows, and that is said', async () => {
  const session = await sessionFor({ ...reading, max_rows: 7 })
  const statement = 'select id from orders order by id'
  const cut = await answered(session, { statement, max_rows: 3 })
  assert.deepEqual([cut.rows.length, cut.row_count, cut.truncated], [3, 3, true])
  const scoped = await answered(session, { statement, max_rows: 100 })
  assert.deepEqual([scoped.rows.length, scoped.truncated], [7, true])
  const just = await answered(session, { statement: `${statement} limit 7`, max_rows: 7 })
  assert.deepEqual([just.rows.length, just.truncated], [7, false])
  const wide = await sessionFor(reading)
  const many = await answered(wide, 'select g from generate_series(1, 4321) g')
  assert.deepEqual([many.rows.length, many.row_count, many.truncated], [4321, 4321, false])
})

test("the scope's max_bytes cuts an answer, and reading stops there", async () => {
  const session = await sessionFor({ ...reading, max_bytes: 1000 })
  const few = await answered(session, "select repeat('x', 90) from generate_series(1, 20)")
  assert.deepEqual([few.rows.length, few.truncated], [9, true])
  const many = await answered(session, "select repeat('x', 90) from generate_series(1, 500000)")
  assert.deepEqual([many.rows.length, many.truncated], [9, true])
  assert.equal(session.recorder.results().at(-1)?.tag, 'SUSPENDED')
})

test('an answer of more bytes than it may have is cut, one huge row included', async () => {
  const session = await sessionFor(reading)
  const wide = await answered(session, "select repeat('x', 100000) from generate_series(1, 1000)")
  assert.equal(wide.truncated, true)
  assert.ok(wide.rows.length > 50 && wide.rows.length < 90)
  const huge = await answered(session, "select repeat('x', 20000000)")
  assert.deepEqual([huge.rows, huge.truncated], [[], true])
  assert.deepEqual((await answered(session, 'select 1')).rows, [[1]])
})

test('a call is one statement in a transaction of its own', async () => {
  const session = await sessionFor(writing)
  for (const sql of [
    'begin',
    'commit',
    'savepoint a',
    'set timezone to utc',
    'prepare p as select 1',
    'copy orders to stdout',
  ])
    assert.equal((await refused(session, sql)).code, 'statement_refused', sql)
  assert.match((await refused(session, 'select 1; delete from notes')).say ?? '', /one statement/)
  assert.equal((await refused(session, 'select 1; select 2')).facts?.sqlstate, '42601')
  const written = await answered(session, "insert into notes (id, body) values (40, 'a'), (41, 'b')")
  assert.deepEqual([written.columns, written.rows, written.row_count], [[], [], 2])
  const gone = await answered(session, {
    statement: 'delete from notes where id >= 40 returning id',
    max_rows: 1,
  })
  assert.deepEqual([gone.rows, gone.truncated], [[[40]], true])
  assert.deepEqual((await answered(session, 'select count(*)::int from notes where id >= 40')).rows, [[0]])
})

test("the database's own error has its SQLSTATE, and the next call runs", async () => {
  const session = await sessionFor(writing)
  const zero = await refused(session, 'select 1 / 0')
  assert.deepEqual(
    [zero.code, zero.say, zero.facts?.sqlstate],
    ['upstream_refused', 'division by zero', '22012'],
  )
  const late = await refused(session, 'select 1 / (id - 3) from order_items order by id')
  assert.equal(late.facts?.sqlstate, '22012')
  const deferred = await refused(session, 'insert into linked values (1, 2)')
  assert.equal(deferred.facts?.sqlstate, '23503')
  assert.deepEqual((await answered(session, 'select 1')).rows, [[1]])
})

test('a fault of ours is thrown to whoever called, and ends the session as ours', async () => {
  const session = await sessionFor(reading)
  await answered(session, 'select 1')
  const fault = new TypeError('a defect')
  session.recorder.statement = () => {
    throw fault
  }
  await assert.rejects(calls.query.run({ statement: 'select 2' }, session), fault)
  assert.equal((session.signal.reason as Ending).why, 'internal_error')
})

test('calls at once queue, and too many are refused', async () => {
  const session = await sessionFor(reading)
  const several = await Promise.all(
    Array.from({ length: 20 }, (_, i) => answered(session, `select ${i}, id from orders limit 1`)),
  )
  assert.deepEqual(
    several.map(({ rows }) => rows[0]?.[0]),
    Array.from({ length: 20 }, (_, i) => i),
  )
  const flood = await Promise.all(
    Array.from({ length: 40 }, () => calls.query.run({ statement: 'select 1' }, session)),
  )
  const codes = flood.map(answer => (answer instanceof Refused ? answer.denial.code : 'rows'))
  assert.equal(codes.filter(code => code === 'rows').length, 32)
  assert.ok(codes.slice(32).every(code => code === 'limit_exceeded'))
})

test('a cut answers at once, and what runs upstream is cancelled', async () => {
  const session = await sessionFor({ ...reading, functions: ['pg_catalog.pg_sleep'] })
  const running = calls.query.run({ statement: 'select pg_sleep(30)' }, session)
  const waiting = calls.query.run({ statement: 'select 1' }, session)
  const server = at(oldest)
  const sleepers = async () =>
    (await server.activity()).filter(({ query, state }) => /pg_sleep/.test(query) && state === 'active')
  while ((await sleepers()).length === 0) await new Promise(resolve => setTimeout(resolve, 20))
  const ending = { how: 'cut', why: 'locked', text: 'access is locked: drill' } as const
  const ended = session.end(ending)
  for (const answer of await Promise.all([running, waiting])) {
    assert.ok(answer instanceof Refused)
    assert.deepEqual([answer.denial.code, answer.denial.say], ['locked', 'access is locked: drill'])
  }
  await ended
  while ((await sleepers()).length > 0) await new Promise(resolve => setTimeout(resolve, 20))
  const afterwards = await calls.query.run({ statement: 'select 1' }, session)
  assert.ok(afterwards instanceof Refused)
})

test('a database that goes away is told as unreachable', async () => {
  const session = await sessionFor(reading)
  await answered(session, 'select 1')
  await at(oldest).run(
    'corpus',
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app_ro'",
  )
  while (!session.signal.aborted) await new Promise(resolve => setTimeout(resolve, 20))
  const answer = await calls.query.run({ statement: 'select 1' }, session)
  assert.ok(answer instanceof Refused)
  assert.equal(answer.denial.code, 'upstream_unreachable')
})

test('the schema shows what the grant may use and nothing beside it', async () => {
  const session = await sessionFor({
    ...writing,
    tables: ['public.orders', 'public.kinds', 'public.missing'],
    columns: { 'public.orders': ['id', 'email'] },
  })
  const schema = await calls.schema.run({}, session)
  assert.ok(!(schema instanceof Refused))
  assert.deepEqual(
    schema.tables.map(({ name, statements }) => [name, statements]),
    [
      ['public.kinds', ['select']],
      ['public.linked', ['insert', 'update', 'delete', 'merge']],
      ['public.notes', ['insert', 'update', 'delete', 'merge']],
      ['public.orders', ['select']],
    ],
  )
  assert.deepEqual(schema.tables[3]?.columns, [
    { name: 'id', type: 'integer', nullable: false },
    { name: 'email', type: 'text', nullable: true, mask: 'partial' },
  ])
  assert.equal(schema.tables[0]?.columns[0]?.type, 'mood')
  assert.deepEqual([schema.functions, schema.truncated], [['public.safe'], false])
  assert.ok(session.recorder.lines.some(({ statement }) => statement?.kind === 'gateway schema'))
  // In between calls of the agent's.
  await answered(session, 'select 1')
  assert.ok(!((await calls.schema.run({}, session)) instanceof Refused))
  const wide = await sessionFor({ statements: ['select'], tables: ['public.*'] })
  const all = await calls.schema.run({}, wide)
  assert.ok(!(all instanceof Refused))
  // What the lease itself may not use is not shown either.
  assert.ok(!all.tables.some(({ name }) => name === 'public.secret'))
  assert.ok(all.tables.length >= 5)
})

test('an input is strict', () => {
  const { input } = calls.query
  assert.ok(input.safeParse({ statement: 'select 1', parameters: [1, null], max_rows: 5 }).success)
  for (const bad of [
    {},
    { statement: '' },
    { statement: 'select 1\0; drop' },
    { statement: '\ud800' },
    { statement: 'x'.repeat(1024 * 1024 + 1) },
    { statement: 'select 1', max_rows: 0 },
    { statement: 'select 1', more: 1 },
  ])
    assert.ok(!input.safeParse(bad).success, JSON.stringify(bad).slice(0, 80))
})
