/** Invariant 9 and attacks 49, 205, 213: a reload is taken whole or not at all, cuts what is no longer given, and widens nothing. */
import assert from 'node:assert/strict'
import { appendFile, chmod, readFile, writeFile } from 'node:fs/promises'
import { after, before, beforeEach, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { pgUrl, psql } from '../fixtures/clients.ts'
import { type Answer, type Gateway, type Setting, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing, type Ran, until } from '../fixtures/run.ts'

const skip = missing('psql')
let home: Home
let okta: FakeOkta
let orders: TestOrders
let setting: Setting
let gateway: Gateway

const rule = (scope: string, more = ''): string =>
  `  - { id: readers, group: analyst-agents, connection: orders-db, ttl: 10m, ${more}scope: { statements: [select], functions: [pg_catalog.pg_sleep], ${scope} } }`
const usual = rule('tables: [public.orders, public.customers]')

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  setting = { okta, postgres: orders, rules: usual }
  gateway = await startGateway(home, setting)
})
after(() => home?.close())
beforeEach(async () => {
  if (skip) return
  await reload(usual)
})

type Event = Readonly<Record<string, unknown>>
async function events(type: string): Promise<Event[]> {
  const answer = await gateway.api(
    'GET',
    `/v1/audit?limit=100&type=${type}`,
    okta.person(['postern-auditors']),
  )
  return answer.json
}
const loads = async (): Promise<number> =>
  (await events('config.loaded')).length + (await events('config.refused')).length

/** SIGHUP, and waits until the gateway has said yes or no to it. */
async function hup(): Promise<void> {
  const before = await loads()
  gateway.signal('SIGHUP')
  await until('the reload is audited', async () => (await loads()) > before)
}
async function reload(rules: string, more: Partial<Setting> = {}): Promise<void> {
  await gateway.configure({ ...setting, rules, ...more })
  await hup()
}
const token = (): string => okta.token({ groups: ['analyst-agents'] })
async function granted(): Promise<Answer['json']> {
  const answer = await gateway.grant(token(), 'orders-db')
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}
async function sleeping(grant: Answer['json']): Promise<Promise<Ran>[]> {
  const client = psql(pgUrl(gateway, grant), 'select pg_sleep(600)')
  await until('it sleeps upstream', async () =>
    (await orders.activity()).some(one => one.query.includes('pg_sleep')),
  )
  return [client]
}
const idle = (): Promise<boolean> =>
  until('nothing runs upstream', async () => (await orders.activity()).length === 0, 3000)

test('C205: a file that is invalid, half-written or open to others changes nothing, and the audit says why', {
  skip,
}, async () => {
  const grant = await granted()
  const good = await readFile(gateway.configFile, 'utf8')
  const broken = [
    good.slice(0, good.length - 40),
    `${good}\nrules: []\n`,
    good.replace('orders-db, ttl', 'no-such-db, ttl'),
    good.replace('ttl: 10m', 'ttl: 99h'),
    `${good}\nunknown_key: 1\n`,
    '',
    '\t{',
    good.replace('group: analyst-agents', 'group: "*"'),
    good.replace(/listen: .*/, 'listen: { http: "127.0.0.1:1" }'),
    good.replace('data: ./data', 'data: ./other'),
  ]
  for (const text of broken) {
    const before = (await events('config.refused')).length
    await writeFile(gateway.configFile, text)
    await hup()
    assert.equal((await events('config.refused')).length, before + 1, text.slice(0, 80))
    assert.equal((await psql(pgUrl(gateway, grant), 'select 1')).stdout, '1\n')
  }
  await writeFile(gateway.configFile, good)
  await chmod(gateway.configFile, 0o666)
  const before = (await events('config.refused')).length
  await hup()
  assert.equal((await events('config.refused')).length, before + 1)
  await chmod(gateway.configFile, 0o600)
  const [refused] = await events('config.refused')
  assert.match(String(refused?.['detail']), /postern\.yaml/)
  assert.equal((await granted()).state, 'active')
})

