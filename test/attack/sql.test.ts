/**
 * ATTACKS.md section 4.3 over the wire, against a server that would obey: each statement is refused in both protocols, the
 * session goes on, and nothing in the database has changed. The lease's role may write; only the gateway stands between.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import {
  bind,
  describeStatement,
  execute,
  type Message,
  parse,
  RawClient,
  sync,
} from '../../src/protocol/postgres/raw.fixture.ts'
import { frame } from '../../src/protocol/postgres/wire.ts'
import { pgUrl, psql } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing } from '../fixtures/run.ts'

const skip = missing('psql')
let home: Home
let okta: FakeOkta
let orders: TestOrders
let gateway: Gateway
let client: RawClient

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  await orders.run(
    'orders',
    `create function public.wipe() returns int language sql as 'delete from public.orders; select 1';
     create procedure public.wipe_all() language sql as 'delete from public.orders';
     create schema evil; create table evil.orders as select * from public.orders; create type evil.mood as enum ('sad');
     create function evil.eq(int, int) returns bool language sql as 'select public.wipe() > 0';
     create operator evil.= (leftarg = int, rightarg = int, function = evil.eq);
     grant usage on schema evil to app_ro; grant all on evil.orders to app_ro; create sequence public.counter; grant all on sequence public.counter to app_ro`,
  )
  gateway = await startGateway(home, {
    okta,
    postgres: orders,
    rules: `
  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders] } }
  - { group: masked-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders, public.order_items], max_rows: 7, mask: [{ column: public.orders.email, with: full }] } }
  - { group: clerk-agents, connection: orders-db, ttl: 10m, scope: { statements: [select, insert, update, delete], tables: [public.orders], write_tables: [public.order_items] } }
`,
  })
  client = await login('analyst-agents')
})
after(async () => {
  client?.destroy()
  await home?.close()
})

async function granted(
  group: string,
): Promise<{ id: string; credential: { username: string; password: string } }> {
  const answer = await gateway.grant(okta.token({ groups: [group] }), 'orders-db')
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}

async function login(group: string): Promise<RawClient> {
  const { credential } = await granted(group)
  const raw = new RawClient(gateway.ports.postgres)
  await raw.login(credential.username, credential.password, { database: 'orders' })
  return raw
}

/** Every row and every object of the database, in one line. */
async function fingerprint(): Promise<string> {
  const { rows } = await orders.run(
    'orders',
    `select (select md5(string_agg(o::text, ',' order by id)) from public.orders o) as orders,
            (select md5(string_agg(o::text, ',' order by id)) from public.order_items o) as items,
            (select md5(string_agg(c::text, ',' order by id)) from public.customers c) as customers,
            (select md5(string_agg(c::text, ',' order by id)) from evil.orders c) as evil,
            (select string_agg(oid || relname, ',' order by oid) from pg_class where relnamespace <> 'pg_toast'::regnamespace) as relations,
            (select string_agg(oid::text, ',' order by oid) from pg_proc where oid >= 16384) as functions,
            (select string_agg(rolname || rolsuper || coalesce(rolconfig::text, ''), ',') from pg_roles) as roles,
            (select count(*) from pg_largeobject_metadata) as large, (select last_value || is_called::text from public.counter) as counter`,
  )
  return JSON.stringify(rows[0])
}

const errorOf = (messages: readonly Message[]): string =>
  messages
    .filter(message => message.type === 'E')
    .map(message => message.fields.C)
    .join()

/** Refused as a simple query and as a Parse; after each the session is idle and answers. */
async function refused(statement: string, code = /^42501$/, at = client): Promise<void> {
  for (const how of ['simple', 'extended']) {
    if (how === 'simple') at.send(frame(0x51, `${statement}\0`))
    else at.send(parse('', statement), describeStatement(''), bind('', ''), execute(''), sync)
    const answer = await at.upTo('Z')
    const shape = answer.map(message => message.type).join('')
    assert.match(
      errorOf(answer),
      code,
      `${how}: ${statement.slice(0, 200)} gave ${shape} ${answer[0]?.fields.M ?? ''}`,
    )
    // An unknown prepared statement is known to be so only when it is executed.
    const last = code.test('26000') ? shape.slice(-2) : shape
    assert.equal(last, 'EZ', `${how}: ${statement.slice(0, 200)} gave ${shape}`)
    assert.ok(!/[DC]/.test(shape))
    assert.equal(answer.at(-1)?.payload.toString(), 'I')
  }
  const [row] = await at.query('select 41 + 1')
  assert.equal(row?.type, 'T')
}

