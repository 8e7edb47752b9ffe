/**
 * Invariant 5. A busy run over both protocols with refusals, failures, a crash and a restart; then every byte of the log, of
 * every API answer, of every file under `data/`, of every client's output and of the process's own command line is searched
 * for what must be in none of them, also as base64, hex and URL text.
 */
import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { type Home, openHome } from '../../src/demo/home.ts'
import { RawClient } from '../../src/protocol/postgres/raw.fixture.ts'
import { newKey, pgUrl, psql, python, python3, sftp, ssh } from '../fixtures/clients.ts'
import { type Answer, type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'
import { ask } from './send.ts'

const skip = missing('psql', 'ssh', 'sftp', '/usr/sbin/sshd', python3)
let home: Home
let okta: FakeOkta
let orders: TestOrders
let gateway: Gateway
let leaseKey: string

/** What no place may hold, by name. */
const secrets = new Map<string, string>()
/** All that clients and callers were shown, in order. A grant's own password is shown once, to its owner: see {@link asked}. */
const shownToClients: string[] = []
const commandLines: string[] = []
const literal = 'pw-literal-7f3a9c'

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  const sshd = await startSshd(home)
  leaseKey = await readFile(sshd.leaseFile, 'utf8')
  gateway = await startGateway(home, {
    okta,
    postgres: orders,
    sshd,
    postgresKeys: 'token_login: true',
    connections: `  wrong-db:
    protocol: postgres
    target: { host: 127.0.0.1, port: ${orders.port}, database: orders, tls: { mode: disable } }
    lease: { user: app_ro, password: "env:WRONG_PASSWORD" }
  no-db:
    protocol: postgres
    target: { host: 127.0.0.1, port: 1, database: orders, tls: { mode: disable } }
    lease: { user: app_ro, password: "env:ORDERS_PASSWORD" }
`,
    env: { WRONG_PASSWORD: 'wrong-lease-5b1e0d77' },
    rules: `
  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders], mask: [{ column: public.orders.email, with: full }] } }
  - { group: analyst-agents, connection: wrong-db, ttl: 10m, scope: { statements: [select], tables: [public.orders] } }
  - { group: analyst-agents, connection: no-db, ttl: 10m, scope: { statements: [select], tables: [public.orders] } }
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { shell: true, exec: ["*"], sftp: read } }
`,
  })
  secrets.set('the lease of orders-db', orders.passwords.ro)
  secrets.set('the lease of wrong-db', 'wrong-lease-5b1e0d77')
  // The first line of every key of this kind is the same.
  const body = leaseKey
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('-'))
    .slice(1)
  for (const [at, line] of body.entries())
    if (line.length > 40) secrets.set(`line ${at} of the lease's private key`, line)
  secrets.set('a SQL PASSWORD literal', literal)
  secrets.set('a masked value', 'person1@example.com')
})
after(() => home?.close())

const said = (...texts: string[]): void => void shownToClients.push(...texts)

/** A grant for this agent. Its password goes on the list; the answer that shows it is kept without it. */
async function granted(group: string, connection: string, more: object = {}): Promise<Answer['json']> {
  const token = okta.token({ groups: [group] })
  secrets.set(`token ${secrets.size}`, token)
  const answer = await ask(gateway, `Bearer ${token}`, { connection, ...more })
  assert.equal(answer.status, 201, answer.text)
  const { password } = answer.json.credential
  if (password !== undefined) {
    secrets.set(`grant password ${secrets.size}`, password)
    assert.ok(
      answer.json.connect === undefined || !answer.json.connect.includes(password),
      'connect holds the password',
    )
  }
  said(password === undefined ? answer.text : answer.text.replaceAll(password, 'SHOWN-ONCE'))
  return { ...answer.json, token }
}

