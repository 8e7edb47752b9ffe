import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { newKey, pgUrl, psql, ssh } from '../fixtures/clients.ts'
import { type Gateway, type Setting, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing, type Ran, until } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'

/** Invariant 6: cut within a second. What is asked here is looked for every 50 ms, on a machine that is busy testing. */
const promised = 2000

const skip = missing('psql', '/usr/sbin/sshd', 'ssh')
let home: Home
let okta: FakeOkta
let orders: TestOrders
let setting: Setting
let gateway: Gateway

const rules = `
  - group: analyst-agents
    connection: orders-db
    ttl: 10m
    scope: { statements: [select], tables: [public.orders], functions: [pg_catalog.pg_sleep] }
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { shell: true, exec: ["*"] } }
`

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  setting = { okta, postgres: orders, sshd: await startSshd(home), rules }
  gateway = await startGateway(home, setting)
})
after(() => home?.close())

interface Running {
  readonly id: string
  readonly expiresAt: string
  readonly token: string
  readonly client: Promise<Ran>
  /** Whether it still runs where the gateway has dialled to. */
  upstream(): Promise<boolean>
}

async function runningQuery(ttl = '10m'): Promise<Running> {
  const token = okta.token({ groups: ['analyst-agents'] })
  const grant = (await gateway.grant(token, 'orders-db', { ttl })).json
  const client = psql(pgUrl(gateway, grant), 'select pg_sleep(600)')
  const upstream = async (): Promise<boolean> =>
    (await orders.activity()).some(s => s.query.includes('pg_sleep(600)'))
  await until('the query runs upstream', upstream)
  return { id: grant.id, expiresAt: grant.expires_at, token, client, upstream }
}

/** Told apart from the sleeping of anybody else on this machine. */
let mark = 0
async function runningCommand(ttl = '10m'): Promise<Running> {
  const token = okta.token({ groups: ['sre-agents'] })
  const key = await newKey(home)
  const grant = (await gateway.grant(token, 'web-1', { ttl, public_key: key.public })).json
  const seconds = `7${process.pid}.${++mark}`
  const client = ssh(gateway, grant, key, [`exec sleep ${seconds}`])
  const upstream = async (): Promise<boolean> => commandLines().includes(`sleep ${seconds}`)
  await until('the command runs on the host', upstream)
  return { id: grant.id, expiresAt: grant.expires_at, token, client, upstream }
}

function commandLines(): string[] {
  return globSync('/proc/[0-9]*/cmdline').map(path => {
    try {
      return readFileSync(path, 'utf8').replaceAll('\0', ' ').trim()
    } catch {
      return ''
    }
  })
}

const gone = (session: Running): Promise<boolean> =>
  until('what ran upstream is gone', async () => !(await session.upstream()), promised)

async function sessionOf(grant: string): Promise<string> {
  const sessions = (await gateway.api('GET', '/v1/sessions', okta.person(['postern-auditors']))).json
  const list: { id: string; grant: string }[] = Array.isArray(sessions) ? sessions : sessions.sessions
  return list.find(s => s.grant === grant)?.id ?? ''
}

const cuts: Record<string, (session: Running) => Promise<void>> = {
  'its owner gives the grant back': async ({ id, token }) => {
    assert.equal((await gateway.api('DELETE', `/v1/grants/${id}`, token)).status, 204)
  },
  'an operator cuts the session': async ({ id }) => {
    const session = await sessionOf(id)
    const answer = await gateway.api('DELETE', `/v1/sessions/${session}`, okta.person(['postern-operators']))
    assert.equal(answer.status, 204, answer.text)
  },
  'a reload takes the rule away': async () => {
    await gateway.configure({
      ...setting,
      rules: '  - { group: nobody, connection: web-1, ttl: 1m, scope: { shell: true } }',
    })
    gateway.signal('SIGHUP')
  },
}

for (const [when, cut] of Object.entries(cuts)) {
  test(`a running query is gone from the server when ${when}, and psql is told why`, { skip }, async t => {
    const session = await runningQuery()
    t.after(restored)
    await cut(session)
    await gone(session)
    assert.match((await session.client).stderr, /FATAL: {2}57P01/)
  })
  test(`a running command is gone from the host when ${when}`, { skip }, async t => {
    const session = await runningCommand()
    t.after(restored)
    await cut(session)
    await gone(session)
    assert.notEqual((await session.client).status, 0)
  })
}

/** The rules as they were, for the next test. */
async function restored(): Promise<void> {
  await gateway.configure(setting)
  gateway.signal('SIGHUP')
  await until('the rules are back', async () => {
    const answer = await gateway.api(
      'GET',
      '/v1/connections',
      okta.token({ groups: ['analyst-agents', 'sre-agents'] }),
    )
    return answer.json?.length === 2
  })
}

test('at expiry a running query and a running command are gone, and say so', { skip }, async () => {
  const [query, command] = [await runningQuery('3s'), await runningCommand('3s')]
  const told = (id: string) =>
    new RegExp(`postern: grant ${id} expired; session ended: it expired at 20.*Z \\(.*3s`)
  assert.match((await query.client).stderr, /FATAL: {2}57P01/)
  assert.match((await query.client).stderr, told(query.id))
  const ran = await command.client
  assert.notEqual(ran.status, 0)
  assert.match(ran.stderr, told(command.id))
  await Promise.all([gone(query), gone(command)])
  for (const { id, expiresAt } of [query, command]) {
    const late = Date.parse(await cutAt(id)) - Date.parse(expiresAt)
    assert.ok(late >= 0 && late < promised, `${late} ms`)
  }
})

/** By the gateway's own clock, once its audit says so. */
async function cutAt(grant: string): Promise<string> {
  return until('the cut is on record', async () => {
    const files = (await gateway.dataFiles()).filter(file => /\/audit\/.*\.jsonl$/.test(file))
    const lines = files.flatMap(file => readFileSync(file, 'utf8').split('\n').filter(Boolean))
    return lines.map(line => JSON.parse(line)).find(one => one.type === 'session.cut' && one.grant === grant)
      ?.time
  })
}

test('at SIGTERM the gateway drains: sessions are cut, what ran upstream is gone, it exits zero', {
  skip,
}, async () => {
  const [query, command] = [await runningQuery(), await runningCommand()]
  const stopped = gateway.stop('SIGTERM')
  assert.match((await query.client).stderr, /FATAL: {2}57P01/)
  await Promise.all([gone(query), gone(command)])
  assert.equal(await stopped, 0)
  await gateway.start()
})