const refusedAs: Readonly<Record<string, readonly string[]>> = {
  'Q65: a write inside WITH, however deep, is refused': [
    'WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x',
    'WITH a AS (WITH b AS (UPDATE orders SET total = 0 RETURNING *) SELECT * FROM b) SELECT * FROM a',
    'SELECT * FROM (WITH x AS (INSERT INTO orders VALUES (9999) RETURNING *) SELECT 1) s',
  ],
  'Q66: SELECT INTO, CREATE TABLE AS and REFRESH are refused': [
    'SELECT * INTO t2 FROM orders',
    'CREATE TABLE t2 AS SELECT * FROM orders',
    'CREATE TEMP TABLE t2 AS TABLE orders',
    'REFRESH MATERIALIZED VIEW m',
  ],
  'Q67, Q68: functions that read files or make large objects are refused': [
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_catalog.pg_ls_dir('/')",
    "SELECT * FROM pg_read_binary_file('/etc/passwd')",
    "SELECT (pg_stat_file('/etc/passwd')).size",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_from_bytea(0, 'x')",
    'SELECT lo_unlink(1)',
    'SELECT 1 WHERE lo_creat(-1) > 0',
    'SELECT id FROM orders ORDER BY lo_create(0)',
    'SELECT 1 LIMIT lo_creat(-1)',
  ],
  'Q69: functions that run SQL given as text are refused': [
    "SELECT query_to_xml('delete from orders', true, true, '')",
    "SELECT table_to_xml('customers', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT * FROM ts_stat('select ssn::tsvector from customers')",
    "SELECT ts_rewrite('a', 'select ssn, ssn from customers')",
    "SELECT dblink('dbname=orders', 'delete from orders')",
    "SELECT cursor_to_xml('c', 1, true, true, '')",
    'SELECT schema_to_xml($$public$$, true, true, $$$$)',
  ],
  'Q70: functions with effects on server, session or others are refused': [
    "SELECT set_config('role', 'postgres', false)",
    "SELECT set_config('search_path', 'evil', false)",
    'SELECT pg_reload_conf()',
    'SELECT pg_terminate_backend(1)',
    'SELECT pg_cancel_backend(1)',
    "SELECT nextval('counter')",
    "SELECT setval('counter', 7)",
    'SELECT pg_advisory_lock(1)',
    "SELECT pg_notify('x', 'y')",
    'SELECT txid_current()',
    'SELECT pg_sleep(1e9)',
    "SELECT pg_logical_emit_message(false, 'a', 'b')",
    "SELECT pg_create_restore_point('x')",
    'SELECT pg_switch_wal()',
    'SELECT current_setting($$data_directory$$)',
  ],
  'Q71: COPY with programs, files, input or a barred table is refused': [
    "COPY orders TO PROGRAM 'id > /tmp/postern-owned'",
    "COPY (SELECT 1) TO '/tmp/postern-owned'",
    'COPY orders FROM STDIN',
    'COPY customers TO STDOUT',
    'COPY (DELETE FROM orders RETURNING *) TO STDOUT',
    "COPY orders FROM PROGRAM 'id'",
  ],
  'Q72: procedural code and everything that makes or changes objects is refused': [
    'DO $$ BEGIN DELETE FROM orders; END $$',
    'CALL wipe_all()',
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'",
    'CREATE RULE r AS ON SELECT TO orders DO INSTEAD NOTHING',
    "LOAD 'auto_explain'",
    'CREATE EXTENSION pgcrypto',
    'ALTER SYSTEM SET fsync = on',
    "COMMENT ON TABLE orders IS 'x'",
    'CREATE VIEW v AS SELECT 1',
    'DROP TABLE orders',
    'TRUNCATE orders',
    'ALTER TABLE orders ADD x int',
    'CREATE INDEX ON orders (id)',
    'VACUUM orders',
    'ANALYZE orders',
    'CLUSTER',
    'REINDEX TABLE orders',
    'CHECKPOINT',
    'SECURITY LABEL ON TABLE orders IS NULL',
  ],
  'Q73: EXPLAIN is judged as what it holds': [
    'EXPLAIN ANALYZE DELETE FROM orders',
    'EXPLAIN DELETE FROM orders',
    'EXPLAIN (ANALYZE true, COSTS off) INSERT INTO orders VALUES (9999)',
    'EXPLAIN ANALYZE CREATE TABLE t2 AS SELECT 1',
    'EXPLAIN (ANALYZE) EXECUTE p',
    'EXPLAIN ANALYZE SELECT wipe()',
  ],
  'Q74: PREPARE is judged when it prepares; EXECUTE of an unknown name is refused': [
    'PREPARE p AS DELETE FROM orders',
    'EXECUTE p',
    'EXECUTE p(1)',
    'PREPARE p AS SELECT wipe()',
  ],
  'Q76: settings that decide how names or rights are read cannot be changed': [
    'SET search_path = evil, public',
    'SET LOCAL search_path = evil',
    'RESET ALL',
    'DISCARD ALL',
    'RESET search_path',
    'SET session_replication_role = replica',
    "SET session_preload_libraries = 'x'",
    'ALTER ROLE app_ro SET search_path = evil',
    'SET default_transaction_read_only = off',
    'SET row_security = off',
  ],
  'Q77: names are resolved as the server would, by a fixed search_path': [
    'SELECT * FROM evil.orders',
    'SELECT * FROM pg_temp.orders',
    'SELECT * FROM pg_temp_3.orders',
  ],
  'Q78: a view and a function that reads for itself are relations and functions of their own': [
    'SELECT * FROM order_view',
    'SELECT peek()',
    'SELECT public.wipe()',
    'SELECT * FROM wipe()',
  ],
  'Q79: quoted, escaped and truncated identifiers are read as the server reads them': [
    'SELECT * FROM "ORDERS"',
    'SELECT * FROM public."Orders"',
    'SELECT * FROM U&"\\0063ustomers"',
    `SELECT * FROM U&"d!0061ta" UESCAPE '!'`,
    'SELECT * FROM "customers"',
    `SELECT * FROM "${'o'.repeat(70)}"`,
  ],
  'Q80: comments hide nothing': [
    '/* /* nested */ */ DELETE FROM orders',
    '-- x\rDELETE FROM orders\n',
    'SELECT 1; /**/ DELETE FROM orders',
    '-- x\nDELETE FROM orders',
    'DELETE/**/FROM/**/orders',
  ],
  'Q82: LISTEN, NOTIFY and UNLISTEN are no side channel': ['LISTEN x', "NOTIFY x, 'data'", 'UNLISTEN *'],
  'Q83: nothing temporary can shadow what is listed': [
    'CREATE TEMP TABLE orders (id int)',
    'CREATE TEMP VIEW orders AS SELECT 1',
    "CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE sql AS 'select $1'",
  ],
  'Q84: casts and operators that call functions are not vetted': [
    'SELECT 1 OPERATOR(evil.=) 1',
    "SELECT 'sad'::evil.mood",
    "SELECT 'customers'::regclass::text",
    "SELECT CAST('wipe' AS regproc)",
    "SELECT 'postgres'::regrole",
  ],
  'Q86: what is not listed stays unread by any road, catalogues too': [
    'TABLE customers',
    'SELECT * FROM ONLY customers',
    'SELECT * FROM customers TABLESAMPLE SYSTEM (50)',
    'SELECT * FROM orders o JOIN LATERAL (SELECT ssn FROM customers) c ON true',
    'SELECT (SELECT ssn FROM customers LIMIT 1)',
    'SELECT 1 WHERE EXISTS (SELECT 1 FROM hr.salaries)',
    'SELECT id FROM orders UNION SELECT id FROM customers',
    'SELECT * FROM pg_stats',
    'SELECT * FROM pg_catalog.pg_authid',
    'SELECT query FROM pg_stat_activity',
    'SELECT * FROM information_schema.tables',
    'SELECT * FROM pg_class',
    'SELECT * FROM pg_settings',
    'SELECT * FROM ROWS FROM (pg_ls_dir($$/$$)) x',
    'VALUES ((SELECT ssn FROM customers LIMIT 1))',
    'SELECT id FROM orders ORDER BY (SELECT ssn FROM customers LIMIT 1)',
    'SELECT id FROM orders LIMIT (SELECT count(*) FROM customers)',
    'SELECT sum(total) FILTER (WHERE EXISTS (SELECT 1 FROM customers)) FROM orders',
    'SELECT sum(total) OVER (ORDER BY (SELECT id FROM customers LIMIT 1)) FROM orders',
  ],
  'Q87: a cursor is judged as what it reads': [
    'DECLARE c CURSOR FOR SELECT * FROM customers',
    'DECLARE c CURSOR WITH HOLD FOR SELECT wipe()',
  ],
  'Q88: roles and rights cannot be changed': [
    'SET ROLE postgres',
    'SET SESSION AUTHORIZATION postgres',
    'RESET ROLE',
    'ALTER ROLE app_ro SUPERUSER',
    'GRANT ALL ON orders TO PUBLIC',
    'REASSIGN OWNED BY app_ro TO postgres',
    'CREATE ROLE x',
  ],
  'Q89: read-only cannot be left': [
    'BEGIN READ WRITE',
    'START TRANSACTION READ WRITE',
    'SET TRANSACTION READ WRITE',
    'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE',
    "COMMIT PREPARED 'x'",
    "PREPARE TRANSACTION 'x'",
    'SET transaction_read_only = off',
  ],
  'Q90: locks are refused in a scope that only reads': [
    'SELECT * FROM orders FOR UPDATE',
    'SELECT * FROM orders FOR SHARE',
    'SELECT * FROM orders FOR KEY SHARE',
    'LOCK TABLE orders',
  ],
}

