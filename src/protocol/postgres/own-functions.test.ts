import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { baseTypes, findOwnFunctions, mayFindOwnFunctions } from './own-functions.ts'

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
  ['create function s.of_catalogue(pg_catalog.pg_class) returns int', true],
  ['create function s.lower(text) returns int', true],
  ['create function s.now() returns int', true],
]

for (const version of versions) {
  test(`PostgreSQL ${version}: where the first look finds nothing there is nothing to find`, async () => {
    const server = at(version)
    const ask = (sql: string) => server.run('postgres', sql)
    await ask(`create schema s; create table s.item (id int); create type s.colour as enum ('red');
      create domain s.some_item as s.item`)
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
