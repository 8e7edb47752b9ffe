/**
 * What an agent does with a database, by every client that people use: the same scenario in each one's own words, and
 * the same eight lines from each. docs/protocols/postgres.md has the table; the last test here holds it to this list.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { pgUrl, psql, python3 } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders, versions } from '../fixtures/postgres.ts'
import { missing, type Ran, run } from '../fixtures/run.ts'

const root = resolve(import.meta.dirname, '../..')
const cache = join(root, 'node_modules/.cache/postern')
const here = join(import.meta.dirname, 'postgres-matrix')

/** A parameter, a mask, many rows, a refusal, the session after it, two at once, rows written and taken back. */
const expected = `row 7 10.50
masked p***@example.com
rows 5000
refused 42501
after 3
batch 1 2
written 2
`

interface Client {
  /** As the table in docs/protocols/postgres.md has it. */
  readonly name: string
  readonly skip: string | false
  run(url: string): Promise<Ran>
}

const absent = (path: string, program: string): string | false =>
  missing(program) || (existsSync(join(cache, path)) ? false : `${path} is not set up: make setup`)

const byPython = (name: string, module: string, script: string): Client => ({
  name,
  skip: absent(`python/${module}`, python3),
  run: url => run(python3, [join(here, script)], { env: { URL: url, PYTHONPATH: join(cache, 'python') } }),
})
const byNode = (name: string, script: string): Client => ({
  name,
  skip: false,
  run: url => run(process.execPath, [join(here, script)], { env: { URL: url, NODE_NO_WARNINGS: '1' } }),
})

const clients: readonly Client[] = [
  byPython('psycopg 3 (libpq 18), sync and pipeline', 'psycopg_binary', 'psycopg_sync.py'),
  byPython('psycopg 3 (libpq 18), async and pipeline', 'psycopg_binary', 'psycopg_async.py'),
  byPython('asyncpg', 'asyncpg', 'asyncpg_.py'),
  byPython('SQLAlchemy 2', 'sqlalchemy', 'sqlalchemy_.py'),
  byNode('node pg', 'node-pg.mjs'),
  byNode('node postgres', 'node-postgres.mjs'),
  {
    name: 'pgx 5 (Go), pool, batch and COPY',
    skip: absent('pgx', 'go'),
    run: url => run(join(cache, 'pgx'), [], { env: { URL: url } }),
  },
  {
    name: 'JDBC 42 with HikariCP',
    skip: absent('jdbc', 'java'),
    run: url => {
      const { username, password, port } = new URL(url)
      const JDBC = `jdbc:postgresql://127.0.0.1:${port}/orders`
      return run('java', ['-cp', join(cache, 'jdbc/*'), join(here, 'java/Jdbc.java')], {
        env: { JDBC, PGUSER: username, PGPASSWORD: decodeURIComponent(password) },
        timeout: 60_000,
      })
    },
  },
  {
    name: 'tokio-postgres (Rust)',
    skip: absent('rust/debug/postgres-matrix', 'cargo'),
    run: url =>
      run(join(cache, 'rust/debug/postgres-matrix'), [], { env: { URL: url.replace('prefer', 'disable') } }),
  },
]

let home: Home
let okta: FakeOkta
const gateways = new Map<string, Gateway>()

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  for (const version of versions) {
    const orders: TestOrders = await startPostgres(home, { version })
    gateways.set(
      version,
      await startGateway(home, {
        okta,
        postgres: orders,
        rules: `
  - group: analyst-agents
    connection: orders-db
    ttl: 10m
    scope:
      statements: [select, insert]
      tables: [public.orders, public.order_items]
      write_tables: [public.order_items]
      catalog: true
      mask: [{ column: public.orders.email, with: partial }]
`,
      }),
    )
  }
})
after(() => home?.close())

async function granted(version: string): Promise<string> {
  const gateway = gateways.get(version)
  assert.ok(gateway)
  const answer = await gateway.grant(okta.token({ groups: ['analyst-agents'] }), 'orders-db')
  assert.equal(answer.status, 201, answer.text)
  return pgUrl(gateway, answer.json)
}

for (const version of versions)
  for (const { name, skip, run } of clients)
    test(`${name}: reads, is masked, is refused and goes on, on PostgreSQL ${version}`, {
      skip,
    }, async () => {
      const ran = await run(await granted(version))
      assert.equal(ran.stdout, expected, ran.stderr)
      assert.equal(ran.status, 0, ran.stderr)
    })

test('psql 15: \\d, \\dt and \\copy within the scope', { skip: missing('psql') }, async () => {
  const url = await granted(versions[0] ?? '')
  const shown = await run('psql', [
    '-X',
    url,
    '-c',
    '\\d orders',
    '-c',
    '\\dt',
    '-c',
    '\\copy (select id from orders where id < 3) to stdout',
  ])
  assert.equal(shown.status, 0, shown.stderr)
  assert.match(shown.stdout, /customer_id \| integer/)
  assert.match(shown.stdout, /public \| order_items/)
  assert.match(shown.stdout, /\n1\n2\n/)
  assert.equal((await psql(url, 'select 1')).stdout, '1\n')
})

test('pg_dump: refused, says why, and dumps nothing', { skip: missing('pg_dump') }, async () => {
  const ran = await run('pg_dump', ['--no-password', await granted(versions[0] ?? '')])
  assert.notEqual(ran.status, 0)
  assert.match(ran.stderr, /not permitted|not vetted|refused/)
  assert.doesNotMatch(ran.stdout, /person1@/)
})

test('the table of clients in docs/protocols/postgres.md is this list', async () => {
  const page = await readFile(join(root, 'docs/protocols/postgres.md'), 'utf8')
  const section = page.slice(page.indexOf('## Clients'))
  const rows = [...section.matchAll(/^\| ([^|]+) \| yes \|/gm)].map(found => found[1])
  assert.deepEqual(
    rows,
    clients.map(client => client.name),
  )
})