for (const [name, rules] of Object.entries({
  'a rule that is gone':
    '  - { id: others, group: other-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders] } }',
  'a narrower scope': rule('tables: [public.orders]'),
  'a new mask': rule(
    'tables: [public.orders, public.customers], mask: [{ column: public.customers.ssn, with: full }]',
  ),
  'a smaller max_rows': rule('tables: [public.orders, public.customers], max_rows: 1'),
  'another group': usual.replace('group: analyst-agents', 'group: other-agents'),
  'another client': usual.replace('ttl: 10m,', 'ttl: 10m, when: { clients: [0oaOther] },'),
  'an approval that is now needed': rule(
    'tables: [public.orders, public.customers]',
    'approval: { group: dba, count: 1, within: 5m }, ',
  ),
}))
  test(`I9, C49, N213: ${name} cuts the running session and kills the grant for good`, { skip }, async () => {
    const grant = await granted()
    const [client] = await sleeping(grant)
    await reload(rules)
    assert.match((await client)?.stderr ?? '', /FATAL: {2}57P01/)
    await idle()
    assert.notEqual((await psql(pgUrl(gateway, grant), 'select 1')).status, 0)
    await reload(usual)
    assert.notEqual(
      (await psql(pgUrl(gateway, grant), 'select 1')).status,
      0,
      'the grant came back with the rule',
    )
    assert.equal((await gateway.api('GET', `/v1/grants/${grant.id}`, token())).json.state, 'revoked')
  })

test('I9: a reload that changes nothing for a grant, or gives more, leaves its session as it was', {
  skip,
}, async () => {
  await reload(rule('tables: [public.orders]'))
  const grant = await granted()
  const [client] = await sleeping(grant)
  await appendFile(gateway.configFile, '\n# a comment\n')
  await hup()
  await reload(usual)
  assert.ok((await orders.activity()).some(one => one.query.includes('pg_sleep')))
  const wider = await psql(pgUrl(gateway, grant), 'select count(*) from customers')
  assert.match(wider.stderr, /42501/, 'the old grant was widened')
  assert.equal(
    (await psql(pgUrl(gateway, await granted()), 'select count(*) from customers')).stdout,
    '500\n',
  )
  assert.equal((await gateway.api('DELETE', `/v1/grants/${grant.id}`, token())).status, 204)
  await client
})

test('C49: rules that go away while clients are coming in leave no session upstream', { skip }, async () => {
  for (let round = 0; round < 6; round++) {
    const grants = await Promise.all(Array.from({ length: 4 }, granted))
    const clients = grants.map(grant => psql(pgUrl(gateway, grant), 'select pg_sleep(600)'))
    await new Promise(done => setTimeout(done, round * 25))
    await reload(
      '  - { id: others, group: other-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders] } }',
    )
    for (const client of await Promise.all(clients)) assert.notEqual(client.status, 0)
    await idle()
    await reload(usual)
  }
})

test('a variable that is not set is told in the log, at a reload as at a start, and stops neither', {
  skip,
}, async () => {
  const more = (name: string) => ({
    connections: `  other-db:
    protocol: postgres
    target: { host: 127.0.0.1, port: ${orders.port}, database: orders, tls: { mode: disable } }
    lease: { user: app_ro, password: "env:${name}" }
`,
  })
  const told = (name: string) =>
    until(`${name} is told`, async () =>
      (await gateway.log()).includes(`connections.other-db.lease.password: the variable ${name} is not set`),
    )
  await reload(usual, more('UNSET_AT_RELOAD'))
  await told('UNSET_AT_RELOAD')
  assert.equal((await gateway.grant(token(), 'orders-db')).status, 201)
  await gateway.stop()
  await gateway.configure({ ...setting, rules: usual, ...more('UNSET_AT_START') })
  await gateway.start()
  await told('UNSET_AT_START')
  assert.equal((await gateway.grant(token(), 'orders-db')).status, 201)
  // A set one is not told of.
  assert.ok(!(await gateway.log()).includes('ORDERS_PASSWORD'))
})
