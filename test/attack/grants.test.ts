/** ATTACKS.md section 4.2 over the wire, and the compromised agent: a grant is one owner's, for one connection, and never grows. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { type Home, openHome } from '../../src/demo/home.ts'
import { newKey, pgUrl, psql, python, python3, ssh } from '../fixtures/clients.ts'
import { type Answer, type Gateway, type Setting, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing, run, until } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'
import { ask, assertRefused, audit, send } from './send.ts'

const skip = missing('psql', 'ssh', '/usr/sbin/sshd', 'ssh-keygen')
let home: Home
let okta: FakeOkta
let orders: TestOrders
let setting: Setting
let gateway: Gateway

const rules = `
  - { id: wide, group: wide-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders, public.customers], functions: [pg_catalog.pg_sleep] } }
  - { id: masked, group: masked-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders], mask: [{ column: public.orders.email, with: full }] } }
  - { id: once, group: once-agents, connection: orders-db, ttl: 10m, sessions: { total: 1 }, scope: { statements: [select], tables: [public.orders] } }
  - { id: host, group: sre-agents, connection: web-1, ttl: 10m, scope: { exec: ["*"] } }
  - { id: asked, group: asked-agents, connection: orders-db, ttl: 10m, approval: { group: dba, count: 1, within: 5m }, scope: { statements: [select], tables: [public.orders] } }
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

const agent = (group: string, over: Record<string, unknown> = {}): string =>
  okta.token({ groups: [group], ...over })

async function granted(
  token: string,
  connection = 'orders-db',
  more: Record<string, unknown> = {},
): Promise<Answer['json']> {
  const answer = await gateway.grant(token, connection, more)
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}

/** What a caller can tell from an answer: everything but its own correlation id. */
const visible = ({ status, json, headers }: Answer): string =>
  JSON.stringify([status, { ...json, instance: '' }, headers.get('www-authenticate')])

const operator = (): string => okta.person(['postern-operators'])

test("G43: another's grant cannot be told from one that does not exist, and the audit knows which it was", {
  skip,
}, async () => {
  const mine = await granted(agent('wide-agents'))
  const thieves = [
    agent('wide-agents', { sub: 'thief@example.com' }),
    agent('wide-agents', { cid: '0oaAgent2' }),
    agent('wide-agents', { act: { sub: 'somebody' } }),
    operator(),
  ]
  const unknown = `g_${'0'.repeat(mine.id.length - 2)}`
  for (const thief of thieves)
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/credential'],
    ] as const) {
      const answers = []
      for (const id of [mine.id, unknown])
        answers.push(
          await send(gateway.ports.http, {
            method,
            path: `/v1/grants/${id}${path}`,
            headers: { authorization: `Bearer ${thief}` },
          }),
        )
      const [theirs, none] = answers.map(visible)
      assert.equal(theirs, none)
      assert.equal(answers[0]?.status, 404)
    }
  const lines = await audit(gateway, okta, { grant: mine.id })
  const tries = lines.filter(line => line['reason'] === 'grant_unknown')
  assert.equal(tries.length, thieves.length * 3)
  assert.match(JSON.stringify(tries[0]), /not_yours|another|owner/i)
  assert.equal((await psql(pgUrl(gateway, mine), 'select 1')).stdout, '1\n')
})

test('G44: a credential at the door of another protocol, for another database or for another grant opens nothing', {
  skip,
}, async () => {
  const database = await granted(agent('wide-agents'))
  const host = await granted(agent('sre-agents'), 'web-1')
  const crossed = { id: host.id, credential: host.credential }
  assert.match(
    (await psql(pgUrl(gateway, crossed), 'select 1')).stderr,
    /password authentication failed|28P01/,
  )
  const other = await psql(pgUrl(gateway, database).replace('/orders?', '/postgres?'), 'select 1')
  assert.notEqual(other.status, 0)
  assert.match(other.stderr, /FATAL/)
  const mixed = { id: database.id, credential: { username: database.id, password: host.credential.password } }
  assert.match((await psql(pgUrl(gateway, mixed), 'select 1')).stderr, /password authentication failed|28P01/)
  const lines = await audit(gateway, okta, { type: 'door.refused' })
  assert.ok(lines.length >= 2, JSON.stringify(lines))
  assert.equal((await psql(pgUrl(gateway, database), 'select 1')).stdout, '1\n')
})