for (const [name, statements] of Object.entries(refusedAs)) {
  test(name, { skip }, async () => {
    const before = await fingerprint()
    // An EXECUTE of what was never prepared is answered as the server itself would: no such statement.
    for (const statement of statements)
      await refused(statement, /EXECUTE/.test(statement) ? /^(42501|26000)$/ : /^42501$/)
    assert.equal(await fingerprint(), before)
  })
}

test('Q75: of several statements in one string none runs when one is refused', { skip }, async () => {
  const before = await fingerprint()
  for (const text of [
    'SELECT 1; DROP TABLE orders',
    'DELETE FROM orders; SELECT 1',
    'BEGIN; SELECT 1; DELETE FROM orders; COMMIT',
    'SELECT 1; /* ; */ SELECT wipe()',
    `${'SELECT 1;'.repeat(50)} DELETE FROM orders`,
  ]) {
    const answer = await client.query(text)
    assert.equal(answer.map(message => message.type).join(''), 'EZ', text.slice(0, 80))
    assert.equal(errorOf(answer), '42501')
    assert.equal(answer.at(-1)?.payload.toString(), 'I')
  }
  const many = await client.query('SELECT 1;'.repeat(10_000))
  assert.match(errorOf(many), /^(54000|42501)$/)
  assert.equal(await fingerprint(), before)
})

