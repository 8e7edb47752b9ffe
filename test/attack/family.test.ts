/**
 * Attacks 85 and 86 by another name, through the whole gateway: a partition, a child table or a view of what is masked, asked
 * for on the wire, by a one-shot and under a scope that the agent chose itself.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { pgUrl, psql } from '../fixtures/clients.ts'
import { type Answer, type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres } from '../fixtures/postgres.ts'
import { missing } from '../fixtures/run.ts'

const skip = missing('psql')
let home: Home
let okta: FakeOkta
let gateway: Gateway
let token: string

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  const orders = await startPostgres(home)
  await orders.run(
    'orders',
    `create table sales (id int, year int, email text) partition by list (year);
     create table sales_2024 partition of sales for values in (2024);
     create table sales_rest partition of sales default;
     create view sales_view as select id, email as contact from sales;
     insert into sales select n, 2020 + n, 'marked-' || n || '@example.com' from generate_series(1, 9) n;
     create table person (id int, secret text);
     create table clerk (extra text) inherits (person);
     insert into clerk values (1, 'marked-secret', 'marked-extra');
     grant select on sales, sales_2024, sales_rest, sales_view, person, clerk to app_ro`,
  )
  gateway = await startGateway(home, {
    okta,
    postgres: orders,
    rules: `
  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.*], mask: [{ column: public.sales.email, with: full }] } }
  - { group: column-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.*], columns: { public.person: [id] } } }
  - { group: lister-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.*, public.sales_view], mask: [{ column: public.sales.email, with: full }] } }
`,
  })
  token = okta.token({ groups: ['analyst-agents'] })
})
after(() => home?.close())

async function granted(scope?: object): Promise<Answer['json']> {
  const answer = await gateway.grant(token, 'orders-db', scope === undefined ? {} : { scope })
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}

const attempts = ['sales', 'sales_2024', 'sales_rest'].flatMap(table => [
  `select lower(email) from ${table}`,
  `select t::text from ${table} t`,
  `select x || '' from (select email as x from ${table}) t`,
  `select x from (select email as x from ${table}) t where x > 'm'`,
  `select id from ${table} where email like 'marked-4%'`,
  `select id from ${table} order by email`,
])
const views = ['select contact from sales_view', 'table sales_view']

test('Q85: nothing masked comes by the name of a partition or a view', { skip }, async () => {
  for (const scope of [undefined, { tables: ['public.sales_2024', 'public.sales_rest', 'public.sales'] }]) {
    const grant = await granted(scope)
    const sql = [...attempts, ...views, 'copy sales_2024 to stdout'].flatMap(one => ['-c', one])
    const ran = await psql(pgUrl(gateway, grant), 'select email from sales_2024', [
      '-v',
      'ON_ERROR_STOP=0',
      ...sql,
    ])
    assert.equal(ran.stdout, '***\n', ran.stderr)
    assert.equal(ran.stderr.match(/ERROR: {2}42501/g)?.length, attempts.length + views.length + 1, ran.stderr)
    for (const statement of [...attempts, ...views]) {
      const answer = await gateway.api('POST', `/v1/grants/${grant.id}/query`, token, { statement })
      assert.deepEqual([answer.status, answer.json.code], [403, 'statement_refused'], statement)
      assert.ok(!answer.text.includes('marked-'))
    }
    for (const table of ['sales', 'sales_2024', 'sales_rest']) {
      const carried = `select x from (select email as x from ${table}) t`
      const copied = `copy (select x from (select email as x from ${table}) t) to stdout`
      for (const statement of [carried, copied])
        assert.match((await psql(pgUrl(gateway, grant), statement)).stdout, /^([*]{3}\n)*$/, statement)
    }
  }
})

test('the schema of a grant shows what is masked where, and no view that it does not give', {
  skip,
}, async () => {
  const grant = await granted()
  const { json } = await gateway.api('GET', `/v1/grants/${grant.id}/schema`, token)
  const tables = json.tables as { name: string; columns: { name: string; mask?: string }[] }[]
  const masked = tables
    .filter(({ columns }) => columns.some(({ mask }) => mask === 'full'))
    .map(({ name }) => name)
  assert.deepEqual(masked, ['public.sales', 'public.sales_2024', 'public.sales_rest'])
  assert.ok(!tables.some(({ name }) => name === 'public.sales_view'))
  assert.ok(tables.some(({ name }) => name === 'public.order_view'))
})

test('an agent cannot ask its way to a view that the star leaves out', { skip }, async () => {
  // Each of these narrows the rule, in words; none may give what the rule does not.
  for (const more of [
    {},
    { columns: { 'public.sales_view': ['id', 'contact'] } },
    { mask: [{ column: 'public.sales_view.id', with: 'full' }] },
    { starred: [] },
  ]) {
    const scope = { tables: ['public.sales_view', 'public.orders'], ...more }
    const ran = await psql(pgUrl(gateway, await granted(scope)), 'select contact from sales_view limit 1')
    assert.match(ran.stderr, /42501/)
    assert.ok(!ran.stdout.includes('marked-'), JSON.stringify(more))
  }
})

test('an agent cannot ask its way to columns of a child that the rule for its parent leaves out', {
  skip,
}, async () => {
  const asker = okta.token({ groups: ['column-agents'] })
  const all = ['id', 'extra', 'secret']
  for (const columns of [undefined, { 'public.clerk': all }, { 'public.clerk': all, 'public.person': all }]) {
    const grant = await gateway.grant(asker, 'orders-db', columns === undefined ? {} : { scope: { columns } })
    for (const column of ['extra', 'secret']) {
      const ran = await psql(pgUrl(gateway, grant.json), `select ${column} from clerk`)
      assert.match(ran.stderr, /42501/, JSON.stringify(columns))
      assert.ok(!ran.stdout.includes('marked-'), JSON.stringify(columns))
    }
    assert.equal((await psql(pgUrl(gateway, grant.json), 'select id from clerk')).stdout, '1\n')
  }
})

test('a view that the rule lists by name is given, asked for or not', { skip }, async () => {
  const lister = okta.token({ groups: ['lister-agents'] })
  for (const scope of [undefined, { tables: ['public.sales_view'] }]) {
    const grant = await gateway.grant(lister, 'orders-db', scope === undefined ? {} : { scope })
    const ran = await psql(pgUrl(gateway, grant.json), 'select contact from sales_view order by id limit 1')
    assert.equal(ran.stdout, 'marked-1@example.com\n', ran.stderr)
  }
})