test('G44: a database credential at the SSH door is refused like any bad password', {
  skip: skip || missing(python3),
}, async () => {
  const database = await granted(agent('wide-agents'))
  const host = await granted(agent('sre-agents'), 'web-1')
  const tries = [
    [database.id, database.credential.password],
    [host.id, 'pst_wrong'],
    ['g_nobody', 'pst_wrong'],
    ['root', 'root'],
  ]
  const answer = await python(
    `
import json, os, paramiko
for user, password in json.loads(os.environ['TRIES']):
    t = paramiko.Transport(('127.0.0.1', int(os.environ['PORT'])))
    t.start_client(timeout=10)
    try:
        t.auth_password(user, password)
        print('IN')
    except paramiko.AuthenticationException as e:
        print(type(e).__name__, e)
    t.close()
`,
    { env: { TRIES: JSON.stringify(tries), PORT: String(gateway.ports.ssh) } },
  )
  const said = answer.stdout.trim().split('\n')
  assert.equal(said.length, 4, answer.stderr)
  assert.deepEqual([...new Set(said)].length, 1, answer.stdout)
  assert.doesNotMatch(answer.stdout, /IN/)
})

test('G45: a credential is dead after its grant was given back, revoked by a lock, or has expired; also after a restart', {
  skip,
}, async () => {
  const token = agent('wide-agents', { sub: 'dead@example.com' })
  const [back, locked] = [await granted(token), await granted(token)]
  const owner = agent('wide-agents', { sub: 'late@example.com' })
  const late = await granted(owner, 'orders-db', { ttl: '1s' })
  const alive = await granted(agent('wide-agents', { sub: 'alive@example.com' }))
  assert.equal((await gateway.api('DELETE', `/v1/grants/${back.id}`, token)).status, 204)
  const lock = await gateway.api('POST', '/v1/locks', operator(), {
    subject: 'dead@example.com',
    reason: 'a test',
  })
  assert.equal(lock.status, 201, lock.text)
  assert.equal((await gateway.grant(token, 'orders-db')).json.code, 'locked')
  assert.equal((await gateway.api('DELETE', `/v1/locks/${lock.json.id}`, operator())).status, 204)
  await until('the short grant has expired', () => Date.parse(late.expires_at) < Date.now())
  const dead = async (): Promise<void> => {
    for (const grant of [back, locked, late]) {
      const answer = await psql(pgUrl(gateway, grant), 'select 1')
      assert.equal(answer.stdout, '')
      assert.match(answer.stderr, /FATAL/)
    }
  }
  await dead()
  await gateway.kill9()
  await gateway.start()
  await dead()
  assert.equal((await psql(pgUrl(gateway, alive), 'select 1')).stdout, '1\n')
  const states = await Promise.all(
    [
      [back, token],
      [locked, token],
      [late, owner],
    ].map(([grant, by]) => gateway.api('GET', `/v1/grants/${grant.id}`, by)),
  )
  assert.deepEqual(
    states.map(answer => answer.json.state),
    ['ended', 'revoked', 'expired'],
  )
})

test('G45: a renewed password is the only one that opens', { skip }, async () => {
  const token = agent('wide-agents')
  const old = await granted(token)
  const renewed = await gateway.api('POST', `/v1/grants/${old.id}/credential`, token)
  assert.equal(renewed.status, 200, renewed.text)
  assert.notEqual((await psql(pgUrl(gateway, old), 'select 1')).status, 0)
  assert.equal(
    (await psql(pgUrl(gateway, { id: old.id, credential: renewed.json }), 'select 1')).stdout,
    '1\n',
  )
  const look = await gateway.api('GET', `/v1/grants/${old.id}`, token)
  assert.ok(!look.text.includes(renewed.json.password) && !look.text.includes('pst_'))
})

test('G46: guessing is slowed by address and never locks the owner out', { skip }, async () => {
  const grant = await granted(agent('wide-agents'))
  const url = pgUrl(gateway, { ...grant, credential: { username: grant.id, password: 'pst_guess' } })
  const guesses = await Promise.all(Array.from({ length: 12 }, () => psql(url, 'select 1')))
  assert.ok(guesses.every(guess => /28P01|password authentication failed/.test(guess.stderr)))
  assert.equal((await psql(pgUrl(gateway, grant), 'select 1')).stdout, '1\n')
})

test('G48, G223: of many who redeem a one-use grant at once exactly one gets in, and it stays used after a crash', {
  skip,
}, async () => {
  const grant = await granted(agent('once-agents'))
  const all = await Promise.all(Array.from({ length: 8 }, () => psql(pgUrl(gateway, grant), 'select 1')))
  assert.equal(all.filter(one => one.stdout === '1\n').length, 1, JSON.stringify(all))
  await gateway.kill9()
  await gateway.start()
  assert.notEqual((await psql(pgUrl(gateway, grant), 'select 1')).status, 0)
})