test('Q81: encoding and quoting stay as they are judged', { skip }, async () => {
  for (const statement of [
    "SET client_encoding = 'GBK'",
    "SET NAMES 'SJIS'",
    'SET standard_conforming_strings = off',
    'SET backslash_quote = on',
    'SET escape_string_warning = off; DELETE FROM orders',
  ])
    await refused(statement)
})

test('Q91: a scope that writes writes what it lists and reads nothing besides', { skip }, async () => {
  const clerk = await login('clerk-agents')
  const before = await fingerprint()
  for (const statement of [
    'DELETE FROM orders',
    'INSERT INTO orders VALUES (9999, 1, $$x$$, 1)',
    'INSERT INTO order_items SELECT id, id, ssn FROM customers',
    'UPDATE order_items SET sku = ssn FROM customers',
    'DELETE FROM order_items USING customers WHERE order_items.id = customers.id',
    'INSERT INTO order_items VALUES (1, 1, $$x$$) ON CONFLICT (id) DO UPDATE SET sku = (SELECT ssn FROM customers LIMIT 1)',
    'MERGE INTO orders o USING order_items i ON o.id = i.id WHEN MATCHED THEN DELETE',
    'DELETE FROM order_items WHERE wipe() = 1',
    'INSERT INTO order_items VALUES (9999, 1, peek())',
    'TRUNCATE order_items',
    'UPDATE order_items SET sku = $$x$$ RETURNING (SELECT ssn FROM customers LIMIT 1)',
  ])
    await refused(statement, /^42501$/, clerk)
  assert.equal(await fingerprint(), before)
  clerk.destroy()
})

