/** The guard's parser is PostgreSQL 18's: what older servers read otherwise is refused there, as real servers of each show. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type At, everyVersion, startServers } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { majorsOf } from '../../statement/sql/functions.gen.ts'
import { allows, guardOf, newest, refuses, refusesAll } from './guard.fixture.ts'
import { findOwnFunctions, ownFunctions } from './own-functions.ts'
import { allowedReads, refusedMasked, refusedReads } from './vectors/statements.ts'
import { namesakes, newerForms } from './vectors/versions.ts'
import { versionOf } from './version.ts'

const scope = {
  statements: ['select', 'merge', 'update'],
  tables: ['public.people'],
  write_tables: ['public.people'],
  mask: [{ column: 'public.people.system_user', with: 'full' }],
}
/** The corpus's own (guard.test.ts). */
const corpus = {
  statements: ['select'],
  tables: ['public.orders', 'public.order_items'],
  functions: ['public.safe'],
  statement_timeout: '5s',
  mask: [{ column: 'public.orders.email', with: 'partial' }],
}
const cache = new VerdictCache()
/** All share one cache, as all sessions of a gateway do. */
const guardAt = (version: number, own: Partial<typeof newest> = {}) =>
  guardOf(scope, cache, { ...newest, version, ...own })
const below = (version: number) => newerForms.filter(({ since }) => version < since).map(({ sql }) => sql)
const known = (version: number) => newerForms.filter(({ since }) => version >= since).map(({ sql }) => sql)

for (const version of [14, 15, 16, 17, 18, 19])
  test(`words that PostgreSQL ${version} knows are permitted there, the others refused`, async () => {
    await refusesAll(guardAt(version), `this server's version is ${version}`, below(version))
    await allows(guardAt(version), known(version))
  })

for (const version of [0, 14, 15, 16, 17, 18])
  test(`what is no version's own is judged alike on PostgreSQL ${version || 'nobody knows which'}`, async () => {
    const reading = guardOf(corpus, cache, { ...newest, version })
    await allows(reading, allowedReads)
    await refuses(reading, [...refusedReads, ...refusedMasked])
  })

test('where the version is not known, only what every server reads alike is permitted', async () => {
  await refusesAll(guardAt(0), "this server's version is not known", below(0))
  await allows(guardAt(0), ['select id, lower($1) from people', "select json_object('{a,b}')"])
})

test('a function that a server lacks is none of its built-in ones there', async () => {
  for (const [name, majors] of majorsOf) {
    if (name === 'system_user') continue
    for (const version of [0, 14, 15, 16, 17, 18]) {
      if (majors.includes(version)) await allows(guardAt(version), [`select ${name}()`])
      else
        await refuses(guardAt(version), [
          { sql: `select ${name}()`, say: `function public.${name} is not vetted` },
          {
            sql: `select pg_catalog.${name}()`,
            say: `${name.toUpperCase()} is known to PostgreSQL ${majors.join(', ')}`,
          },
        ])
    }
  }
})

test('before 16 json_object(...) is whoever has such a function', async () => {
  const own = { names: ['json_object'] }
  await refusesAll(guardAt(15, own), 'function public.json_object is not vetted', [
    "select json_object('{a,b}')",
  ])
  await allows(guardAt(15), ["select json_object('{a,b}')", "select pg_catalog.json_object('{a,b}')"])
  await allows(guardAt(16, own), ["select json_object('{a,b}')"])
})

test('MERGE_ACTION is a word from 17 on', async () => {
  const sql =
    'merge into people p using (select 1 as id) s on s.id = p.id when matched then update set id = 1 returning merge_action()'
  await allows(guardAt(17), [sql])
  await refusesAll(guardAt(16), 'MERGE_ACTION is known to PostgreSQL 17', [sql, 'select merge_action()'])
})

test('a version is known where login and server say the same', () => {
  for (const [announced, answered, version] of [
    ['18.1', '180001', 18],
    ['14.20 (Debian 14.20-1.pgdg12+1)', '140020', 14],
    ['19devel', '190000', 19],
    ['18rc1', '180000', 18],
    ['17.2', '140020', 0],
    ['17.2', null, 0],
    [undefined, '170002', 0],
    ['', '170002', 0],
    ['9.6.24', '90624', 0],
    ['1.23.0/bouncer', '170002', 0],
    ['17x', '170002', 0],
  ] as const)
    assert.equal(versionOf(announced, [[answered]]), version, `${announced} ${answered}`)
  assert.equal(versionOf('17.2', []), 0)
})

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(
    home,
    everyVersion,
    'namesakes',
    `create table people (id int primary key, "system_user" text); insert into people values (1, 'marked'), (2, 'marked');${namesakes}`,
  )
})
after(() => home.close())

for (const version of everyVersion) {
  test(`PostgreSQL ${version} calls nothing of its own and shows no column where the guard sees a word`, async () => {
    const { rows } = await at(version).run('namesakes', findOwnFunctions('public'))
    const own = rows.map(row => [row.name, row.kind, row.calls, row.place])
    const guard = guardOf(scope, cache, ownFunctions(Number(version), 'public', own))
    let mistaken = 0
    for (const sql of [...newerForms.map(one => one.sql), 'select uuidv7()']) {
      const { allow } = await guard.judge(sql)
      const answer = await at(version)
        .run('namesakes', sql)
        .catch((error: Error) => error)
      const shown = answer instanceof Error ? '' : JSON.stringify(answer.rows)
      const otherwise = /namesake|marked/.test(shown)
      if (otherwise) mistaken++
      if (allow) assert.ok(!(answer instanceof Error) && !otherwise, `${sql}: ${answer}`)
    }
    // Else this test would prove nothing.
    assert.equal(mistaken > 0, Number(version) < 18)
  })
}