test('G47, G63: a grant given back at the moment it is used leaves no session behind', { skip }, async () => {
  for (let round = 0; round < 15; round++) {
    const token = agent('wide-agents')
    const grant = await granted(token)
    const client = psql(pgUrl(gateway, grant), 'select pg_sleep(600)', [], { timeout: 20_000 })
    await new Promise(done => setTimeout(done, (round * 13) % 90))
    assert.equal((await gateway.api('DELETE', `/v1/grants/${grant.id}`, token)).status, 204)
    assert.notEqual((await client).status, null, 'psql had to be killed')
  }
  await until(
    'nothing is left upstream',
    async () => (await orders.activity()).every(one => !one.query.includes('pg_sleep')),
    3000,
  )
})

test('G50: a ttl that is no duration is refused, one above the rule is cut to it', { skip }, async () => {
  const token = agent('wide-agents')
  const odd = [
    '-1s',
    '0s',
    '0',
    'NaN',
    '1e999',
    'Infinity',
    '10',
    '10m\n',
    '٣m',
    ' 10m',
    '10 m',
    '1.5m',
    '',
    10,
    null,
    {},
    ['10m'],
    true,
    `${'9'.repeat(400)}d`,
  ]
  for (const ttl of odd)
    await assertRefused(
      { gateway, okta },
      from => ask(gateway, `Bearer ${token}`, { connection: 'orders-db', ttl }, { from }),
      { status: 400, code: 'request_invalid' },
    )
  for (const ttl of ['99999d', '11m', '8h', '25d']) {
    const grant = await granted(token, 'orders-db', { ttl })
    assert.ok(Date.parse(grant.expires_at) - Date.parse(grant.issued_at) <= 600_000)
    assert.equal(grant.ends_by, 'rule')
    assert.equal(grant.state, 'active')
  }
})

test('G51: a grant ends with the token it was asked for with, nothing added', { skip }, async () => {
  const exp = Math.floor(Date.now() / 1000) + 4
  const grant = await granted(agent('wide-agents', { exp }))
  assert.equal(Date.parse(grant.expires_at), exp * 1000)
  assert.equal(grant.ends_by, 'token')
  const client = await psql(pgUrl(gateway, grant), 'select pg_sleep(600)')
  assert.match(client.stderr, /57P01/)
  assert.ok(Date.now() >= exp * 1000)
})

test('G52, G53: a scope wider than the rule is narrowed; an unknown key is refused; an empty list is nothing', {
  skip,
}, async () => {
  const token = agent('wide-agents')
  const wider = await granted(token, 'orders-db', {
    scope: { statements: ['select', 'insert', 'delete'], tables: ['public.orders', 'hr.salaries'] },
  })
  const answer = await psql(pgUrl(gateway, wider), 'select amount from hr.salaries')
  assert.match(answer.stderr, /42501/)
  assert.match((await psql(pgUrl(gateway, wider), 'select name from customers limit 1')).stderr, /42501/)
  assert.match((await psql(pgUrl(gateway, wider), 'delete from orders')).stderr, /42501/)
  assert.equal((await psql(pgUrl(gateway, wider), 'select count(*) from orders')).stdout, '5000\n')
  const all = JSON.parse('{"connection":"orders-db","scope":{}}')
  assert.equal((await ask(gateway, `Bearer ${token}`, all)).status, 201)
  const narrow = agent('masked-agents')
  const refused = (scope: string, code: string, status: number): Promise<void> =>
    assertRefused(
      { gateway, okta },
      from =>
        ask(gateway, `Bearer ${narrow}`, `{"connection":"orders-db","rule":"masked","scope":${scope}}`, {
          from,
        }),
      { status, code },
    )
  for (const scope of [
    '{"tables":[]}',
    '{"tables":["hr.salaries"]}',
    '{"statements":[]}',
    '{"statements":["delete"]}',
  ])
    await refused(scope, 'scope_empty', 403)
  for (const scope of [
    'null',
    '[]',
    '"*"',
    '7',
    '{"table":["public.orders"]}',
    '{"tables":"public.orders"}',
    '{"tables":["*"]}',
    '{"statements":["SELECT "]}',
    '{"__proto__":{"tables":["hr.salaries"]}}',
    '{"constructor":{}}',
    '{"shell":true}',
    '{"max_rows":-1}',
    '{"max_rows":1e400}',
    '{"tables":null}',
  ])
    await refused(scope, 'request_invalid', 400)
})

