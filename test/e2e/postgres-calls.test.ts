/** One-shots over the API, against a real PostgreSQL: the shapes of DESIGN.md section 6, the recording, the cut. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'

let home: Home
let okta: FakeOkta
let orders: TestOrders
let gateway: Gateway

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  gateway = await startGateway(home, {
    okta,
    postgres: orders,
    rules: `
  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders], functions: [pg_catalog.pg_sleep], max_rows: 5, mask: [{ column: public.orders.email, with: full }] } }
`,
  })
})
after(() => home.close())

async function granted(): Promise<{ token: string; id: string }> {
  const token = okta.token({ groups: ['analyst-agents'] })
  const grant = await gateway.grant(token, 'orders-db')
  assert.equal(grant.status, 201, grant.text)
  return { token, id: grant.json.id }
}
const query = (at: { token: string; id: string }, body: unknown) =>
  gateway.api('POST', `/v1/grants/${at.id}/query`, at.token, body)

test('query answers columns, rows, count and whether it was cut, masked and recorded', async () => {
  const at = await granted()
  const answer = await query(at, {
    statement: 'select id, email from orders where id > $1 order by id',
    parameters: [0],
  })
  assert.equal(answer.status, 200, answer.text)
  assert.deepEqual(
    answer.json.columns.map((column: { name: string }) => column.name),
    ['id', 'email'],
  )
  assert.deepEqual([answer.json.rows.length, answer.json.row_count, answer.json.truncated], [5, 5, true])
  assert.ok(answer.json.rows.every(([, email]: [unknown, string]) => email === '***'))
  // The same session serves the next call of the grant.
  assert.deepEqual((await query(at, { statement: 'select 1 as one' })).json.rows, [[1]])
  await gateway.api('DELETE', `/v1/grants/${at.id}`, at.token)
  const files = (await gateway.dataFiles()).filter(file => file.endsWith('session.jsonl'))
  const recordings = await Promise.all(files.map(file => readFile(file, 'utf8')))
  const [recording = ''] = recordings.filter(text => text.includes(at.id))
  assert.match(recording, /select id, email from orders where id > \$1/)
  assert.match(recording, /"truncated":true/)
  assert.equal(recordings.filter(text => text.includes(at.id)).length, 1)
  const verified = await gateway.cli([
    'audit',
    'verify',
    '--data',
    join(gateway.dir, 'data'),
    '--key',
    join(gateway.dir, 'data/keys/audit.pub.pem'),
  ])
  assert.equal(verified.status, 0, verified.stdout + verified.stderr)
})

test("a refusal is problem+json with the guard's words, the database's own error with its SQLSTATE", async () => {
  const at = await granted()
  const barred = await query(at, { statement: 'delete from orders' })
  assert.deepEqual([barred.status, barred.json.code], [403, 'statement_refused'])
  assert.match(barred.json.detail, /delete on public\.orders is not permitted; this grant allows/)
  const unread = await query(at, { statement: 'selec 1' })
  assert.deepEqual([unread.status, unread.json.code], [403, 'statement_unparsable'])
  const setting = (name: string) => query(at, { statement: 'select current_setting($1)', parameters: [name] })
  assert.deepEqual((await setting('server_encoding')).json.rows, [['UTF8']])
  const hidden = await setting('data_directory')
  assert.deepEqual([hidden.status, hidden.json.code], [403, 'statement_refused'])
  const zero = await query(at, { statement: 'select 1 / 0' })
  assert.deepEqual([zero.status, zero.json.code, zero.json.sqlstate], [422, 'upstream_refused', '22012'])
  const invalid = await query(at, { statement: 'select 1', limit: 3 })
  assert.deepEqual([invalid.status, invalid.json.code], [400, 'request_invalid'])
  const stranger = await gateway.api(
    'POST',
    `/v1/grants/${at.id}/query`,
    okta.token({ sub: 'other', uid: 'other' }),
    {
      statement: 'select 1',
    },
  )
  assert.deepEqual([stranger.status, stranger.json.code], [404, 'grant_unknown'])
})

test('schema shows the tables of the scope and no others', async () => {
  const at = await granted()
  const schema = await gateway.api('GET', `/v1/grants/${at.id}/schema`, at.token)
  assert.equal(schema.status, 200, schema.text)
  assert.deepEqual(
    schema.json.tables.map((table: { name: string }) => table.name),
    ['public.orders'],
  )
  const email = schema.json.tables[0].columns.find((column: { name: string }) => column.name === 'email')
  assert.equal(email.mask, 'full')
})

test('a call that runs when its grant is given back is answered at once', async () => {
  const at = await granted()
  const running = query(at, { statement: 'select pg_sleep(30)' })
  const sleeping = async () => (await orders.activity()).some(({ query }) => /pg_sleep\(30\)/.test(query))
  while (!(await sleeping())) await new Promise(resolve => setTimeout(resolve, 50))
  await gateway.api('DELETE', `/v1/grants/${at.id}`, at.token)
  const answer = await running
  assert.deepEqual([answer.status, answer.json.code], [403, 'grant_revoked'])
  while (await sleeping()) await new Promise(resolve => setTimeout(resolve, 50))
})