async function busy(): Promise<void> {
  const key = await newKey(home)
  const database = await granted('analyst-agents', 'orders-db')
  const statements = [
    'select id, email from orders where id < 3',
    'select email from orders',
    'delete from orders',
    'select 1/0',
    'selekt',
    `alter role app_ro password '${literal}'`,
    `create user x encrypted password '${literal}'`,
    `select 'pst_' || '${literal}' where false -- password '${literal}'`.slice(0, 20),
    'select pg_read_file($$/etc/passwd$$)',
    `set password_encryption = 'md5'`,
  ]
  for (const statement of statements) {
    const { stdout, stderr } = await psql(pgUrl(gateway, database), statement)
    said(stdout, stderr)
  }
  // What a client types is what the recorder must not keep, also when it comes in pieces: its own password and its token.
  const raw = new RawClient(gateway.ports.postgres)
  await raw.login(database.id, database.credential.password, {
    database: 'orders',
    application_name: database.credential.password,
  })
  await raw.query(`select '${database.credential.password}', '${database.token}'`)
  await raw.query(`alter role app_ro with password '${literal}' -- ${database.credential.password}`)
  said(
    raw.received
      .toString('latin1')
      .replaceAll(database.credential.password, 'ITS-OWN')
      .replaceAll(database.token, 'ITS-OWN'),
  )
  raw.destroy()
  for (const connection of ['wrong-db', 'no-db']) {
    const { stdout, stderr } = await psql(
      pgUrl(gateway, await granted('analyst-agents', connection)).replace(
        '/orders?',
        '/orders?connect_timeout=8&',
      ),
      'select 1',
    )
    said(stdout, stderr)
  }
  const wrong = await psql(
    pgUrl(gateway, { id: database.id, credential: { username: database.id, password: 'pst_wrong' } }),
    'select 1',
  )
  const withToken = await psql(`postgresql://127.0.0.1:${gateway.ports.postgres}/orders`, 'select 42', [], {
    env: { PGUSER: 'orders-db', PGPASSWORD: database.token },
  })
  said(wrong.stderr, withToken.stdout, withToken.stderr)

  const host = await granted('sre-agents', 'web-1', { public_key: key.public })
  for (const command of ['uname -s', 'false', 'no-such-command', 'env', `cat /proc/self/cmdline`]) {
    const { stdout, stderr } = await ssh(gateway, host, key, [command])
    said(stdout, stderr)
  }
  const forwarded = await ssh(gateway, host, key, ['-W', '127.0.0.1:22'])
  const fetched = await sftp(gateway, host, key, 'ls /tmp\nput /etc/hostname /tmp/x\n')
  said(forwarded.stderr, fetched.stdout, fetched.stderr)
  const byPassword = await granted('sre-agents', 'web-1')
  const typed = await python(
    `
import os, paramiko, time
t = paramiko.Transport(('127.0.0.1', int(os.environ['PORT'])))
t.start_client(timeout=10)
t.auth_password(os.environ['ID'], os.environ['PASSWORD'])
c = t.open_session(); c.get_pty(); c.invoke_shell()
for text in (os.environ['PASSWORD'], os.environ['TOKEN']):
    c.send('echo '); 
    for i in range(0, len(text), 7): c.send(text[i:i+7]); time.sleep(0.005)
    c.send('\\n')
c.send('exit\\n')
out = b''
while True:
    got = c.recv(65536)
    if not got: break
    out += got
print(len(out), os.environ['PASSWORD'].encode() in out)
t.close()
`,
    {
      env: {
        PORT: String(gateway.ports.ssh),
        ID: byPassword.id,
        PASSWORD: byPassword.credential.password,
        TOKEN: byPassword.token,
      },
    },
  )
  assert.match(typed.stdout, /True/, typed.stderr)

  const renewed = await gateway.api('POST', `/v1/grants/${database.id}/credential`, database.token)
  secrets.set('a renewed password', renewed.json.password)
  said(renewed.text.replaceAll(renewed.json.password, 'SHOWN-ONCE'))
  const calls: [string, string, string?][] = [
    ['GET', `/v1/grants/${database.id}`, database.token],
    ['GET', '/v1/connections', database.token],
    ['GET', '/v1/connections', `${database.token}x`],
    ['GET', '/v1/connections', database.credential.password],
    ['GET', '/openapi.json'],
    ['GET', '/metrics'],
    ['GET', '/readyz'],
  ]
  for (const [method, path, token] of calls) said((await gateway.api(method, path, token)).text)
  const person = okta.person(['postern-operators'])
  secrets.set("a person's token", person)
  for (const path of ['/v1/grants', '/v1/sessions', '/v1/audit?limit=1000', '/v1/locks'])
    said((await gateway.api('GET', path, person)).text)
  for (const args of [['request', 'orders-db', '--json'], ['request', 'nothing'], ['connections']]) {
    const { stdout, stderr } = await gateway.cli(args, { token: database.token })
    const password = /pst_[A-Za-z0-9_-]+/.exec(stdout)?.[0]
    if (password !== undefined) secrets.set(`grant password ${secrets.size}`, password)
    said(password === undefined ? stdout : stdout.replaceAll(password, 'SHOWN-ONCE'), stderr)
  }
  const checked = await gateway.cli(['check', '-c', gateway.configFile], {
    env: { ORDERS_PASSWORD: orders.passwords.ro, WRONG_PASSWORD: 'wrong-lease-5b1e0d77' },
  })
  said(checked.stdout, checked.stderr)
  commandLines.push(await readFile(`/proc/${gateway.pid}/cmdline`, 'utf8'))
}

