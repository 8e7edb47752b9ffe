/**
 * Statements out of a grammar, judged and then run on a real server twice: in two databases that differ in nothing but
 * the masked column. Whatever the guard lets through, the server must let through under exactly the scope's privileges,
 * and both databases must answer alike but for the columns that the server says are the masked one.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { createAnalyser } from '../../statement/sql/analyser.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import type { Narrowed } from '../../words.ts'
import { createGuard } from './guard.ts'
import { type PostgresScope, postgresScope } from './scope.ts'

/** Emails that sort, compare, group and join otherwise: `one` and `two` tell whether a statement saw them. */
const world = (email: string) => `
  create table orders (id int, customer text, total int, email text);
  create table order_items (id int, order_id int, name text, email text);
  create table secret (id int, body text);
  insert into orders select n, 'c' || n % 2, n, ${email} from generate_series(1, 4) n;
  insert into order_items select n, n, 'x2', 'x' || n from generate_series(1, 3) n;
  grant select on orders, order_items to reader;`

let home: Home
let server: TestOrders
const clients: pg.Client[] = []
before(async () => {
  home = await openHome()
  server = await startPostgres(home, { version: '18' })
  await server.run('postgres', "create role reader login password 'r'")
  for (const [name, email] of [
    ['one', "'x' || n"],
    ['two', "'x' || 5 - n"],
  ] as const) {
    await server.run('postgres', `create database ${name}`)
    await server.run(name, world(email))
    const options =
      '-c search_path=pg_catalog,public -c statement_timeout=2s -c default_transaction_read_only=on'
    const client = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      database: name,
      user: 'reader',
      password: 'r',
      options,
    })
    await client.connect()
    clients.push(client)
  }
})
const none = () => undefined
const analyser = createAnalyser({ log: { debug: none, info: none, warn: none, error: none } })
after(async () => {
  for (const client of clients) await client.end()
  await analyser[Symbol.asyncDispose]()
  await home.close()
})

const given = {
  statements: ['select'],
  tables: ['public.orders', 'public.order_items'],
  mask: [{ column: 'public.orders.email', with: 'full' }],
}
const guard = createGuard(
  postgresScope.schema.parse(given) as Narrowed<PostgresScope>,
  analyser,
  new VerdictCache(),
)

