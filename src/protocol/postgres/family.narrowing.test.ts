/**
 * Scopes only ever narrow (invariant 3), in a database too: what the meeting of a rule, a ceiling and a request lets through, each
 * of them lets through by itself, under every name that a row has; and of a masked column none shows more than each by itself.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import type { Narrowed } from '../../words.ts'
import { findFamilies, needsFamilies, scopeThere, type There } from './family.ts'
import { guardOf } from './guard.fixture.ts'
import { type PostgresLimit, type PostgresScope, postgresScope } from './scope.ts'

const world = `
  create table orders (id int, day int, total int, email text,
    folded text generated always as (lower(email)) stored) partition by range (day);
  create table orders_1 partition of orders for values from (0) to (10);
  create table orders_2 partition of orders for values from (10) to (20) partition by range (day);
  create table orders_21 partition of orders_2 default;
  create table people (id int, email text);
  create table noted (id int, note text);
  create table staff (salary int) inherits (people, noted);
  create table clerks (email text, day int) inherits (staff);
  create view order_view as select id, email from orders;
  create view staff_view as select salary from staff;
  create table items (id int, email text);
  create view item_view as select id, email from items`
const relations =
  'orders orders_1 orders_2 orders_21 people noted staff clerks order_view staff_view item_view items'.split(
    ' ',
  )
const tables = relations.filter(name => !name.endsWith('_view'))
const columns = 'id day total email folded note salary'.split(' ')
const masked =
  'orders.email orders_1.email orders.total people.email staff.email staff.salary noted.note items.email'

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, versions, 'narrowing', world)
})
after(() => home?.close())

const some = <T>(of: readonly T[]) => fc.subarray([...of])
const names = fc.oneof(
  { weight: 3, arbitrary: fc.constant(['public.*']) },
  some(relations.map(name => `public.${name}`)),
)
const keys = {
  tables: names,
  write_tables: names,
  columns: fc.dictionary(fc.constantFrom(...tables.map(name => `public.${name}`)), some(columns), {
    maxKeys: 3,
  }),
  mask: fc.array(
    fc.record({
      column: fc.constantFrom(...masked.split(' ').map(name => `public.${name}`)),
      with: fc.constantFrom('full', 'partial', 'hash', 'blank'),
      filter: fc.boolean(),
    }),
    { maxLength: 2 },
  ),
}
const limits = fc
  .record(keys, { requiredKeys: [] })
  .map(given => postgresScope.limit.parse(given) as PostgresLimit)
const everything = postgresScope.schema.parse({
  statements: ['select', 'insert', 'update', 'delete'],
  tables: ['public.*', ...relations.map(name => `public.${name}`)],
  write_tables: ['public.*', ...relations.map(name => `public.${name}`)],
})

const column = fc.constantFrom(...columns)
const statements = fc
  .record({ table: fc.constantFrom(...relations), one: column, two: column, form: fc.nat(13) })
  .map(
    ({ table, one, two, form }) =>
      [
        `select ${one} from ${table}`,
        `select ${one}, ${two} from ${table}`,
        `select count(*) from ${table}`,
        `select t.${one} from ${table} t where t.${two} is null`,
        `select max(${one}) from ${table}`,
        `select * from ${table}`,
        `select t::text from ${table} t`,
        `select t.${one} from ${table} t join orders o on o.id = t.${two} order by t.${one}`,
        `select 1 from ${table} where lower(${one}) = 'x' group by ${two}`,
        `copy ${table} (${one}) to stdout`,
        `insert into ${table} (${one}) values (null) returning ${two}`,
        `update ${table} set ${one} = null`,
        `update ${table} set ${one} = null where ${two} is null returning ${two}`,
        `delete from ${table} where ${one} is null`,
      ][form] ?? '',
  )

/** What a form tells of a value. */
const tells = { full: [], blank: [], partial: ['a part'], hash: ['equality'] }
const runs = Number(process.env.POSTERN_FUZZ ?? 25)

for (const version of versions)
  test(`what is narrowed lets nothing through that who narrowed it does not (PostgreSQL ${version})`, {
    timeout: 3_600_000,
  }, async t => {
    const admin = new pg.Client(at(version).url('narrowing'))
    await admin.connect()
    t.after(() => admin.end())
    const thereOf = async (scope: PostgresScope): Promise<There> => {
      const narrowed = scope as Narrowed<PostgresScope>
      if (!needsFamilies(scope)) return { scope: narrowed, masks: new Map(), missing: [] }
      const { rows } = await admin.query({ text: findFamilies(scope), rowMode: 'array' })
      const texts = (rows as unknown[][]).map(row =>
        row.map(value => (value === null ? null : String(value))),
      )
      return scopeThere(narrowed, texts, 'orders-db')
    }
    const counts = { allowed: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(
        limits,
        limits,
        limits,
        fc.array(statements, { minLength: 20, maxLength: 40 }),
        async (rule, ceiling, request, asked) => {
          const { meet } = postgresScope
          const met = await thereOf(meet(meet(meet(everything, rule), ceiling), request))
          const sides: There[] = []
          for (const one of [rule, ceiling, request]) sides.push(await thereOf(meet(everything, one)))
          sides.push(await thereOf(meet(meet(everything, rule), ceiling)))
          for (const { masks } of sides)
            for (const [where, form] of masks) {
              const left = met.masks.get(where)
              assert.ok(left !== undefined, where)
              for (const told of tells[left.with])
                assert.ok((tells[form.with] as string[]).includes(told), where)
            }
          const open = ({ scope: { starred: _, write_starred: __, columns_apart: ___, ...scope } }: There) =>
            guardOf(scope)
          const guard = open(met)
          const others = sides.map(open)
          for (const sql of asked) {
            const { allow } = await guard.judge(sql)
            counts[allow ? 'allowed' : 'refused'] += 1
            if (!allow) continue
            for (const [n, other] of others.entries())
              assert.ok(
                (await other.judge(sql)).allow,
                `a hole: ${sql} is refused by ${['the rule', 'the ceiling', 'the request', 'rule and ceiling'][n]}`,
              )
          }
        },
      ),
      { numRuns: runs },
    )
    t.diagnostic(JSON.stringify(counts))
    assert.ok(counts.allowed > runs && counts.refused > runs)
  })
