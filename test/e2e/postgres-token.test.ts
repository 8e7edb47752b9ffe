/** `token_login`: a token itself at the PostgreSQL door, as a password or by OAUTHBEARER, against the whole gateway. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { clients, startIssuer } from '../../src/demo/issuer/issuer.ts'
import { RawClient, saslInitial, startup } from '../../src/protocol/postgres/raw.fixture.ts'
import { frame, PASSWORD } from '../../src/protocol/postgres/wire.ts'
import { python3 } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing, type Ran, run, until } from '../fixtures/run.ts'

const skip = missing('psql')
let home: Home
let okta: FakeOkta
let orders: TestOrders
let gateway: Gateway
const raws: RawClient[] = []

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  gateway = await startGateway(home, {
    okta,
    postgres: orders,
    postgresKeys: 'token_login: true',
    connections: `  no-token-db:
    protocol: postgres
    target: { host: 127.0.0.1, port: ${orders.port}, database: orders, tls: { mode: disable } }
    lease: { user: app_ro, password: "env:ORDERS_PASSWORD" }
`,
    rules: `
  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders], max_rows: 3 } }
  - { group: analyst-agents, connection: no-token-db, ttl: 10m, scope: { statements: [select], tables: [public.orders] } }
  - { group: asking-agents, connection: orders-db, ttl: 10m, require: [reason], scope: { statements: [select], tables: [public.orders] } }
`,
  })
})
after(async () => {
  for (const client of raws) client.destroy()
  await home?.close()
})

const psql = (user: string, password: string, sql: string, query = 'sslmode=prefer'): Promise<Ran> =>
  run(
    'psql',
    ['-X', '-At', `postgresql://${user}@127.0.0.1:${gateway.ports.postgres}/orders?${query}`, '-c', sql],
    {
      env: { PGPASSWORD: password },
    },
  )

test('a token as the password opens a session under the rule, which is a grant of its own', {
  skip,
}, async () => {
  const token = okta.token({ groups: ['analyst-agents'] })
  for (const query of ['sslmode=require', 'sslmode=disable']) {
    const ran = await psql('orders-db', token, 'select id from orders order by id', query)
    assert.equal(ran.stdout.trim().split('\n').length, 3, ran.stderr)
  }
  const refused = await psql('orders-db', token, 'delete from orders')
  assert.match(refused.stderr, /delete on public\.orders is not permitted/)
  const log = await Promise.all([
    gateway.log(),
    ...(await gateway.dataFiles()).filter(file => /jsonl$/.test(file)).map(read),
  ])
  assert.ok(!log.join('').includes(token))
})

test('no other password and no token that is not good opens one; all look alike', { skip }, async () => {
  const failed = /password authentication failed|access token|no rule|not permitted|rate|slow/i
  const tries = [
    ['orders-db', 'pst_nonsense'],
    ['orders-db', okta.token({ groups: ['nobody'] })],
    ['orders-db', okta.token({ groups: ['analyst-agents'], exp: Math.floor(Date.now() / 1000) - 3600 })],
    // It needs a reason, which nobody can state here.
    ['orders-db', okta.token({ groups: ['asking-agents'] })],
    // No token_login there: SCRAM is asked for, which a token cannot answer.
    ['no-token-db', okta.token({ groups: ['analyst-agents'] })],
  ] as const
  for (const [user, password] of tries) {
    const ran = await psql(user, password, 'select 1')
    assert.notEqual(ran.status, 0, user)
    assert.match(ran.stderr, /FATAL/, ran.stderr)
    assert.ok(failed.test(ran.stderr) || /reason|approval/.test(ran.stderr), ran.stderr)
  }
})

test('OAUTHBEARER tells where tokens come from, and takes one', { skip }, async () => {
  const options = { user: 'orders-db', database: 'orders', options: '-c postern.login=oauth' }
  const raw = (): RawClient => {
    const client = new RawClient(gateway.ports.postgres)
    raws.push(client)
    return client.framed().send(startup(options))
  }
  const asks = raw().send(saslInitial('n,,\u0001auth=\u0001\u0001', 'OAUTHBEARER'))
  await asks.next()
  const told = JSON.parse((await asks.next()).payload.toString('utf8', 4))
  assert.equal(
    told['openid-configuration'],
    `${okta.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
  )
  asks.send(frame(PASSWORD, '\u0001'))
  assert.equal((await asks.rest())[0]?.fields.C, '28000')
  const wrong = raw().send(saslInitial('n,,\u0001auth=Bearer not.a.token\u0001\u0001', 'OAUTHBEARER'))
  await wrong.next()
  assert.equal(JSON.parse((await wrong.next()).payload.toString('utf8', 4)).status, 'invalid_token')
  wrong.send(frame(PASSWORD, '\u0001'))
  assert.match((await wrong.rest())[0]?.fields.M ?? '', /not a well-formed JWT/)
  const token = okta.token({ groups: ['analyst-agents'] })
  const client = raw().send(saslInitial(`n,,\u0001auth=Bearer ${token}\u0001\u0001`, 'OAUTHBEARER'))
  assert.equal((await client.upTo('Z')).at(-1)?.type, 'Z')
  const rows = (await client.query('select id from orders')).filter(({ type }) => type === 'D')
  assert.equal(rows.length, 3)
})

const [libpq] = globSync(
  join(import.meta.dirname, '../../node_modules/.cache/postern/python/psycopg_binary.libs/libpq-*.so.5.18'),
)

test('libpq 18 finds the issuer, shows a token, and is told why one is refused', {
  skip: skip || missing(python3) || (libpq === undefined && 'libpq 18 is not set up: make setup'),
}, async () => {
  const where = `host=127.0.0.1 port=${gateway.ports.postgres} user=orders-db dbname=orders options='-c postern.login=oauth'`
  const connect = (token: string, issuer = okta.issuer): Promise<Ran> =>
    run(python3, [join(import.meta.dirname, 'postgres-matrix/libpq_oauth.py')], {
      env: {
        LIBPQ: libpq ?? '',
        TOKEN: token,
        CONNINFO: `${where} sslmode=require oauth_issuer=${issuer} oauth_client_id=0oaAgent1`,
        // The tests' issuer is plain HTTP on loopback.
        PGOAUTHDEBUG: 'UNSAFE',
      },
    })
  const asked = `asked ${okta.issuer.replace(/\/$/, '')}/.well-known/openid-configuration openid`
  const good = await connect(okta.token({ groups: ['analyst-agents'] }))
  assert.equal(good.stdout, `${asked}\nrows 3\n`, good.stderr)
  const expired = okta.token({ groups: ['analyst-agents'], exp: Math.floor(Date.now() / 1000) - 3600 })
  const bad = await connect(expired)
  assert.match(bad.stdout, /^asked .*FATAL: {2}postern: the access token expired/s)
  assert.ok(!`${bad.stdout}${bad.stderr}`.includes(expired))
  // Its token is good, so that there is nothing to get anew: the refusal is in the gateway's own words.
  const barred = await connect(okta.token({ groups: ['nobody'] }))
  assert.match(barred.stdout, /FATAL: .*not permitted|no rule/)
  assert.doesNotMatch(barred.stdout, /invalid_token/)
  // What the server calls the issuer must be the one that the client means.
  const other = await connect(okta.token({ groups: ['analyst-agents'] }), 'http://127.0.0.1:1/other')
  assert.match(other.stdout, /is incompatible with oauth_issuer/)
})

const psql18 = join(import.meta.dirname, '../../node_modules/.cache/postern/psql-18/bin/psql')

test('psql 18 gets a token by itself: it is told the issuer, shows a code, and is let in once its user has said yes', {
  skip: skip || (!existsSync(psql18) && 'psql 18 is not set up: make setup'),
}, async () => {
  const real = await startIssuer()
  home.onEnd(() => real.stop())
  const door = await startGateway(home, {
    okta: real,
    postgres: orders,
    postgresKeys: 'token_login: true',
    rules: `
  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders], max_rows: 3 } }`,
  })
  const conninfo = `host=127.0.0.1 port=${door.ports.postgres} user=orders-db dbname=orders sslmode=require
    options='-c postern.login=oauth' oauth_issuer=${real.issuer} oauth_scope=postern
    oauth_client_id=${clients.analystBot} oauth_client_secret=${real.secretOf(clients.analystBot)}`
  // The stand-in is plain HTTP on loopback.
  const env = { ...process.env, PGOAUTHDEBUG: 'UNSAFE' }
  const child = spawn(psql18, ['-X', '-At', '-c', 'select id from orders order by id', conninfo], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  home.keep(child)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', chunk => (stdout += chunk))
  child.stderr.on('data', chunk => (stderr += chunk))
  const closed = new Promise<number | null>(done => child.once('close', code => done(code)))
  const shown = await until('it shows a code', () => /Visit (\S+) and enter the code: (\S+)/.exec(stderr))
  assert.equal(stdout, '')
  await real.approve('ada@example.com', shown[1] ?? '', shown[2] ?? '')
  assert.equal(await closed, 0, stderr)
  assert.equal(stdout, '1\n2\n3\n')
  assert.match(stderr, /max_rows/)
})

const read = (file: string): Promise<string> => readFile(file, 'utf8')
