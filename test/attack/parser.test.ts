/**
 * Attack 103 over the wire: statements that break parsers (libpg-query leaks and then fails for good on deep trees), by the
 * hundred and from many sessions. Each is answered and its session goes on; what others ask meanwhile is answered as ever,
 * and the gateway does not grow.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { type Home, openHome } from '../../src/demo/home.ts'
import { pgUrl } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres } from '../fixtures/postgres.ts'

const ATTACKERS = 8
const EACH = 100
const MiB = 1024 * 1024

let home: Home
let okta: FakeOkta
let gateway: Gateway
const clients: pg.Client[] = []
before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  gateway = await startGateway(home, {
    okta,
    postgres: await startPostgres(home),
    rules: `
  - { group: analyst-agents, connection: orders-db, ttl: 10m, sessions: { at_once: 100 }, scope: { statements: [select], tables: [public.orders], statement_timeout: 5s } }
`,
  })
})
after(async () => {
  await Promise.all(clients.map(client => client.end().catch(() => undefined)))
  await home?.close()
})

/** What grows deep, `n` links of it. What would keep the server busy for long names a barred table, and never gets there. */
const shapes: Readonly<Record<string, (n: number) => string>> = {
  plus: n => `select 1${'+1'.repeat(n)}`,
  concat: n => `select 'a'${"||'a'".repeat(n)}`,
  casts: n => `select 1${'::int'.repeat(n)}`,
  unions: n => `select 1 from customers${' union all select 1'.repeat(n)}`,
  joins: n => `select 1 from customers${' join orders on true'.repeat(n)}`,
  ors: n => `select 1 from orders where id = 1${' or id = 1'.repeat(n)}`,
  ands: n => `select 1 from orders where true${' and not false'.repeat(n)}`,
  cases: n => `select ${'case when true then '.repeat(n)}1${' end'.repeat(n)}`,
  withs: n =>
    `with a0 as (select 1)${Array.from({ length: n }, (_, i) => `, a${i + 1} as (select * from a${i})`).join('')} select 1 from customers`,
  inside: n => `${'with a as ('.repeat(n)}select 1 from customers${') select 1 from a'.repeat(n)}`,
  selects: n => `select ${'(select '.repeat(n)}1${')'.repeat(n)}`,
  calls: n => `select ${'abs('.repeat(n)}1${')'.repeat(n)}`,
  arrays: n => `select ${'array['.repeat(n)}1${']'.repeat(n)}`,
  brackets: n => `select ${'('.repeat(n)}1`,
  minus: n => `select ${'- '.repeat(n)}1`,
  comments: n => `select ${'/*'.repeat(n)} 1 ${'*/'.repeat(n)}`,
  many: n => 'select 1;'.repeat(n),
  rows: n => `select * from (values ${Array(n).fill('(1)').join(',')}) t`,
  fields: n => `select (orders${'.id'.repeat(n)}) from orders`,
  explains: n => `${'explain '.repeat(n)}select 1`,
}

/** Far above what the parser stands, where it begins to leak, and right below the caps, where it must read them. */
const hostile = fc
  .tuple(
    fc.constantFrom(...Object.keys(shapes)),
    fc.oneof(fc.constantFrom(9_000, 2_000, 100_000), fc.integer({ min: 50, max: 1_000 })),
  )
  .map(([shape, links]) => shapes[shape]?.(links).slice(0, 1_000_000) ?? '')

async function connected(count: number): Promise<pg.Client[]> {
  const answer = await gateway.grant(okta.token({ groups: ['analyst-agents'] }), 'orders-db')
  assert.equal(answer.status, 201, answer.text)
  const some = Array.from(
    { length: count },
    () => new pg.Client({ connectionString: pgUrl(gateway, answer.json, 'sslmode=disable') }),
  )
  await Promise.all(some.map(client => client.connect()))
  clients.push(...some)
  return some
}

const resident = async (): Promise<number> =>
  Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${gateway.pid}/status`, 'utf8'))?.[1]) * 1024

const nth = (times: readonly number[], part: number): number =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length * part)] ?? 0

test(`${ATTACKERS * EACH} statements that break parsers break nothing for anybody`, {
  timeout: 240_000,
}, async t => {
  const attackers = await connected(ATTACKERS)
  const [known, anew] = await connected(2)
  assert.ok(known !== undefined && anew !== undefined)
  const answers = new Map<string, number>()
  const attack = async (client: pg.Client, seed: number, count: number): Promise<void> => {
    for (const sql of fc.sample(hostile, { seed, numRuns: count })) {
      const said = await client.query(sql).then(
        () => 'answered',
        (error: pg.DatabaseError) => error.code ?? error.message,
      )
      answers.set(said, (answers.get(said) ?? 0) + 1)
    }
  }
  // The first ones wake the parser's thread and fill the caches: growth is counted from there.
  await Promise.all(attackers.map((client, i) => attack(client, 9_000 + i, 15)))
  const from = await resident()
  let over = false
  const times = { known: [] as number[], anew: [] as number[] }
  const asks = async (client: pg.Client, into: number[], sql: (n: number) => string): Promise<void> => {
    for (let n = 0; !over; n++) {
      const since = performance.now()
      const { rows } = await client.query(sql(n))
      into.push(performance.now() - since)
      assert.equal(Object.values(rows[0] ?? {})[0], 7)
      await new Promise(done => setTimeout(done, 5))
    }
  }
  const others = [
    asks(known, times.known, () => 'select id from orders where id = 7'),
    asks(anew, times.anew, n => `select id as anew_${n} from orders where id = 7`),
  ]
  await Promise.all(attackers.map((client, i) => attack(client, i, EACH)))
  over = true
  await Promise.all(others)
  const grew = (await resident()) - from
  const told = Object.entries(times).map(
    ([what, of]) =>
      `${what}: ${of.length}, median ${nth(of, 0.5).toFixed(0)}, 99 % ${nth(of, 0.99).toFixed(0)} ms`,
  )
  t.diagnostic(
    `${JSON.stringify(Object.fromEntries(answers))}; ${told.join('; ')}; ${(grew / MiB).toFixed(0)} MiB more`,
  )
  // Too long, unreadable, not permitted; or the server's own refusal of what passed.
  for (const said of answers.keys()) assert.match(said, /^(answered|54\w{3}|42\w{3}|57014|22\w{3})$/)
  assert.ok((answers.get('54000') ?? 0) > EACH && (answers.get('answered') ?? 0) > EACH, JSON.stringify(told))
  assert.ok(times.known.length > 10 && times.anew.length > 10)
  assert.ok(nth(times.known, 0.99) < 1_000, told.join())
  assert.ok(nth(times.anew, 0.99) < 3_000, told.join())
  assert.ok(grew < 150 * MiB, `${grew} bytes more`)
  assert.doesNotMatch(await gateway.log(), /the SQL parser was replaced/)
})
