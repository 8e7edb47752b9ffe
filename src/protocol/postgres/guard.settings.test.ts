/** What a session may set of its own timeouts, held against what real servers make of it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { guardOf } from './guard.fixture.ts'

const guard = guardOf({ statements: ['select'], tables: ['public.orders'], statement_timeout: '5s' })
const bounds = { statement_timeout: 5_000, idle_in_transaction_session_timeout: 600_000 }

const numbers =
  '0 1 -1 +1 00 01 0764 010 0x1 0x1F4 0X10 0o17 0b1 1_000 0.4 .4 0.5 1.5 1. 1e0 1e3 1e-9 4e-1 499 500 501 999 1000 5000 5001 4999 600000 600001 2147483647 2147483648 9999999999 99999999999 4294967296 inf nan on off default'
const units = ',us, us,µs,ms, ms,MS,s,S,sec,min,m,h,d,us us'.split(',')
const spellings = numbers
  .split(' ')
  .flatMap(number => [number, ...units.flatMap(unit => [`'${number}${unit}'`, `' ${number}${unit} '`])])
const forms = [
  ...spellings.map(value => `set $ = ${value}`),
  ...numbers.split(' ').flatMap(value => [`set local $ to ${value}`, `set session $ to ${value}`]),
  'set $ = 1000, 1000',
  "set $ = '1000', '0'",
  'reset $',
  'set $ from current',
]

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, versions)
})
after(() => home.close())

for (const version of versions) {
  test(`PostgreSQL ${version} takes no spelling of a timeout for none, or for more than the guard does`, async () => {
    const client = new pg.Client({
      connectionString: at(version).url('postgres'),
      options: Object.entries(bounds)
        .map(([name, most]) => `-c ${name}=${most}`)
        .join(' '),
    })
    await client.connect()
    let set = 0
    for (const [name, most] of Object.entries(bounds)) {
      for (const form of forms) {
        const sql = form.replace('$', name)
        if (!(await guard.judge(sql)).allow) continue
        // In one go, so that a millisecond does not end the question itself.
        const answers = await client
          .query(`begin; ${sql}; select setting from pg_settings where name = '${name}'; rollback`)
          .catch(() => undefined)
        if (answers === undefined) {
          await client.query('rollback')
          continue
        }
        const setting = Number((answers as unknown as pg.QueryResult[])[2]?.rows[0].setting)
        set += 1
        assert.ok(setting > 0 && setting <= most, `${sql}: ${setting}`)
      }
    }
    await client.end()
    assert.ok(set > 50, `${set} were set`)
  })
}
