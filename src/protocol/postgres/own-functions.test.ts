import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { allows, guardOf, refusesAll } from './guard.fixture.ts'
import { baseTypes, findOwnFunctions, mayFindOwnFunctions, ownFunctions } from './own-functions.ts'

let home: Home
let at: At

before(async () => {
  home = await openHome()
  at = await startServers(home, versions)
})
after(() => home.close())

/** One function each, and whether it may be called by what looks like something else. */
const functions: readonly (readonly [made: string, own: boolean])[] = [
  ['create function s.plain() returns int', false],
  ['create function s.takes_int(int) returns int', false],
  ['create function s.takes_texts(text[], uuid, jsonb) returns int', false],
  ['create function s.takes_enum(s.colour) returns int', false],
  ['create function s.of_row(s.item) returns int', true],
  ['create function s.of_row_and_more(s.item, int default 1) returns int', true],
  ['create function s.of_domain(s.some_item) returns int', true],
  ['create function s.of_any(anyelement) returns int', true],
  ['create function s.of_many(variadic anyarray) returns int', true],
  ['create function s.of_deep(s.some_deeper_item) returns int', true],
  ['create function s.of_many_items(variadic s.item[]) returns int', true],
  ['create function s.of_word(s.word) returns int', false],
  ['create function s.id(s.item) returns int', true],
  ['create function s.x(int) returns int', true],
  ['create function s.n(uuid, int default 1) returns int', true],
  ['create function s.lexeme(variadic text[]) returns int', true],
  ['create function s.x() returns int', false],
  ['create function s.lexeme(text, text) returns int', false],
  ['create function s.of_catalogue(pg_catalog.pg_class) returns int', true],
  ['create function s.lower(text) returns int', true],
  ['create function s.now() returns int', true],
]

for (const version of versions) {
  test(`PostgreSQL ${version}: where the first look finds nothing there is nothing to find`, async () => {
    const server = at(version)
    const ask = (sql: string) => server.run('postgres', sql)
    await ask(`create schema s; create table s.item (id int); create type s.colour as enum ('red');
      create domain s.some_item as s.item; create domain s.some_deeper_item as s.some_item; create domain s.word as text`)
    for (const [made, own] of functions) {
      await ask(`set check_function_bodies = off; ${made} language sql as 'select 1'`)
      const may = (await ask(mayFindOwnFunctions('s'))).rows.length > 0
      const found = (await ask(findOwnFunctions('s'))).rows.length > 0
      assert.equal(found, own, made)
      assert.ok(may || !found, `overlooked: ${made}`)
      if (/plain|takes_int|takes_texts/.test(made)) assert.ok(!may, `looked closely for nothing: ${made}`)
      await ask(`drop routine s.${/s\.(\w+)\(/.exec(made)?.[1] ?? ''}`)
    }
    const plain = `select oid from pg_type where oid = any ('{${baseTypes}}') and typtype = 'b'`
    assert.equal((await ask(plain)).rows.length, baseTypes.length)
  })
}

const world = `
  create table people (id int primary key, name text, status text);
  create table items (id int primary key, person_id int);
  create domain one_person as people;
  create domain the_person as one_person;
  create domain positions as int4[] check (cardinality(value) < 99);
  insert into people values (1, 'ann', 'new');
  create function x(int) returns text language sql as 'select ''called''';
  create function leak(variadic people[]) returns text language sql as 'select ''called''';
  create function deep(the_person) returns text language sql as 'select ''called''';
  create function lexeme(text) returns text language sql as 'select ''called''';
  create function status(people) returns text language sql as 'select ''called''';
  create function key(record) returns text language plpgsql as 'begin return ''called''; end';
  create function plain(int) returns text language sql as 'select ''called''';`

/** Each calls one of those functions. */
const calls: readonly string[] = [
  'select (5).x',
  'select (id).x from people',
  'select p.leak from people p',
  'select (p).leak from people p',
  'select p.deep from people p',
  "select u.lexeme from unnest(array['x']) u",
  "select u.lexeme from pg_catalog.unnest(array['x']) u",
  'select p.status from people p(a, b, c)',
  "select s.status from (select 1 as a, 'b' as b, 'c' as c) s",
  "with s as (select 1 as a, 'b'::text as b, 'c'::text as c) select s.status from s",
  "select (row(1, 'b', 'c')).status",
  'select e.key from json_each(\'{"a": 1}\') as e(k, v)',
  'select (5).plain',
]

/** Columns all the same. */
const columns: readonly string[] = [
  'select p.id, p.status from people p',
  'select x.x from generate_series(1, 3) x',
  "select u.word from unnest(array['x']) as u(word)",
  'select e.value from json_each(\'{"a": 1}\') e',
  'select e.value from json_each(\'{"a": 1}\') as e(k)',
  'select s.x from (select 1 as x) s',
]

for (const version of versions) {
  test(`PostgreSQL ${version}: what calls one of the database's own functions by the look of a column is refused`, async () => {
    const server = at(version)
    await server.run('postgres', 'create database calls')
    await server.run('calls', world)
    const { rows } = await server.run('calls', findOwnFunctions('public'))
    const own = ownFunctions(
      Number(version),
      'public',
      rows.map(row => [row.name, row.kind, row.calls, row.place]),
    )
    const scope = { statements: ['select'], tables: ['public.people', 'public.items'] }
    for (const catalog of [false, true]) {
      const guard = guardOf({ ...scope, catalog }, undefined, own)
      await refusesAll(guard, 'is not vetted', calls)
      await allows(guard, columns)
    }
    for (const sql of calls) {
      const answer = await server.run('calls', sql).catch(error => error)
      assert.deepEqual(Object.values(answer.rows?.[0] ?? { answer }), ['called'], sql)
    }
    for (const sql of columns) await server.run('calls', sql)
  })
}
