/** The scope's language through `bin/postern` and psql: what only the whole of it can show. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { pgUrl, psql } from '../../../test/fixtures/clients.ts'
import { type Gateway, startGateway } from '../../../test/fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../../../test/fixtures/issuer.ts'
import { startPostgres } from '../../../test/fixtures/postgres.ts'
import { missing } from '../../../test/fixtures/run.ts'
import { type Home, openHome } from '../../demo/home.ts'

const skip = missing('psql')
let home: Home
let okta: FakeOkta
let gateway: Gateway
before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  const orders = await startPostgres(home)
  await orders.run(
    'orders',
    `create function full_name(orders) returns text language sql as 'select $1.email';
     create function total(orders) returns int language sql as 'select 1';
     create type mood as enum ('calm');
     create function upper(mood) returns text language sql as 'select ssn from customers limit 1'`,
  )
  const rule = (group: string, more: string) =>
    `\n  - { group: ${group}, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders]${more} } }`
  gateway = await startGateway(home, {
    okta,
    postgres: orders,
    rules: [
      rule('plain', ''),
      rule('calling', ', functions: [public.full_name]'),
      rule('looking', ', catalog: true'),
      rule('narrow', ', columns: { public.orders: [id, total] }'),
      rule('deciding', ', mask: [{ column: public.orders.email, with: hash, filter: true }]'),
    ].join(''),
  })
})
after(() => home?.close())

/** What psql prints, or its error. */
async function asked(group: string, sql: string): Promise<string> {
  const answer = await gateway.grant(okta.token({ groups: [group] }), 'orders-db')
  assert.equal(answer.status, 201, answer.text)
  const { stdout, stderr } = await psql(pgUrl(gateway, answer.json), sql)
  return stderr === '' ? stdout : stderr
}

test('a session knows the functions of its database that look like columns or built-ins', {
  skip,
}, async () => {
  const column = 'select o.full_name from orders o where o.id = 1'
  assert.match(await asked('plain', column), /42501: .*function public\.full_name is not vetted/)
  assert.equal(await asked('calling', column), 'person1@example.com\n')
  assert.match(await asked('plain', "select upper('calm')"), /function public\.upper is not vetted/)
  assert.equal(await asked('plain', "select pg_catalog.upper('calm')"), 'CALM\n')
  // A column comes before a function of its name.
  assert.equal(await asked('plain', 'select o.total from orders o where o.id = 1'), '1.50\n')
})

test('psql describes a table under catalog: true, and only then', { skip }, async () => {
  assert.match(await asked('looking', String.raw`\d orders`), /email\|text\|\|not null/)
  assert.match(await asked('looking', String.raw`\dt`), /public\|orders\|table/)
  assert.match(
    await asked('plain', String.raw`\d orders`),
    /pg_catalog\.pg_class is not permitted: it needs catalog: true/,
  )
})

test('columns: a refusal names what to write instead', { skip }, async () => {
  assert.match(
    await asked('narrow', 'select * from orders'),
    /name them instead: id, total; this grant allows/,
  )
  assert.equal(await asked('narrow', 'select id, total from orders where id = 1'), '1|1.50\n')
})

test('a hashed column decides and is not seen', { skip }, async () => {
  const shown = await asked('deciding', "select email from orders where email = 'person7@example.com'")
  assert.match(shown, /^[0-9a-f]{32}\n$/)
  assert.match(await asked('deciding', 'select lower(email) from orders'), /public\.orders\.email is masked/)
})
