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
import { pgUrl, python3 } from '../fixtures/clients.ts'
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
const byNode = (name: string, script: string, env: Record<string, string> = {}): Client => ({
  name,
  skip: false,
  run: url =>
    run(process.execPath, [join(here, script)], { env: { URL: url, NODE_NO_WARNINGS: '1', ...env } }),
})

/** Built without TLS, and so only for plaintext on loopback. */
const bin18 = join(cache, 'python/embedded_postgres/pginstall/bin')
const plain = (url: string): string => url.replace('prefer', 'disable')

const byPsql = (name: string, psql: string, script: string, skip: string | false): Client => ({
  name,
  skip,
  async run(url) {
    const ran = await run(psql, ['-X', '-q', '-A', '-t', '-f', join(here, script), plain(url)])
    // Every answer of a pipeline has a line of its own.
    return { ...ran, stdout: ran.stdout.replace('batch 1\n2\n', 'batch 1 2\n') }
  },
})

const clients: readonly Client[] = [
  byPython('psycopg 3 (libpq 18), sync and pipeline', 'psycopg_binary', 'psycopg_sync.py'),
  byPython('psycopg 3 (libpq 18), async and pipeline', 'psycopg_binary', 'psycopg_async.py'),
  byPython('asyncpg', 'asyncpg', 'asyncpg_.py'),
  byPython('SQLAlchemy 2', 'sqlalchemy', 'sqlalchemy_.py'),
  byPsql('psql 15', 'psql', 'psql15.sql', missing('psql')),
  byPsql('psql 18', join(bin18, 'psql'), 'psql18.sql', absent('python/embedded_postgres', 'sh')),
  byNode('node pg', 'node-pg.mjs'),
  byNode('node postgres', 'node-postgres.mjs'),
  byNode('Drizzle over pg', 'drizzle.mjs', { DRIVER: 'pg' }),
  byNode('Drizzle over postgres', 'drizzle.mjs', { DRIVER: 'postgres' }),
  {
    name: 'Prisma 7',
    skip: absent('prisma/generated', 'node'),
    run: url => run(process.execPath, [join(cache, 'prisma/prisma.mjs')], { env: { URL: plain(url) } }),
  },
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
    run: url => run(join(cache, 'rust/debug/postgres-matrix'), [], { env: { URL: plain(url) } }),
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
      functions: [pg_catalog.pg_sleep]
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

for (const version of versions)
  test(`libpq 18 comes in by every way, and its cancels are over when they end, on PostgreSQL ${version}`, {
    skip: absent('python/psycopg_binary', python3),
  }, async () => {
    const newest = 'min_protocol_version=3.2&max_protocol_version=3.2'
    const ways = [
      ['sslmode=disable', 'clear 30000'],
      [`sslmode=disable&${newest}`, 'clear 30002'],
      ['sslmode=require&channel_binding=require', 'TLS 30000'],
      ['sslmode=require&sslnegotiation=direct', 'TLS 30000'],
      [`sslmode=require&sslnegotiation=direct&channel_binding=require&${newest}`, 'TLS 30002'],
    ]
    const ran = await run(python3, [join(here, 'ways_in.py')], {
      env: {
        URL: (await granted(version)).replace('sslmode=prefer', ''),
        WAYS: ways.map(([way]) => way).join('\n'),
        PYTHONPATH: join(cache, 'python'),
      },
      timeout: 60_000,
    })
    assert.equal(ran.stdout, ways.map(([way, how]) => `${way} ${how} cancelled 4\n`).join(''), ran.stderr)
  })

/** What psql asks the catalogue for, but for what shows files, settings, sources, statements or sizes of databases. */
const shown = String.raw`\d|\d orders|\d+ orders|\d order_view|\d+ order_view|\d orders_pkey|\dt|\dt+|\di|\di+|\dv|\dv+|\dm|\ds|\dE|\df|\da|\dn|\dn+|\du|\du+|\dg|\dT|\dT+|\dD|\dC|\dx|\dx+|\dy|\dp|\ddp|\dF|\dFd|\dFp|\dFt|\dL|\dA|\dA+|\dAc|\dAf|\dAo|\dAp|\do|\dP|\dP+|\dX|\z|\dRp|\dew|\des|\det|\sv order_view|\dd|\copy (select id from orders where id < 3) to stdout`
const barred = String.raw`\df+|\l+|\dRs|\deu|\db|\dconfig|\drds|\dl|\sf peek`

for (const version of versions)
  for (const [name, psql, missed] of [
    ['15', 'psql', missing('psql')],
    ['18', join(bin18, 'psql'), absent('python/embedded_postgres', 'sh')],
  ] as const)
    test(`psql ${name} describes all that it may of PostgreSQL ${version}, and copies`, {
      skip: missed,
    }, async () => {
      const url = plain(await granted(version))
      const asking = (list: string) =>
        run(psql, ['-X', '-v', 'VERBOSITY=verbose', url, ...list.split('|').flatMap(one => ['-c', one])])
      const ran = await asking(shown)
      assert.equal(ran.stderr.replace(/^Did not find any .*\n/gm, ''), '')
      assert.match(ran.stdout, /customer_id \| integer/)
      assert.match(ran.stdout, /public \| order_items/)
      assert.match(ran.stdout, /\n1\n2\n/)
      const { stderr } = await asking(barred)
      assert.equal(stderr.match(/^ERROR: {2}(42501: )?postern: /gm)?.length, barred.split('|').length, stderr)
    })

for (const [name, pgDump, missed] of [
  ['15', 'pg_dump', missing('pg_dump')],
  ['18', join(bin18, 'pg_dump'), absent('python/embedded_postgres', 'sh')],
] as const)
  test(`pg_dump ${name}: refused, says why, and dumps nothing`, { skip: missed }, async () => {
    const ran = await run(pgDump, ['--no-password', plain(await granted(versions[0] ?? ''))])
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