const { grammar } = fc.letrec<Record<'grammar' | 'select' | 'expression' | 'item' | 'target', string>>(
  tie => {
    const maybe = (text: fc.Arbitrary<string>, freq = 3) => fc.option(text, { nil: '', freq })
    const joined = (parts: fc.Arbitrary<string>[], by = ' ') =>
      fc.tuple(...parts).map(all => all.filter(Boolean).join(by))
    const say = (text: string) => fc.constant(text)
    const column = fc.constantFrom(
      ...'id total customer o.id o.total i.id i.name s.id a.id orders.id o.email email i.email s.email s.x orders.email o orders a s i o.to_jsonb o.concat e x public.orders.email o.* s.*'.split(
        ' ',
      ),
    )
    const safe = fc.constantFrom('id', 'o.id', 'i.id', 'total', 'o.total', '1', "'x2'", '2', 'null')
    const expression = fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 5, arbitrary: safe },
      { weight: 2, arbitrary: column },
      joined([
        tie('expression'),
        fc.constantFrom('=', '<', '+', '||', 'is distinct from', 'and', 'in', 'like'),
        tie('expression'),
      ]),
      joined(
        [
          fc.constantFrom(
            'lower',
            'count',
            'max',
            'length',
            'to_jsonb',
            'row_to_json',
            'coalesce',
            'array_agg',
            'row',
            'exists',
            'array',
            'greatest',
            'concat',
            'pg_typeof',
          ),
          say('('),
          tie('expression'),
          say(')'),
        ],
        '',
      ),
      joined([fc.constantFrom('', 'exists', 'array', '1 in '), say('('), tie('select'), say(')')], ''),
      joined(
        [
          say('('),
          tie('expression'),
          fc.constantFrom(')::text', ').email', ').*', ') is null', ')::int', ' collate "C")'),
        ],
        '',
      ),
      joined([say('case when'), tie('expression'), say('then 1 else 2 end')]),
      joined([say('sum(1) over (order by'), tie('expression'), say(')')]),
    )
    const target = fc.oneof(
      { weight: 4, arbitrary: joined([column, maybe(fc.constantFrom('as e', 'as x', 'as id', 'as email'))]) },
      {
        weight: 2,
        arbitrary: fc.constantFrom('*', 'o.*', 'orders.*', 's.*', 'id', 'o.id', 'i.id', 'o.email', 'email'),
      },
      joined([tie('expression'), maybe(fc.constantFrom('as e', 'as x'))]),
    )
    const relation = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.constantFrom(
          'orders',
          'orders o',
          'order_items i',
          'orders o',
          'only orders o',
          'public.orders',
        ),
      },
      fc.constantFrom(
        'secret s',
        'a',
        'orders o(a, b, c, x)',
        'orders email',
        'order_items orders',
        'secret',
        'generate_series(1, 2) x',
        "lower('x') s",
        'pg_authid',
        'public.secret s',
      ),
      {
        weight: 2,
        arbitrary: joined([
          fc.constantFrom('(', 'lateral ('),
          tie('select'),
          fc.constantFrom(') s', ') s(x)', ') a'),
        ]),
      },
    )
    const item = fc.oneof(
      { depthSize: 'small' },
      { weight: 4, arbitrary: relation },
      joined([
        relation,
        fc.constantFrom('join', 'left join', 'full join'),
        relation,
        say('on'),
        tie('expression'),
      ]),
      joined([relation, fc.constantFrom('natural join', 'cross join'), relation]),
      joined([
        relation,
        say('join'),
        relation,
        fc.constantFrom('using (id)', 'using (email)', 'using (id) as x'),
      ]),
      joined([say('('), tie('item'), fc.constantFrom(')', ') as x')]),
    )
    const select = joined([
      maybe(
        joined([
          fc.constantFrom(
            'with a as (',
            'with orders as (',
            'with secret as (',
            'with recursive a(id) as (',
            'with a(x) as materialized (',
          ),
          tie('select'),
          say(')'),
        ]),
        6,
      ),
      fc.constantFrom('select', 'select', 'select', 'select distinct', 'select distinct on (id)'),
      fc.array(tie('target'), { minLength: 1, maxLength: 2 }).map(all => all.join(', ')),
      maybe(
        fc.array(tie('item'), { minLength: 1, maxLength: 2 }).map(all => `from ${all.join(', ')}`),
        12,
      ),
      maybe(joined([say('where'), tie('expression')])),
      maybe(joined([say('group by'), fc.oneof(column, safe)]), 8),
      maybe(joined([say('having'), tie('expression')]), 12),
      maybe(joined([say('order by'), fc.oneof(column, safe, fc.constantFrom('e', '1', '2', 'x'))])),
      maybe(fc.constantFrom('limit 1', 'limit (select 1)', 'offset 1')),
      maybe(joined([fc.constantFrom('union all', 'union', 'except'), tie('select')]), 14),
    ])
    const grammar = joined([
      maybe(fc.constantFrom('explain (costs off)', 'declare c cursor for'), 20),
      tie('select'),
    ])
    return { grammar, select, expression, item, target }
  },
)

interface Seen {
  readonly code: string
  readonly rows: unknown[][]
}

/** What a statement shows in one database, masked as the relay would. */
async function see(client: pg.Client, sql: string, email: number): Promise<Seen> {
  try {
    const { rows, fields } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
    const masked = fields.map(field => field.tableID === email && field.columnID === 4)
    return { code: 'ok', rows: rows.map(row => row.map((value, i) => (masked[i] ? 'masked' : value))) }
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    return { code: error.code ?? '', rows: [] }
  }
}

test('what the guard lets through, the server lets through, and it tells nothing of the masked column', async t => {
  const [one, two] = clients
  assert.ok(one && two)
  const oids = await Promise.all(
    clients.map(async client =>
      Number((await client.query("select 'public.orders'::regclass::oid as oid")).rows[0].oid),
    ),
  )
  let allowed = 0
  let ran = 0
  await fc.assert(
    fc.asyncProperty(grammar, async sql => {
      const verdict = await guard.judge(sql)
      if (!verdict.allow) return
      allowed += 1
      const first = await see(one, sql, oids[0] ?? 0)
      const second = await see(two, sql, oids[1] ?? 0)
      assert.notEqual(first.code, '42501', `the server refuses ${sql}`)
      assert.deepEqual(first, second, `tells of the masked column: ${sql}`)
      if (first.code === 'ok') ran += 1
    }),
    { numRuns: Number(process.env.POSTERN_FUZZ ?? 4_000) },
  )
  t.diagnostic(`${allowed} allowed, ${ran} of them ran`)
  assert.ok(ran > 100, `${allowed} allowed, ${ran} ran`)
})
