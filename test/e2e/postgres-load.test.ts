/** Many sessions and much data: five hundred clients at once, and a gigabyte each way, in a gateway that does not grow with either. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { type Home, openHome } from '../../src/demo/home.ts'
import { pgUrl } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing, until } from '../fixtures/run.ts'

const skip = missing('psql')
const SESSIONS = 500
const MiB = 1024 * 1024
const GiB = 1024 * MiB

let home: Home
let okta: FakeOkta
let orders: TestOrders
let gateway: Gateway
before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  await orders.run('orders', 'create table bulk (line text); grant select, insert on bulk to app_ro')
  gateway = await startGateway(home, {
    okta,
    postgres: orders,
    rules: `
  - group: analyst-agents
    connection: orders-db
    ttl: 10m
    sessions: { at_once: 1000 }
    scope: { statements: [select, insert], tables: [public.orders, public.bulk], write_tables: [public.bulk] }
`,
  })
})
after(() => home?.close())

async function granted(): Promise<string> {
  const answer = await gateway.grant(okta.token({ groups: ['analyst-agents'] }), 'orders-db')
  assert.equal(answer.status, 201, answer.text)
  return pgUrl(gateway, answer.json, 'sslmode=disable')
}

/** Bytes of memory that are the gateway's right now. */
async function resident(): Promise<number> {
  const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
}

/** The most that it has while this runs, above what it had. */
async function growth(work: () => Promise<void>): Promise<number> {
  const from = await resident()
  let most = from
  const watching = setInterval(() => {
    void resident().then(now => {
      most = Math.max(most, now)
    })
  }, 50)
  try {
    await work()
  } finally {
    clearInterval(watching)
  }
  return Math.max(most, await resident()) - from
}

test(`${SESSIONS} sessions are open at once, each asks and is answered, and none of them is left after`, {
  skip,
  timeout: 120_000,
}, async t => {
  const connectionString = await granted()
  const clients = Array.from({ length: SESSIONS }, () => new pg.Client({ connectionString }))
  const grew = await growth(async () => {
    await Promise.all(clients.map(client => client.connect()))
    const open = await orders.activity()
    assert.equal(open.length, SESSIONS)
    const answers = await Promise.all(
      clients.map((client, i) =>
        i % 2 === 0
          ? client.query('select id, $2::int as n from orders where id = $1', [i + 1, i])
          : client.query(`select id, ${i} as n from orders where id = ${i + 1}`),
      ),
    )
    assert.deepEqual(
      answers.map(({ rows }) => rows),
      clients.map((_, i) => [{ id: i + 1, n: i }]),
    )
  })
  t.diagnostic(
    `${(grew / MiB).toFixed(0)} MiB more for ${SESSIONS} sessions, ${((await resident()) / MiB).toFixed(0)} MiB in all`,
  )
  assert.ok(grew < 250 * MiB, `${grew} bytes more`)
  await Promise.all(clients.map(client => client.end()))
  await until(
    'no session is left in the database',
    async () => (await orders.activity()).length === 0,
    10_000,
  )
})

function copying(url: string, sql: string): ChildProcess {
  return spawn('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', url, '-c', sql], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
}

const LINE = 1023
test('a gigabyte is copied out, and the gateway is as large as before', {
  skip,
  timeout: 180_000,
}, async t => {
  const url = await granted()
  let bytes = 0
  const grew = await growth(async () => {
    const child = copying(url, `copy (select repeat('x', ${LINE}) from generate_series(1, ${MiB})) to stdout`)
    child.stdout?.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    assert.deepEqual(await once(child, 'exit'), [0, null])
  })
  assert.equal(bytes, GiB)
  t.diagnostic(`${(grew / MiB).toFixed(0)} MiB more at most`)
  assert.ok(grew < 200 * MiB, `${grew} bytes more`)
})

test('a gigabyte is copied in, and the gateway is as large as before', {
  skip,
  timeout: 180_000,
}, async t => {
  const url = await granted()
  const chunk = Buffer.from(`${'x'.repeat(LINE)}\n`.repeat(256))
  const grew = await growth(async () => {
    // The server reads every line, and keeps the last.
    const child = copying(url, "copy bulk from stdin where line <> repeat('x', 1023)")
    const exit = once(child, 'exit')
    for (let sent = 0; sent < GiB; sent += chunk.length)
      if (child.stdin?.write(chunk) === false) await once(child.stdin, 'drain')
    child.stdin?.end('last\n')
    assert.deepEqual(await exit, [0, null])
  })
  const { rows } = await orders.run('orders', 'select line from bulk')
  assert.deepEqual(rows, [{ line: 'last' }])
  t.diagnostic(`${(grew / MiB).toFixed(0)} MiB more at most`)
  assert.ok(grew < 200 * MiB, `${grew} bytes more`)
})