test("G54: another group's rule, an unknown one or two of them give nothing", { skip }, async () => {
  for (const rule of ['masked', 'no-such-rule', '__proto__', 'wide,masked'])
    await assertRefused(
      { gateway, okta },
      from => ask(gateway, `Bearer ${agent('wide-agents')}`, { connection: 'orders-db', rule }, { from }),
      { status: 403, code: 'not_permitted' },
    )
  for (const rule of [['wide', 'masked'], {}, 7, ''])
    await assertRefused(
      { gateway, okta },
      from => ask(gateway, `Bearer ${agent('wide-agents')}`, { connection: 'orders-db', rule }, { from }),
      { status: 400, code: 'request_invalid' },
    )
})

test('G55: two rules for one connection are never united: the one that was chosen holds whole', {
  skip,
}, async () => {
  const token = okta.token({ groups: ['wide-agents', 'masked-agents'] })
  const masked = await granted(token, 'orders-db', { rule: 'masked' })
  assert.equal((await psql(pgUrl(gateway, masked), 'select email from orders where id = 1')).stdout, '***\n')
  assert.match((await psql(pgUrl(gateway, masked), 'select name from customers limit 1')).stderr, /42501/)
  const first = await granted(token)
  assert.equal(first.rule, 'wide')
})

test('G56, G57: whatever is no name of a connection, and names that do not exist or are not for this group, look alike', {
  skip,
}, async () => {
  const token = agent('masked-agents')
  const said = []
  for (const connection of ['web-1', 'web-2', 'billing', 'g-1'])
    said.push(visible(await ask(gateway, `Bearer ${token}`, { connection })).replaceAll(connection, 'NAME'))
  assert.equal(new Set(said).size, 1, said.join('\n'))
  assert.ok(said[0]?.includes('not_permitted'))
  for (const connection of [
    '*',
    'orders-db,web-1',
    ['orders-db'],
    'Orders-DB',
    'orders-db\u0000',
    '../web-1',
    'orders-db ',
    '',
    null,
    7,
    {},
  ])
    await assertRefused(
      { gateway, okta },
      from => ask(gateway, `Bearer ${token}`, { connection }, { from }),
      { status: 400, code: 'request_invalid' },
    )
  const details = (await audit(gateway, okta, { reason: 'not_permitted' })).map(line => line['detail'])
  assert.ok(new Set(details).size > 1, 'the audit can tell them apart')
})

test('G58, N214: a pending grant opens nothing, its asker cannot approve it, and it shows no password', {
  skip,
}, async () => {
  const token = agent('asked-agents')
  const asked = await gateway.grant(token, 'orders-db')
  assert.equal(asked.status, 202, asked.text)
  assert.equal(asked.json.state, 'pending')
  assert.equal(asked.json.credential, undefined)
  assert.ok(!asked.text.includes('pst_'))
  assert.ok(asked.headers.get('location')?.endsWith(asked.json.id))
  const decision = { decision: 'approve' }
  for (const caller of [token, agent('dba'), okta.person(['dba'], { sub: 'agent-7@example.com' })]) {
    const answer = await gateway.api('POST', `/v1/approvals/${asked.json.id}`, caller, decision)
    assert.ok(answer.status >= 400, answer.text)
  }
  const credential = await gateway.api('POST', `/v1/grants/${asked.json.id}/credential`, token)
  if (credential.status === 200) {
    const opened = await psql(pgUrl(gateway, { id: asked.json.id, credential: credential.json }), 'select 1')
    assert.equal(opened.stdout, '')
  }
  assert.equal((await gateway.api('GET', `/v1/grants/${asked.json.id}`, token)).json.state, 'pending')
})

