import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { pgbench, psql } from '../../../test/fixtures/clients.ts'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { missing, run } from '../../../test/fixtures/run.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { type OpenDoor, openDoor } from './door.fixture.ts'

describe('the relay, with psql and pgbench against a real PostgreSQL', {
  skip: missing('psql', 'pgbench'),
}, () => {
  let home: Home
  let orders: TestOrders
  let door: OpenDoor
  before(async () => {
    home = await openHome()
    orders = await startPostgres(home, { scale: 1 })
    door = await openDoor(at())
  })
  after(async () => {
    await door?.close()
    await home?.close()
  })
  const at = () => ({
    target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } } as const,
    lease: { user: 'app_ro', password: orders.passwords.ro },
  })

  test('psql reads what the database holds, and both statement and result are recorded', async () => {
    const ran = await psql(door.url(), 'select count(*) from orders')
    assert.equal(ran.stdout.trim(), '5000', ran.stderr)
    const recorder = door.sessions.at(-1)?.recorder
    assert.deepEqual(recorder?.statements().slice(1), ['select count(*) from orders'])
    const [result] = recorder?.results() ?? []
    assert.equal(result?.tag, 'SELECT 1')
    assert.equal(result?.rows, 1)
    assert.deepEqual(result?.columns, ['count'])
  })

  for (const mode of ['simple', 'extended', 'prepared']) {
    test(`pgbench runs in ${mode} mode`, async () => {
      const ran = await pgbench(door.url(), ['-S', '-M', mode, '-c', '4', '-t', '200'])
      assert.equal(ran.status, 0, ran.stderr)
      assert.match(ran.stdout, /number of transactions actually processed: 800\/800/)
    })
  }

  test('psql runs a script: several statements, errors, COPY both ways, and a transaction', async () => {
    await orders.run('orders', 'create table loaded(id int); grant all on loaded to app_ro')
    const script = `begin; insert into loaded values (1); rollback;
copy loaded from stdin;
2
3
\\.
select sum(id) from loaded;
copy loaded to stdout;
select 1/0;
select 'after';`
    const ran = await run('psql', ['-X', '-A', '-t', '-q', door.url()], { input: script })
    assert.deepEqual(ran.stdout.trim().split('\n'), ['5', '2', '3', 'after'], ran.stderr)
    assert.match(ran.stderr, /division by zero/)
  })

  test('a large result arrives byte for byte, also where the client is slow', async () => {
    const sql = 'select g, md5(g::text), repeat(chr(97 + g % 26), g % 3000) from generate_series(1, 12000) g'
    const direct = orders.url('orders')
    for (const statement of [sql, `copy (${sql}) to stdout`]) {
      const sum = (url: string, slow: string) =>
        run('sh', ['-c', `psql -XAtq "$1" -c "$2" | (${slow}; md5sum)`, 'sh', url, statement])
      const wanted = await sum(direct, 'true')
      assert.match(wanted.stdout, /^[0-9a-f]{32}/, wanted.stderr)
      assert.equal((await sum(door.url(), 'true')).stdout, wanted.stdout)
      assert.equal((await sum(door.url(), 'sleep 0.5')).stdout, wanted.stdout)
    }
  })

  test('psycopg: parameters, binary, a pipeline, COPY, a server-side cursor, a refusal and a cancel', async t => {
    const there = await run('/usr/bin/python3', ['-c', 'import psycopg'])
    if (there.status !== 0) return t.skip('psycopg is not installed: make setup')
    const ran = await run('/usr/bin/python3', ['-c', psycopg, door.url()])
    assert.equal(ran.stdout.trim(), 'all well', ran.stderr)
  })
})

const psycopg = `
import psycopg, sys, threading, time
with psycopg.connect(sys.argv[1], autocommit=True) as c:
    assert c.execute('select count(*) from orders where id <= %s', (10,)).fetchone() == (10,)
    assert c.execute('select id, total from orders where id = %s', (3,), binary=True).fetchone()[0] == 3
    for i in range(8):
        assert c.execute('select id from orders where id = %s', (i + 1,), prepare=True).fetchone() == (i + 1,)
    with c.pipeline():
        cursors = [c.execute('select %s::int', (i,)) for i in range(50)]
    assert [x.fetchone()[0] for x in cursors] == list(range(50))
    try:
        with c.pipeline() as p:
            good = c.execute('select 1')
            bad = c.execute('select forbidden')
            p.sync()
        raise SystemExit('not refused')
    except psycopg.errors.InsufficientPrivilege as e:
        assert 'postern:' in str(e)
    assert c.execute('select 5').fetchone() == (5,)
    with c.transaction():
        with c.cursor(name='server_side') as cur:
            cur.execute('select id from orders order by id')
            cur.itersize = 100
            assert sum(1 for _ in cur) == 5000
    with c.cursor().copy('copy (select id from orders order by id limit 3) to stdout') as copy:
        assert [r for r in copy.rows()] == [('1',), ('2',), ('3',)]
    threading.Timer(0.3, c.cancel).start()
    try:
        c.execute('select pg_sleep(30)')
        raise SystemExit('not cancelled')
    except psycopg.errors.QueryCanceled:
        pass
    assert c.info.parameter_status('server_version')
print('all well')
`
