/** The scopes that docs/protocols/postgres.md shows are scopes, and do what it says of them. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { before, test } from 'node:test'
import { parse } from 'yaml'
import { allows, guardOf, newest, refusesAll } from './guard.fixture.ts'
import { postgresScope } from './scope.ts'

let scopes: object[]
before(async () => {
  const page = await readFile(new URL('../../../docs/protocols/postgres.md', import.meta.url), 'utf8')
  const section = page.slice(page.indexOf('\n## The scope'), page.indexOf('\n## What holds a second time'))
  scopes = [...section.matchAll(/^ {4}scope:.*\n(?: {6}.*\n)*/gm)].map(
    ([block]) => parse(block.replaceAll(/^ {4}/gm, '')).scope,
  )
})

test('each is a scope, with every key that there is', () => {
  assert.equal(scopes.length, 5)
  for (const scope of scopes)
    assert.equal(postgresScope.schema.safeParse(scope).success, true, JSON.stringify(scope))
  assert.deepEqual(
    Object.keys(scopes[0] ?? {}).sort(),
    Object.keys(postgresScope.schema.parse({ statements: [] })).sort(),
  )
})

test('support finds an order by an address that it does not see', async () => {
  const guard = guardOf(scopes[2] ?? {})
  await allows(guard, [
    "select o.id, o.email, c.name from orders o join customers c on c.id = o.customer_id where o.email = 'a@example.com'",
    'select name from customers where id = 7',
  ])
  await refusesAll(guard, '', [
    'select ssn from customers',
    'select lower(email) from orders',
    'delete from orders',
  ])
})

test('a worker takes jobs and closes them', async () => {
  const guard = guardOf(scopes[3] ?? {})
  await allows(guard, [
    "update jobs.queue set state = 'taken', taken_by = 7 where id = (select q.id from jobs.queue q where q.state = 'new' limit 1 for update skip locked) returning id",
    "update jobs.queue set state = 'done' where id = 7",
  ])
  await refusesAll(guard, '', [
    'delete from jobs.queue',
    'insert into jobs.queue (id) values (1)',
    'update jobs.queue set payload = $1',
    'select payload from jobs.queue',
  ])
})

test("an ORM's names are those of its schema", async () => {
  const guard = guardOf(scopes[4] ?? {}, undefined, { ...newest, schema: 'app' })
  await allows(guard, [
    'insert into orders (id) values ($1) returning id',
    'select order_total(o.id) from orders o join customers c on true',
    'select c.relname from pg_catalog.pg_class c',
  ])
  await refusesAll(guard, '', ['update customers set id = 1', 'select * from public.orders'])
})