test('Q85: a masked column stays masked, or the statement is refused', { skip }, async () => {
  const masked = await login('masked-agents')
  const address = /person\d+@example\.com/
  const roads = [
    'SELECT email FROM orders LIMIT 1',
    'SELECT * FROM orders LIMIT 1',
    'SELECT email AS total FROM orders LIMIT 1',
    'SELECT o.* FROM orders o LIMIT 1',
    'SELECT orders FROM orders LIMIT 1',
    'SELECT row_to_json(orders) FROM orders LIMIT 1',
    'SELECT orders.*::text FROM orders LIMIT 1',
    'SELECT (orders).email FROM orders LIMIT 1',
    'SELECT to_jsonb(o) FROM orders o LIMIT 1',
    'SELECT json_agg(o) FROM orders o',
    'SELECT array_agg(email) FROM orders',
    "SELECT email || '' FROM orders LIMIT 1",
    'SELECT substr(email, 1, 1) FROM orders LIMIT 1',
    'SELECT id FROM orders ORDER BY email LIMIT 1',
    "SELECT id FROM orders WHERE email LIKE 'person1@%'",
    'SELECT count(*) FROM orders GROUP BY email LIMIT 1',
    'SELECT count(DISTINCT email) FROM orders',
    'SELECT id FROM orders NATURAL JOIN orders o2 LIMIT 1',
    'SELECT id FROM orders JOIN orders b USING (email)',
    'SELECT sku FROM order_items UNION SELECT email FROM orders',
    'SELECT max(email) FROM orders',
    'SELECT a FROM (SELECT email AS a FROM orders) s LIMIT 1',
    'WITH s AS (SELECT email AS a FROM orders) SELECT upper(a) FROM s LIMIT 1',
    'SELECT * FROM orders o(a, b, c) LIMIT 1',
    'SELECT c FROM orders o(a, b, c) LIMIT 1',
    'SELECT email::bytea FROM orders LIMIT 1',
    'COPY (SELECT email FROM orders LIMIT 1) TO STDOUT',
    'COPY orders (email) TO STDOUT',
    'SELECT CASE WHEN email > $$a$$ THEN 1 ELSE 0 END FROM orders LIMIT 1',
    'SELECT 1 FROM orders GROUP BY id HAVING min(email) > $$p$$',
    'SELECT lag(email) OVER () FROM orders LIMIT 1',
    'SELECT first_value(id) OVER (ORDER BY email) FROM orders LIMIT 1',
    'DECLARE c CURSOR FOR SELECT email FROM orders',
    'EXPLAIN ANALYZE SELECT id FROM orders WHERE email = $$person1@example.com$$',
    "SELECT id / (CASE WHEN email LIKE 'p%' THEN 0 ELSE 1 END) FROM orders LIMIT 1",
    'SELECT DISTINCT email FROM orders LIMIT 1',
    'SELECT DISTINCT ON (email) id FROM orders LIMIT 1',
  ]
  for (const road of roads) {
    masked.received = Buffer.alloc(0)
    const answer = await masked.query(road)
    assert.doesNotMatch(masked.received.toString('latin1'), address, road)
    const all = await masked.query(road)
    assert.equal(errorOf(all), errorOf(answer))
  }
  masked.destroy()
})

