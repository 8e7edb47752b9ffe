import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { pgbench, pgUrl, psql, python, python3 } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing } from '../fixtures/run.ts'

const skip = missing('psql', 'pgbench')
let home: Home
let okta: FakeOkta
let orders: TestOrders
let gateway: Gateway

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home, { scale: 1 })
  gateway = await startGateway(home, {
    okta,
    postgres: orders,
    rules: `
  - group: analyst-agents
    connection: orders-db
    ttl: 10m
    scope:
      statements: [select]
      tables: [public.orders, public.pgbench_accounts]
      mask: [{ column: public.orders.email, with: partial }]
  - group: clerk-agents
    connection: orders-db
    ttl: 10m
    scope: { statements: [select, insert, update, delete], tables: [public.orders], write_tables: [public.orders] }
`,
  })
})
after(() => home?.close())

async function granted(group: string): Promise<string> {
  const answer = await gateway.grant(okta.token({ groups: [group] }), 'orders-db')
  assert.equal(answer.status, 201, answer.text)
  return pgUrl(gateway, answer.json)
}

test('psql reads what the grant allows, over TLS and without', { skip }, async () => {
  const url = await granted('analyst-agents')
  for (const mode of ['require', 'disable']) {
    const answer = await psql(url.replace('prefer', mode), 'select count(*) from orders')
    assert.equal(answer.stdout, '5000\n', answer.stderr)
  }
})

test('psql verifies the gateway by the CA that the grant names', { skip }, async () => {
  const answer = await gateway.grant(okta.token({ groups: ['analyst-agents'] }), 'orders-db')
  const ca = join(gateway.dir, 'ca.pem')
  await writeFile(ca, answer.json.endpoint.ca)
  const read = await psql(pgUrl(gateway, answer.json, `sslmode=verify-full&sslrootcert=${ca}`), 'select 1')
  assert.equal(read.stdout, '1\n', read.stderr)
})

test('psql shows a masked column masked, and a refused statement as 42501 on a session that goes on', {
  skip,
}, async () => {
  const url = await granted('analyst-agents')
  assert.equal((await psql(url, 'select email from orders where id = 1')).stdout, 'p***@example.com\n')
  const both = await psql(url, '', [
    '-v',
    'ON_ERROR_STOP=0',
    '-c',
    'delete from orders',
    '-c',
    'select 2 + 2',
  ])
  assert.match(both.stderr, /ERROR: {2}42501:/)
  assert.equal(both.stdout, '4\n')
  assert.equal((await orders.run('orders', 'select count(*)::int n from orders')).rows[0]?.n, 5000)
})

test('a grant that allows writing writes', { skip }, async () => {
  const url = await granted('clerk-agents')
  const answer = await psql(url, "begin; update orders set note = 'seen' where id = 7; commit")
  assert.equal(answer.status, 0, answer.stderr)
  assert.equal((await orders.run('orders', 'select note from orders where id = 7')).rows[0]?.note, 'seen')
})

for (const mode of ['simple', 'extended', 'prepared'])
  test(`pgbench runs in ${mode} mode, several clients at once, without a failed transaction`, {
    skip,
  }, async () => {
    const script = join(gateway.dir, 'read.sql')
    await writeFile(
      script,
      '\\set aid random(1, 100000)\nselect abalance from pgbench_accounts where aid = :aid;\n',
    )
    const answer = await pgbench(await granted('analyst-agents'), [
      '-M',
      mode,
      '-c',
      '4',
      '-j',
      '2',
      '-t',
      '200',
      '-f',
      script,
    ])
    assert.equal(answer.status, 0, answer.stderr)
    assert.match(answer.stdout, /number of transactions actually processed: 800\/800/)
  })

test('psycopg binds parameters, prepares, streams and pipelines', {
  skip: skip || missing(python3),
}, async () => {
  const answer = await python(
    `
import os, psycopg
with psycopg.connect(os.environ['URL']) as c:
    print(c.execute('select id, total from orders where id = %s', (7,)).fetchone())
    for i in range(7):
        row = c.execute('select id from orders where id = %s', (i + 1,), prepare=True).fetchone()
    print(row)
    with c.cursor() as cur:
        print(sum(1 for _ in cur.stream('select id from orders')))
with psycopg.connect(os.environ['URL']) as c:
    with c.pipeline():
        a = c.execute('select 1')
        b = c.execute('select 2')
        print(a.fetchone(), b.fetchone())
try:
    with psycopg.connect(os.environ['URL'], autocommit=True) as c:
        try:
            c.execute('delete from orders')
        except psycopg.errors.InsufficientPrivilege as e:
            print(e.sqlstate)
        print(c.execute('select 3').fetchone())
except Exception as e:
    print('died', e)
`,
    { env: { URL: await granted('analyst-agents') } },
  )
  assert.equal(answer.stdout, "(7, Decimal('10.50'))\n(7,)\n5000\n(1,) (2,)\n42501\n(3,)\n", answer.stderr)
})