test('G62: what is not one plain strong public key is refused as public_key', { skip }, async () => {
  const token = agent('sre-agents')
  const key = await newKey(home)
  const file = `${home.dir}/weak`
  await run('ssh-keygen', ['-q', '-t', 'rsa', '-b', '1024', '-N', '', '-f', file])
  const { readFile } = await import('node:fs/promises')
  const weak = (await readFile(`${file}.pub`, 'utf8')).trim()
  const pem = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })
  const odd = [
    `cert-authority ${key.public}`,
    `command="id" ${key.public}`,
    `${key.public}\n${key.public}`,
    weak,
    String(pem),
    'ssh-ed25519',
    'ssh-ed25519 AAAA',
    `${key.public.replace('ssh-ed25519', 'ssh-rsa')}`,
    'ssh-dss AAAAB3NzaC1kc3MAAACB',
    '',
    7,
    [key.public],
    `${key.public} ${'x'.repeat(20_000)}`,
  ]
  for (const public_key of odd)
    await assertRefused(
      { gateway, okta },
      from => ask(gateway, `Bearer ${token}`, { connection: 'web-1', public_key }, { from }),
      { status: 400, code: 'request_invalid' },
    )
  await assertRefused(
    { gateway, okta },
    from =>
      ask(
        gateway,
        `Bearer ${agent('wide-agents')}`,
        { connection: 'orders-db', public_key: key.public },
        { from },
      ),
    { status: 400, code: 'request_invalid' },
  )
})

test('G62: a key opens the grant it was given for and no other, and buys no password', { skip }, async () => {
  const [mine, theirs] = [await newKey(home), await newKey(home)]
  const grant = await granted(agent('sre-agents'), 'web-1', { public_key: mine.public })
  assert.equal(grant.credential.password, undefined)
  assert.equal((await ssh(gateway, grant, mine, ['echo in'])).stdout, 'in\n')
  assert.notEqual((await ssh(gateway, grant, theirs, ['echo in'])).status, 0)
  const renewed = await gateway.api('POST', `/v1/grants/${grant.id}/credential`, agent('sre-agents'))
  assert.notEqual(renewed.status, 200, 'a key grant gave a password')
})

test('G64: a grant password is no bearer token, and a token is no database password', { skip }, async () => {
  const token = agent('wide-agents')
  const grant = await granted(token)
  const { password } = grant.credential
  await assertRefused(
    { gateway, okta },
    from => ask(gateway, `Bearer ${password}`, { connection: 'orders-db' }, { from }),
    { status: 401, code: 'token_malformed', secrets: [password] },
  )
  for (const user of ['orders-db', grant.id, 'agent-7@example.com']) {
    const url = pgUrl(gateway, {
      id: user,
      credential: { username: encodeURIComponent(user), password: token },
    })
    const answer = await psql(url, 'select 1')
    assert.equal(answer.stdout, '')
    assert.ok(!answer.stderr.includes(token))
  }
})

test('T42: at the door an unknown grant, a wrong password and another grant are told the same', {
  skip,
}, async () => {
  const grant = await granted(agent('wide-agents'))
  const other = await granted(agent('wide-agents', { sub: 'other@example.com' }))
  const users: [string, string][] = [
    [grant.id, 'pst_wrong'],
    [`g_${'0'.repeat(grant.id.length - 2)}`, 'pst_wrong'],
    ['postgres', 'postgres'],
    [grant.id, other.credential.password],
    [other.id, grant.credential.password],
  ]
  const said = []
  for (const [username, password] of users) {
    const { stderr } = await psql(
      pgUrl(gateway, { id: username, credential: { username, password } }),
      'select 1',
    )
    said.push(stderr.replaceAll(username, 'USER'))
  }
  assert.equal(new Set(said).size, 1, said.join('\n'))
})

