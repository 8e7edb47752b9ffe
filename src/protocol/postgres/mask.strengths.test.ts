/** What each mask leaves of a value, by the column's type and by how the client asks for it, on real servers. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { maskedDoor, rowsBy, ways } from './masked.fixture.ts'

const world = `
  create domain address as text;
  create table people (id int, t text, v varchar(40), c char(12), d address, i int, on_day date, j jsonb, b bytea, a text[]);
  insert into people values
    (1, 'ann@x.io', 'bob@x.io', 'Cyd!', 'dan@x.io', 123456789, '2026-01-02', '{"k": "secret"}', 'secret', '{secret}'),
    (2, null, null, null, null, null, null, null, null, null),
    (3, '', 'x', 'y', '@', 0, '1999-12-31', '[]', '', '{}');
  grant select on people to app_ro`

const masked = ['t', 'v', 'c', 'd', 'i', 'on_day', 'j', 'b', 'a']
const nothing = [null, null, null, null, null]
const digest = /^[0-9a-f]{32}$/

/** Of t, v, c and d; what is no text is NULL whatever the mask. */
const shown = {
  full: [
    ['***', '***', '***', '***'],
    ['***', '***', '***', '***'],
  ],
  partial: [
    ['a***@x.io', 'b***@x.io', 'C***', 'd***@x.io'],
    ['***', '***', 'y***', '***'],
  ],
  blank: [
    ['', '', '', ''],
    ['', '', '', ''],
  ],
  hash: [
    [digest, digest, digest, digest],
    [digest, digest, digest, digest],
  ],
} as const

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, versions, 'people', world)
})
after(() => home.close())

const through = [
  'select id, t, v, c, d, i, on_day, j, b, a from people order by id',
  'with p as (select * from people) select * from (select * from p) s order by id',
]

for (const version of versions) {
  for (const strength of ['full', 'partial', 'blank', 'hash'] as const) {
    test(`with: ${strength} leaves of text what it says, and of other types nothing, in every format (PostgreSQL ${version})`, async () => {
      await using masks = await maskedDoor(at(version), 'people', {
        statements: ['select'],
        tables: ['public.people'],
        mask: masked.map(column => ({ column: `public.people.${column}`, with: strength })),
      })
      const all: string[] = []
      for (const way of ways) {
        for (const sql of through) {
          const [first = [], second = [], third = []] = await rowsBy(way, masks.client, sql)
          assert.deepEqual(first.slice(5), nothing, way)
          assert.deepEqual(second.slice(1), [null, null, null, null, ...nothing], way)
          assert.deepEqual(third.slice(5), nothing, way)
          const texts = [first, third].map(row => row.slice(1, 5))
          for (const [r, row] of shown[strength].entries())
            for (const [i, wanted] of row.entries()) {
              const text = texts[r]?.[i] ?? ''
              if (typeof wanted === 'string') assert.equal(text, wanted, `${way}: ${sql}`)
              else assert.match(text, wanted)
            }
          all.push(JSON.stringify(texts))
        }
      }
      // Equal values look equal however they were asked for.
      assert.equal(new Set(all).size, 1)
      assert.doesNotMatch(
        masks.client.received.toString('latin1'),
        /secret|123456789|2026-01-02|ann@|bob@|dan@|Cyd!/,
      )
    })
  }
}
