import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, test } from 'node:test'
import { sql } from 'kysely'
import { GatewayError } from '../denial.ts'
import { Taken } from '../unfit.ts'
import { migrate } from './migrate.ts'
import { migrations } from './migrations.ts'
import { step } from './queries.ts'
import { openStore, type Store } from './store.ts'

let data: string
let store: Store

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'postern-store-'))
  store = await openStore(data)
})
afterEach(async () => {
  await store.close()
  await rm(data, { recursive: true })
})

const put = (name: string, value: string) => step(store.sql.insertInto('meta').values({ name, value }))
const names = async () =>
  (await store.read(store.sql.selectFrom('meta').select('name').orderBy('name'))).map(row => row.name)

test('what was written is there after a restart', async () => {
  assert.equal(await store.write(put('a', '1')), 'done')
  await store.close()
  store = await openStore(data)
  assert.deepEqual(await names(), ['a'])
})

test('jobs asked for together share one commit, and each is answered', async () => {
  const before = store.counts()
  const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => store.write(put(`k${i}`, 'v'))))
  const after = store.counts()
  assert.deepEqual(new Set(answers), new Set(['done']))
  assert.equal(after.jobs - before.jobs, 500)
  assert.equal(after.commits - before.commits, 1)
})

test('jobs that queue while a commit runs are committed together by the next one', async () => {
  const before = store.counts().commits
  const first = store.write(put('first', 'v'))
  await new Promise(resolve => setImmediate(resolve))
  const rest = Array.from({ length: 200 }, (_, i) => store.write(put(`k${i}`, 'v')))
  await Promise.all([first, ...rest])
  assert.equal(store.counts().commits - before, 2)
})

test('a job that fails undoes itself alone', async () => {
  const [good, bad, other] = await Promise.allSettled([
    store.write(put('good', 'v')),
    store.write(put('half', 'v'), { sql: 'insert into nowhere values (1)', parameters: [] }),
    store.write(put('other', 'v')),
  ])
  assert.equal(good.status, 'fulfilled')
  assert.equal(other.status, 'fulfilled')
  assert.ok(bad.status === 'rejected' && bad.reason instanceof GatewayError)
  assert.deepEqual(await names(), ['good', 'other'])
})

test('a step that changes another number of rows makes its whole job a conflict', async () => {
  await store.write(put('state', 'active'))
  const from = (was: string, value: string) =>
    step(store.sql.updateTable('meta').set({ value }).where('name', '=', 'state').where('value', '=', was), 1)
  const [won, lost] = await Promise.all([
    store.write(from('active', 'revoked')),
    store.write(put('trace', 'of the loser'), from('active', 'ended')),
  ])
  assert.deepEqual([won, lost], ['done', 'conflict'])
  assert.deepEqual(await names(), ['state'])
})

test('a second row under the same key is a conflict, not an error', async () => {
  await store.write(put('a', '1'))
  assert.equal(await store.write(put('b', '2'), put('a', '2')), 'conflict')
  assert.deepEqual(await names(), ['a'])
})

test('state.db and its WAL can be read by the owner alone', async () => {
  await store.write(put('a', '1'))
  for (const file of ['state.db', 'state.db-wal']) {
    assert.equal((await stat(join(data, file))).mode & 0o777, 0o600, file)
  }
})

test('a second gateway over the same state is refused', async () => {
  await assert.rejects(
    openStore(data),
    (error: Error) =>
      error instanceof Taken && error.message.endsWith(`another gateway is running on ${data}`),
  )
})

test('closing folds the WAL into the file, and a closed store rejects and is not healthy', async () => {
  await store.write(put('a', '1'))
  assert.equal(store.healthy(), true)
  await store.close()
  assert.equal(store.healthy(), false)
  await assert.rejects(store.write(put('b', '1')), GatewayError)
  await assert.rejects(stat(join(data, 'state.db-wal')), { code: 'ENOENT' })
})

test('closing finishes what is queued first', async () => {
  const writes = Array.from({ length: 50 }, (_, i) => store.write(put(`k${i}`, 'v')))
  await Promise.all([...writes, store.close()])
  store = await openStore(data)
  assert.equal((await names()).length, 50)
})

test('the queue is capped', async () => {
  const many = Array.from({ length: 20_001 }, (_, i) => store.write(put(`k${i}`, 'v')))
  const settled = await Promise.allSettled(many)
  assert.equal(settled.filter(one => one.status === 'rejected').length, 1)
  assert.equal(settled.at(-1)?.status, 'rejected')
})

test('a state.db that is not a database is refused with its name', async () => {
  await store.close()
  const other = await mkdtemp(join(tmpdir(), 'postern-store-'))
  await writeFile(join(other, 'state.db'), 'this is not a database, it is a sentence that is long enough')
  await assert.rejects(openStore(other), /state\.db in \S+ cannot be opened/)
  await rm(other, { recursive: true })
  store = await openStore(data)
})

test('a migration that is new runs once, and tables from a newer program are refused', async () => {
  const more = [
    ...migrations,
    {
      name: 'one more',
      up: (sql: Store['sql']) => [sql.schema.createTable('extra').addColumn('id', 'text').compile()],
    },
  ]
  await migrate(store, more)
  await migrate(store, more)
  await store.close()
  const db = new DatabaseSync(join(data, 'state.db'))
  assert.deepEqual(
    db
      .prepare('select number, name from migrations')
      .all()
      .map(row => row['name']),
    more.map(migration => migration.name),
  )
  db.close()
  await assert.rejects(openStore(data), /written by a newer one/)
  const fresh = await mkdtemp(join(tmpdir(), 'postern-store-'))
  store = await openStore(fresh)
  await rm(data, { recursive: true })
  data = fresh
})

test('a full disk loses the group it fell on, says so, and the store goes on when there is space', async () => {
  const most = (pages: number) =>
    store.read({ compile: () => sql.raw(`PRAGMA max_page_count = ${pages}`).compile(store.sql) })
  await most(1)
  const big = 'x'.repeat(200_000)
  const full = await Promise.allSettled([store.write(put('big', big)), store.write(put('big2', big))])
  assert.deepEqual(
    full.map(one => one.status),
    ['rejected', 'rejected'],
  )
  await most(100_000)
  assert.equal(await store.write(put('small', 'v')), 'done')
  assert.equal(store.healthy(), true)
  assert.deepEqual(await names(), ['small'])
})