test('the compromised agent, who knows the source, widens nothing by anything it can send', {
  skip,
}, async () => {
  const token = agent('masked-agents')
  const mine = await granted(token)
  const theirs = await granted(agent('wide-agents', { sub: 'victim@example.com' }))
  const post = (path: string, body: unknown, method = 'POST'): Promise<Answer> =>
    send(gateway.ports.http, {
      method,
      path,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const extra = [
    { id: theirs.id },
    { grant: theirs.id },
    { owner: 'victim@example.com' },
    { identity: { groups: ['wide-agents'] } },
    { groups: ['wide-agents'] },
    { state: 'active' },
    { expires_at: '2099-01-01T00:00:00Z' },
    { lease: { user: 'postgres' } },
    { target: { host: '169.254.169.254' } },
    { mask: [] },
    { sessions: { at_once: 1000 } },
    { outlive_token: true },
    { protocol: 'ssh' },
    { ceiling: {} },
    { approved_by: 'me' },
  ]
  for (const more of extra) {
    const answer = await post('/v1/grants', { connection: 'orders-db', ...more })
    assert.equal(`${answer.status} ${answer.json.code}`, '400 request_invalid', JSON.stringify(more))
  }
  for (const method of ['PUT', 'PATCH', 'POST'])
    assert.equal(
      (await post(`/v1/grants/${mine.id}`, { scope: { tables: ['hr.salaries'] }, ttl: '8h' }, method)).status,
      404,
    )
  for (const path of [
    '/v1/rules',
    '/v1/connections',
    '/v1/policy',
    '/v1/config',
    '/v1/reload',
    '/-/reload',
    '/v1/identities',
    '/debug/pprof',
  ])
    for (const method of ['POST', 'PUT'])
      assert.ok([404, 405].includes((await post(path, {}, method)).status), path)
  const again = await gateway.api('GET', `/v1/grants/${mine.id}`, token)
  assert.deepEqual(again.json.scope, mine.scope)
  assert.equal(again.json.expires_at, mine.expires_at)
  const keyed = await send(gateway.ports.http, {
    method: 'POST',
    path: '/v1/grants',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': 'one',
    },
    body: '{"connection":"orders-db"}',
  })
  const replayed = await send(gateway.ports.http, {
    method: 'POST',
    path: '/v1/grants',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': 'one',
    },
    body: '{"connection":"orders-db"}',
  })
  assert.equal(keyed.json.id, replayed.json.id)
  assert.ok(!replayed.text.includes('pst_'), 'a replay repeats the password')
  const stolen = await send(gateway.ports.http, {
    method: 'POST',
    path: '/v1/grants',
    headers: {
      authorization: `Bearer ${agent('masked-agents', { sub: 'thief@example.com' })}`,
      'content-type': 'application/json',
      'idempotency-key': 'one',
    },
    body: '{"connection":"orders-db"}',
  })
  assert.notEqual(stolen.json.id, keyed.json.id, "another owner's key finds the grant")
})

test('who is refused with a right credential slows down itself, and neither its neighbours nor its other grants', {
  skip,
}, async () => {
  const once = await granted(agent('once-agents'))
  const login = async (grant: Answer['json']): Promise<string> => {
    const client = new pg.Client(pgUrl(gateway, grant, 'sslmode=disable'))
    client.on('error', () => undefined)
    try {
      await client.connect()
      return 'in'
    } catch (error) {
      return (error as Error).message
    } finally {
      await client.end()
    }
  }
  assert.equal(await login(once), 'in')
  const answers: string[] = []
  while (answers.length < 150)
    answers.push(...(await Promise.all(Array.from({ length: 10 }, () => login(once)))))
  assert.match(answers[0] ?? '', /is for 1 session and has been used/)
  assert.match(answers.join(), /too many|slow down/)
  assert.equal(await login(await granted(agent('wide-agents'))), 'in')
})

test('M199: who has nothing to show does not fill the audit, and is counted all the same', {
  skip,
}, async () => {
  const refusals = async () => {
    const { text } = await gateway.api('GET', '/metrics', '')
    return Number(
      /postern_denials_total\{code="protocol_violation",where="door"\} (\d+)/.exec(text)?.[1] ?? 0,
    )
  }
  const before = await refusals()
  const knock = async () => {
    const socket = connect(gateway.ports.postgres, '127.0.0.1')
    // A startup packet of three bytes.
    socket.end(Buffer.from([0, 0, 0, 3]))
    await once(socket.resume(), 'close')
  }
  for (let n = 0; n < 30; n++) await Promise.all(Array.from({ length: 10 }, knock))
  assert.equal((await refusals()) - before, 300)
  const lines = await audit(gateway, okta, { type: 'door.refused', limit: '500' })
  const knocked = lines.filter(line => line.reason === 'protocol_violation').length
  assert.ok(knocked >= 100 && knocked < 300, `${knocked}`)
})

test('M168: one owner has no more live grants than its limit', { skip }, async () => {
  await gateway.stop()
  const few = await startGateway(home, { ...setting, limits: '{ grants: 3, requests_per_second: 5 }' })
  const token = agent('wide-agents')
  const codes: string[] = []
  for (let at = 0; at < 5; at++)
    codes.push((await ask(few, `Bearer ${token}`, { connection: 'orders-db' })).json.code ?? 'granted')
  assert.deepEqual(codes, ['granted', 'granted', 'granted', 'limit_exceeded', 'limit_exceeded'])
  const flood = await Promise.all(
    Array.from({ length: 30 }, () => ask(few, `Bearer ${token}`, { connection: 'orders-db' })),
  )
  assert.ok(flood.some(answer => answer.json.code === 'rate_limited'))
  assert.equal(
    (
      await ask(few, `Bearer ${agent('wide-agents', { sub: 'other@example.com' })}`, {
        connection: 'orders-db',
      })
    ).status,
    201,
  )
})
