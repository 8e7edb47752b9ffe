/**
 * PostgreSQL side by side in one run: direct, through PgBouncer (session pooling, which judges and records nothing), and
 * through Postern with policy and recording on. pgbench, select-only, in its three modes; rates, ratios and the CPU time of
 * whatever stands in the middle. Figures are printed, never asserted.
 */
import { spawn } from 'node:child_process'
import { chown, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Home, openHome } from '../src/demo/home.ts'
import { freePort } from '../src/demo/ports.ts'
import { unprivileged } from '../src/demo/postgres/cluster.ts'
import { issueAuthority, issueServer } from '../src/listener/certificate.ts'
import { pgbench, pgUrl } from '../test/fixtures/clients.ts'
import { startGateway } from '../test/fixtures/gateway.ts'
import { fakeOkta } from '../test/fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../test/fixtures/postgres.ts'
import { missing, run, until } from '../test/fixtures/run.ts'

const seconds = Number(process.env.BENCH_SECONDS ?? 5)
const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const clients = Number(process.env.BENCH_CLIENTS ?? 8)
const modes = (process.env.BENCH_MODES ?? 'simple,extended,prepared').split(',')
/** Of the second gateway. */
const workers = Number(process.env.BENCH_WORKERS ?? 2)
const A_DAY = 86_400_000

export interface Way {
  readonly name: string
  readonly url: string
  readonly pid?: number
}

interface Figure {
  readonly rate: number
  /** CPU milliseconds of the middle for a thousand statements. */
  readonly cpu: number
}

export async function benchPostgres(home: Home, say: (line: string) => void): Promise<void> {
  const gone = missing('pgbench', '/usr/sbin/pgbouncer')
  if (gone !== false) {
    say(`postgres: skipped, ${gone}`)
    return
  }
  const orders = await startPostgres(home, { scale: 10 })
  const ways = [
    direct(orders),
    await bouncer(home, orders),
    await gateway(home, orders),
    await gateway(home, orders, 'disable', workers),
  ]
  say(`postgres: pgbench -S, ${clients} clients, best of ${rounds} runs of ${seconds} s, one machine for all`)
  for (const mode of modes) {
    const best = new Map<string, Figure>()
    for (let round = 0; round < rounds; round++) {
      for (const way of ways) {
        const figure = await measure(way, mode)
        if (figure.rate > (best.get(way.name)?.rate ?? 0)) best.set(way.name, figure)
      }
    }
    const peer = best.get('PgBouncer')?.rate ?? Number.NaN
    for (const [name, { rate, cpu }] of best) {
      const cost = Number.isNaN(cpu) ? '' : `  ${cpu.toFixed(1).padStart(6)} ms CPU a thousand`
      say(
        `  ${mode.padEnd(9)} ${name.padEnd(19)} ${rate.toFixed(0).padStart(7)}/s  ${(rate / peer).toFixed(2)} of PgBouncer${cost}`,
      )
    }
  }
}

export async function measure({ url, pid }: Way, mode: string): Promise<Figure> {
  const before = await cpuOf(pid)
  const args = ['-S', '-M', mode, '-c', String(clients), '-j', '2', '-T', String(seconds)]
  const ran = await pgbench(url, args, { timeout: (seconds + 30) * 1000 })
  if (ran.status !== 0) throw new Error(`pgbench ${mode}: ${ran.stderr}`)
  const count = Number(/transactions actually processed: (\d+)/.exec(ran.stdout)?.[1])
  const rate = Number(/tps = ([\d.]+)/.exec(ran.stdout)?.[1])
  return { rate, cpu: ((await cpuOf(pid)) - before) / (count / 1000) }
}

/** User and system time in milliseconds, all threads and children. Linux counts in hundredths of a second. */
async function cpuOf(pid: number | undefined): Promise<number> {
  if (pid === undefined) return Number.NaN
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean)
  const theirs = await Promise.all(children.map(child => cpuOf(Number(child))))
  return theirs.reduce((sum, each) => sum + each, (Number(fields[11]) + Number(fields[12])) * 10)
}