test('Q87: max_rows holds over cursors, FETCH, portals in pieces and COPY', { skip }, async () => {
  const masked = await login('masked-agents')
  const rows = async (statement: string): Promise<number> =>
    (await masked.query(statement)).filter(message => 'Dd'.includes(message.type)).length
  for (const statement of [
    'SELECT id FROM orders',
    'COPY (SELECT id FROM orders) TO STDOUT',
    'SELECT id FROM orders UNION ALL SELECT id FROM order_items',
  ])
    assert.ok((await rows(statement)) <= 7, statement)
  masked.send(
    parse('', 'SELECT id FROM orders'),
    bind('p', ''),
    ...Array.from({ length: 30 }, () => execute('p', 3)),
    sync,
  )
  const pieces = await masked.upTo('Z')
  assert.ok(pieces.filter(message => message.type === 'D').length <= 7)
  await masked.query('BEGIN')
  const declared = await masked.query('DECLARE c CURSOR FOR SELECT id FROM orders')
  if (errorOf(declared) === '') {
    let fetched = 0
    for (let at = 0; at < 5; at++) fetched += await rows('FETCH 100 FROM c')
    assert.ok(fetched <= 5 * 7, String(fetched))
  }
  masked.destroy()
})

test('Q102: a NUL, bad UTF-8 and what the parser cannot read are refused before anything is judged', {
  skip,
}, async () => {
  const before = await fingerprint()
  for (const text of ['SELEKT 1', 'SELECT 1 FROM', 'SELECT $$', "SELECT '", '\u0001', 'SELECT 1 \\gexec'])
    await refused(text, /^42601$/)
  const bytes = await login('analyst-agents')
  bytes.send(frame(0x51, Buffer.from('select 1\0; drop table orders\0')))
  assert.notEqual(errorOf(await bytes.rest()), '')
  const invalid = await login('analyst-agents')
  invalid.send(frame(0x51, Buffer.from("select '\xff\xfe'\0", 'latin1')))
  const answer = await invalid.next()
  assert.equal(answer.type, 'E')
  invalid.destroy()
  assert.equal(await fingerprint(), before)
})

test('Q103: parser bombs are refused one after the other, and another session works on', {
  skip,
  timeout: 60_000,
}, async () => {
  const bombs = [
    `SELECT 1${'+1'.repeat(64_000)}`,
    `SELECT ${'('.repeat(100_000)}1${')'.repeat(100_000)}`,
    `SELECT 1 WHERE true${' OR true'.repeat(100_000)}`,
    `SELECT ${'CASE WHEN true THEN '.repeat(5_000)}1${' END'.repeat(5_000)}`,
    `WITH ${Array.from({ length: 20_000 }, (_, at) => `c${at} AS (SELECT 1)`).join()} SELECT 1`,
    `SELECT ${'- '.repeat(50_000)}1`,
    `SELECT 1${'+1'.repeat(9_000)}`,
  ]
  const other = await login('analyst-agents')
  for (let round = 0; round < 8; round++)
    for (const bomb of bombs) {
      const answer = await client.query(bomb)
      assert.match(errorOf(answer), /^(54000|54001|42601|42501)$/, bomb.slice(0, 40))
      assert.equal((await other.query('SELECT 1 + 1')).map(message => message.type).join(''), 'TDCZ')
    }
  const answer = await client.query(
    `SELECT ${Array.from({ length: 300 }, () => 'id').join()} FROM orders LIMIT 1`,
  )
  assert.equal(errorOf(answer), '')
  other.destroy()
})

test('Q104: texts that differ only in a literal that decides are judged apart', { skip }, async () => {
  for (let round = 0; round < 3; round++) {
    assert.equal(errorOf(await client.query("SELECT 'public.orders'")), '')
    await refused("SELECT 'public.customers'::regclass")
    assert.equal(errorOf(await client.query("SET application_name = 'a'")), '')
    await refused("SET search_path = 'a'")
  }
})

test('Q: psql reads why it was refused and what it may do, and goes on', { skip }, async () => {
  const answer = await psql(pgUrl(gateway, await granted('analyst-agents')), '', [
    '-v',
    'ON_ERROR_STOP=0',
    '-c',
    'delete from orders',
    '-c',
    'select name from customers',
    '-c',
    'select count(*) from orders',
  ])
  assert.equal(answer.stdout, '5000\n')
  assert.match(answer.stderr, /42501.*delete[\s\S]*42501.*customers/i)
  assert.match(answer.stderr, /public\.orders/)
})