/** The forms in which a secret could stand somewhere: as it is, in base64 at each of its three offsets, in hex. */
function forms(secret: string): string[] {
  const shifted = [0, 1, 2].map(pad =>
    Buffer.from(`${'\0'.repeat(pad)}${secret}`)
      .toString('base64')
      .slice(pad === 0 ? 0 : 4, -4),
  )
  return [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('hex'),
    ...shifted.filter(form => form.length >= 16),
  ]
}

function searched(where: string, bytes: Buffer): string[] {
  const found: string[] = []
  for (const [name, secret] of secrets)
    for (const form of forms(secret)) if (bytes.includes(form)) found.push(`${name} in ${where}`)
  return found
}

test('the search itself finds each secret in each of its forms, wherever it stands', { skip }, () => {
  for (const secret of [orders.passwords.ro, literal, 'person1@example.com'])
    for (const text of [
      secret,
      Buffer.from(`xx${secret}yy`).toString('base64'),
      Buffer.from(`x${secret}y`).toString('base64'),
      Buffer.from(secret).toString('hex'),
    ])
      assert.notDeepEqual(searched('here', Buffer.from(`noise ${text} noise`)), [], text)
})

test('I5: after a busy run, a crash and a restart no secret stands in any log, answer, recording, audit, database or command line', {
  skip,
  timeout: 120_000,
}, async () => {
  await busy()
  await gateway.kill9()
  await gateway.start()
  await busy()
  const person = okta.person(['postern-auditors'])
  const opened = (await gateway.api('GET', '/v1/audit?type=session.opened&limit=1000', person)).json as {
    session: string
  }[]
  assert.ok(opened.length > 40, `${opened.length} sessions`)
  for (const { session } of opened) {
    for (const file of ['session.jsonl', 'terminal.cast']) {
      const answer = await fetch(`${gateway.url}/v1/sessions/${session}/recording?file=${file}`, {
        headers: { authorization: `Bearer ${person}` },
      })
      said(await answer.text())
    }
  }
  await gateway.stop()
  const found = [
    ...searched('the log', Buffer.from(await gateway.log())),
    ...searched('what clients were shown', Buffer.from(shownToClients.join('\n'))),
    ...searched('the command line', Buffer.from(commandLines.join('\n'))),
  ]
  const files = await gateway.dataFiles()
  assert.ok(files.length > 40)
  for (const file of files) {
    const bytes = await readFile(file)
    found.push(...searched(file, bytes))
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) found.push(...searched(file, gunzipSync(bytes)))
  }
  assert.deepEqual([...new Set(found)].slice(0, 20), [])
})

test('I5: what was put in place of a secret says how long it was, and the statement around it stays', {
  skip,
}, async () => {
  const recordings = (await gateway.dataFiles()).filter(file => file.endsWith('session.jsonl'))
  const texts = (await Promise.all(recordings.map(file => readFile(file, 'utf8')))).join('\n')
  assert.match(texts, /alter role app_ro with password/i)
  assert.match(texts, /select id, email from orders where id < 3/)
})

test('I1: data/ and each private key and state file in it can be read by their owner alone', {
  skip,
}, async () => {
  const files = await gateway.dataFiles()
  const open = async (path: string): Promise<number> => (await stat(path)).mode & 0o077
  assert.equal(await open(`${gateway.dir}/data`), 0)
  const secret: string[] = []
  for (const file of files)
    if (/state\.db/.test(file) || (await readFile(file)).includes('PRIVATE KEY')) secret.push(file)
  assert.ok(secret.length >= 4, secret.join())
  for (const file of secret) assert.equal(await open(file), 0, file)
})