/** On both sides of whatever stands in the middle. */
type Tls = 'disable' | 'require'

export function direct(orders: TestOrders, tls: Tls = 'disable'): Way {
  return {
    name: 'direct',
    url: `postgresql://app_ro:${orders.passwords.ro}@127.0.0.1:${orders.port}/orders?sslmode=${tls}`,
  }
}

export async function bouncer(home: Home, orders: TestOrders, tls: Tls = 'disable'): Promise<Way> {
  const dir = await home.folder(`pgbouncer-${tls}`, 0o755)
  const port = await freePort()
  const users = join(dir, 'users')
  const config = join(dir, 'pgbouncer.ini')
  await writeFile(users, `"app_ro" "${orders.passwords.ro}"\n`, { mode: 0o644 })
  await writeFile(
    config,
    `[databases]
orders = host=127.0.0.1 port=${orders.port} dbname=orders
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = session
default_pool_size = 100
ignore_startup_parameters = extra_float_digits
server_tls_sslmode = ${tls}
${tls === 'require' ? `client_tls_sslmode = require\nclient_tls_cert_file = ${dir}/cert\nclient_tls_key_file = ${dir}/key` : ''}
logfile = ${join(dir, 'log')}
`,
  )
  if (tls === 'require') {
    const own = await issueServer(await issueAuthority(Date.now(), A_DAY), ['127.0.0.1'], Date.now(), A_DAY)
    await writeFile(join(dir, 'cert'), own.cert)
    await writeFile(join(dir, 'key'), own.key, { mode: 0o600 })
  }
  // PgBouncer does not run as root.
  const account = await unprivileged()
  if (account !== undefined)
    for (const path of [dir, ...(await readdir(dir)).map(file => join(dir, file))])
      await chown(path, account.uid, account.gid)
  const child = spawn('/usr/sbin/pgbouncer', ['-q', config], {
    stdio: 'ignore',
    detached: true,
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
  })
  home.keep(child)
  const url = `postgresql://app_ro:${orders.passwords.ro}@127.0.0.1:${port}/orders?sslmode=${tls}`
  await until(
    'PgBouncer answers',
    async () => (await run('psql', ['-X', url, '-c', 'select 1'])).status === 0,
  )
  return { name: 'PgBouncer', url, ...(child.pid === undefined ? {} : { pid: child.pid }) }
}

export async function gateway(
  home: Home,
  orders: TestOrders,
  tls: Tls = 'disable',
  workers = 1,
): Promise<Way> {
  const okta = await fakeOkta(home)
  const rule = (connection: string) =>
    `  - { group: sre-agents, connection: ${connection}, ttl: 1h, scope: { statements: [select], tables: [public.*], functions: [pg_catalog.repeat, pg_catalog.generate_series] }, sessions: { at_once: 100 } }`
  const served = await startGateway(home, {
    okta,
    postgres: orders,
    args: ['--workers', String(workers)],
    connections: `
  orders-tls:
    protocol: postgres
    target: { host: 127.0.0.1, port: ${orders.port}, database: orders, tls: { mode: require } }
    lease: { user: app_ro, password: "env:ORDERS_PASSWORD" }
`,
    rules: `${rule('orders-db')}\n${rule('orders-tls')}`,
    env: process.env.BENCH_NODE_OPTIONS === undefined ? {} : { NODE_OPTIONS: process.env.BENCH_NODE_OPTIONS },
  })
  const granted = await served.grant(okta.token(), tls === 'require' ? 'orders-tls' : 'orders-db')
  if (granted.status !== 201) throw new Error(`no grant: ${granted.text}`)
  const name = workers === 1 ? 'Postern' : `Postern --workers ${workers}`
  return { name, url: pgUrl(served, granted.json, `sslmode=${tls}`), pid: served.pid }
}

if (import.meta.main) {
  const home = await openHome()
  try {
    await benchPostgres(home, line => console.log(line))
  } finally {
    await home.close()
  }
}
