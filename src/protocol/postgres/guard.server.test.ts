/** The guard held against real servers: what it permits they run under exactly the scope's privileges, and mask by origin. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { type At, everyVersion, startServers } from '../../../test/fixtures/postgres.ts'
import { byHand, harmlessVolatile } from '../../statement/sql/by-hand.ts'
import { otherFunctions, vettedFunctions, vettedTypes } from '../../statement/sql/functions.gen.ts'
import { allowedNew, allowedReads, allowedWrites, allowedWritesNew } from './vectors/statements.ts'

const world = `
  create table orders (id int primary key, customer text, total numeric, email text);
  create table order_items (id int primary key, order_id int, name text);
  create table notes (id int primary key default 7, body text);
  create table secret (id int, body text);
  create function safe(int) returns int language sql immutable as 'select $1';
  insert into orders select n, 'c' || n % 3, n, 'marked-' || n || '@example.com' from generate_series(1, 19) n;
  insert into order_items select n, n, 'i' from generate_series(1, 9) n;
  insert into notes values (11, 'a'), (12, 'b');
  create role reader login password 'r';
  create role writer login password 'w';
  grant select on orders, order_items to reader, writer;
  grant select, insert, update, delete on notes to writer;`

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, everyVersion, 'corpus', world)
})
after(() => home.close())

async function connect(version: string, user: string, settings: string): Promise<pg.Client> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: at(version).port,
    database: 'corpus',
    user,
    password: user.slice(0, 1),
    options: `-c search_path=pg_catalog,public ${settings}`,
  })
  await client.connect()
  return client
}

type Answer = pg.QueryResult<unknown[]>

/** Runs one, with nulls for its parameters; answers what came back, or the server's complaint. */
async function ask(client: pg.Client, sql: string): Promise<readonly Answer[] | pg.DatabaseError> {
  const parameters = Math.max(0, ...[...sql.matchAll(/\$(\d)/g)].map(found => Number(found[1])))
  const bound = parameters > 0 && !/^(prepare|select \$a)/.test(sql)
  try {
    const answer = await client.query({
      text: sql,
      rowMode: 'array',
      ...(bound && { values: Array(parameters).fill(null) }),
    })
    return Array.isArray(answer) ? answer : [answer]
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error
    throw error
  }
}

for (const version of everyVersion) {
  test(`PostgreSQL ${version} runs what a read scope permits, and tells every masked column's origin`, async () => {
    const client = await connect(version, 'reader', '-c default_transaction_read_only=on')
    const { rows } = await at(version).run('corpus', "select 'orders'::regclass::oid::int as oid")
    const origin = { table: rows[0]?.oid, column: 4 }
    const wrong: string[] = []
    for (const sql of [...allowedReads, ...(Number(version) >= 17 ? allowedNew : [])]) {
      const answers = await ask(client, sql)
      if (answers instanceof pg.DatabaseError) {
        wrong.push(`${sql}\n    ${answers.code} ${answers.message}`)
        await client.query('rollback')
        continue
      }
      for (const { fields, rows } of answers) {
        for (const [i, field] of (fields ?? []).entries()) {
          const marked = rows.some(row => JSON.stringify(row[i] ?? '').includes('marked-'))
          if (marked && (field.tableID !== origin.table || field.columnID !== origin.column))
            wrong.push(`${sql}\n    shows ${field.name}`)
        }
      }
    }
    await client.end()
    assert.equal(wrong.join('\n'), '')
  })

  test(`PostgreSQL ${version} runs what a write scope permits`, async () => {
    const client = await connect(version, 'writer', '')
    const wrong: string[] = []
    for (const sql of [...allowedWrites, ...(Number(version) >= 18 ? allowedWritesNew : [])]) {
      // 14 has no MERGE.
      if (version === '14' && /^merge /.test(sql)) continue
      await client.query('begin')
      const answers = await ask(client, sql)
      if (answers instanceof pg.DatabaseError) wrong.push(`${sql}\n    ${answers.code} ${answers.message}`)
      await client.query('rollback')
    }
    await client.end()
    assert.equal(wrong.join('\n'), '')
  })

  test(`every function of PostgreSQL ${version} is vetted or refused, and no vetted one is volatile unless by hand`, async () => {
    const { rows } = await at(version).run(
      'corpus',
      "select distinct proname as name, provolatile = 'v' as volatile from pg_proc where pronamespace = 'pg_catalog'::regnamespace",
    )
    const names = rows as { name: string; volatile: boolean }[]
    assert.deepEqual(
      names.filter(({ name }) => !vettedFunctions.has(name) && !otherFunctions.has(name)),
      [],
    )
    const volatile = names
      .filter(({ name, volatile }) => volatile && vettedFunctions.has(name))
      .map(({ name }) => name)
    assert.deepEqual(
      volatile.filter(name => !harmlessVolatile.has(name) && !byHand.allowed.has(name)),
      [],
    )
  })

  test(`PostgreSQL ${version} has no relation in pg_catalog whose name does not begin with pg_`, async () => {
    const { rows } = await at(version).run(
      'corpus',
      "select relname from pg_class where relnamespace = 'pg_catalog'::regnamespace and relname !~ '^pg_'",
    )
    assert.deepEqual(rows, [])
  })

  test(`PostgreSQL ${version} knows the vetted types, and none of them reads the catalogue`, async () => {
    const { rows } = await at(version).run(
      'corpus',
      "select typname as name, typcategory = 'N' and typname ~ '^reg' as names from pg_type where typnamespace = 'pg_catalog'::regnamespace",
    )
    const names = (rows as { name: string; names: boolean }[])
      .filter(row => row.names && vettedTypes.has(row.name))
      .map(row => row.name)
    assert.deepEqual(names.sort(), ['regconfig', 'regdictionary'])
  })

  test(`no vetted function of PostgreSQL ${version} takes or gives a type that looks names up`, async () => {
    const { rows } = await at(version).run(
      'corpus',
      `select distinct p.proname as name from pg_proc p, pg_type t
       where p.pronamespace = 'pg_catalog'::regnamespace and t.typname ~ '^_?reg' and t.typname !~ '^_?reg(config|dictionary)$'
         and t.oid = any (coalesce(p.proallargtypes, p.proargtypes::oid[]) || p.prorettype)`,
    )
    assert.ok(rows.length > 50)
    assert.deepEqual(
      (rows as { name: string }[]).filter(({ name }) => vettedFunctions.has(name)),
      [],
    )
  })

  test(`PostgreSQL ${version} takes attribute notation for a call, which is why the guard does`, async () => {
    const { rows } = await at(version).run(
      'corpus',
      "select left(f.pg_read_file, 4) as read, ('x'::text).length as length from lower('PG_VERSION') l, lower('/etc/passwd') f",
    )
    assert.equal(String(rows[0]?.read).length, 4)
    assert.equal(rows[0]?.length, 1)
  })
}
