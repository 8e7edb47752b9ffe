import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { pgUrl, psql } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing, until } from '../fixtures/run.ts'

const skip = missing('psql')
const password = 'minter-password-5f1c'
let home: Home
let okta: FakeOkta
let orders: TestOrders
let gateway: Gateway

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  await orders.run(
    'orders',
    `create role minter login createrole password '${password}';
     grant connect on database orders to minter with grant option;
     grant usage on schema public to minter with grant option;
     grant select on public.orders, public.order_items to minter with grant option`,
  )
  gateway = await startGateway(home, {
    okta,
    env: { MINTER: password },
    connections: `
  orders-minted:
    protocol: postgres
    target: { host: 127.0.0.1, port: ${orders.port}, database: orders, tls: { mode: disable } }
    lease: { minted: true, admin: { user: minter, password: "env:MINTER" } }
`,
    rules: `
  - group: analyst-agents
    connection: orders-minted
    ttl: 10m
    scope: { statements: [select], tables: [public.orders], functions: [pg_catalog.pg_sleep], max_rows: 10 }
  - { id: too-much, group: greedy-agents, connection: orders-minted, ttl: 10m, scope: { statements: [select], tables: [public.customers] } }
`,
  })
})
after(() => home?.close())

const roles = async (): Promise<string[]> =>
  (await orders.run('orders', "select rolname from pg_roles where rolname like 'postern%'")).rows.map(
    row => row.rolname,
  )

async function granted(groups: string[] = ['analyst-agents']) {
  const token = okta.token({ groups })
  const answer = await gateway.grant(token, 'orders-minted')
  assert.equal(answer.status, 201, answer.text)
  return { token, id: answer.json.id as string, url: pgUrl(gateway, answer.json) }
}

async function audited(type: string): Promise<Record<string, unknown>[]> {
  const files = (await gateway.dataFiles()).filter(
    file => file.includes('/audit/') && file.endsWith('.jsonl'),
  )
  const lines = (await Promise.all(files.map(file => readFile(file, 'utf8')))).join('').split('\n')
  return lines
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
    .filter(line => line.type === type)
}

test('each session has a role of its own, which may read what the scope says, and is gone after', {
  skip,
}, async () => {
  const { url } = await granted()
  const first = await psql(url, 'select current_user, count(*) from orders')
  assert.match(first.stdout, /^postern_s_\w+\|5000\n$/, first.stderr)
  const second = await psql(url, 'select current_user')
  assert.notEqual(second.stdout.split('|')[0], first.stdout.split('|')[0])
  await until('no role is left', async () => (await roles()).length === 0)
})

test('one-shots run as a role of their own too, and it goes with the grant', { skip }, async () => {
  const { id, token } = await granted()
  const ask = async (statement: string) =>
    (await gateway.api('POST', `/v1/grants/${id}/query`, token, { statement })).json
  const { rows } = await ask('select current_user, count(*) from orders')
  assert.match(String(rows[0][0]), /^postern_s_\w+$/)
  assert.deepEqual((await ask('select current_user')).rows, [[rows[0][0]]])
  assert.deepEqual(await roles(), [rows[0][0]])
  assert.equal((await gateway.api('DELETE', `/v1/grants/${id}`, token)).status, 204)
  await until('no role is left', async () => (await roles()).length === 0)
})

test('a cut session takes its role along, and what the role was running', { skip }, async () => {
  const { url, id, token } = await granted()
  const client = psql(url, 'select pg_sleep(600)')
  await until(
    'it runs',
    async () =>
      (
        await orders.run(
          'orders',
          "select 1 from pg_stat_activity where query like '%pg_sleep(600)%' and usename like 'postern%'",
        )
      ).rows.length > 0,
  )
  assert.equal((await gateway.api('DELETE', `/v1/grants/${id}`, token)).status, 204)
  assert.notEqual((await client).status, 0)
  await until('no role is left', async () => (await roles()).length === 0)
  assert.deepEqual(
    (await orders.run('orders', "select 1 from pg_stat_activity where usename like 'postern%'")).rows,
    [],
  )
})

test('a role that cannot be given all of the scope opens no session; the audit says what is missing, the client nothing', {
  skip,
}, async () => {
  const { url } = await granted(['greedy-agents'])
  const answer = await psql(url, 'select 1')
  assert.match(answer.stderr, /could not be prepared for this session/)
  assert.doesNotMatch(answer.stderr, /minter|customers/)
  const refused = await until('it is audited', async () => (await audited('session.refused')).at(-1))
  assert.equal(refused['reason'], 'upstream_refused')
  assert.match(String(refused['detail']), /customers/)
  assert.deepEqual(await roles(), [])
})

test("what kill -9 leaves is swept at the next start, and no other gateway's", { skip }, async () => {
  await orders.run(
    'orders',
    "create role postern_s_theirs; comment on role postern_s_theirs is 'postern other orders'",
  )
  const { url } = await granted()
  const client = psql(url, 'select pg_sleep(600)')
  await until('it runs', async () => (await roles()).length === 2)
  await gateway.kill9()
  await client
  assert.equal((await roles()).length, 2)
  await gateway.start()
  await until('it is swept', async () => (await roles()).length === 1)
  assert.deepEqual(await roles(), ['postern_s_theirs'])
})

test("neither the admin's password nor a role's is in anything the gateway has written", {
  skip,
}, async () => {
  const { url } = await granted()
  assert.equal((await psql(url, 'select 1')).status, 0)
  for (const file of await gateway.dataFiles())
    assert.ok(!(await readFile(file, 'latin1')).includes(password), file)
  assert.ok(!(await gateway.log()).includes(password))
})
