/**
 * PostgreSQL side by side in one run: direct, through PgBouncer (session pooling, which judges and records nothing), and
 * through Postern with policy and recording on. pgbench, select-only, in its three modes; rates, ratios and the CPU time of
 * whatever stands in the middle. Figures are printed, never asserted.
 */
import { spawn } from 'node:child_process'
import { chown, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Home, openHome } from '../src/demo/home.ts'
import { freePort } from '../src/demo/ports.ts'
import { unprivileged } from '../src/demo/postgres/cluster.ts'
import { pgbench, pgUrl } from '../test/fixtures/clients.ts'
import { startGateway } from '../test/fixtures/gateway.ts'
import { fakeOkta } from '../test/fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../test/fixtures/postgres.ts'
import { missing, run, until } from '../test/fixtures/run.ts'

const seconds = Number(process.env.BENCH_SECONDS ?? 5)
const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const clients = Number(process.env.BENCH_CLIENTS ?? 8)

interface Way {
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
  const ways = [direct(orders), await bouncer(home, orders), await gateway(home, orders)]
  say(`postgres: pgbench -S, ${clients} clients, best of ${rounds} runs of ${seconds} s, one machine for all`)
  for (const mode of ['simple', 'extended', 'prepared']) {
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
        `  ${mode.padEnd(9)} ${name.padEnd(10)} ${rate.toFixed(0).padStart(7)}/s  ${(rate / peer).toFixed(2)} of PgBouncer${cost}`,
      )
    }
  }
}

async function measure({ url, pid }: Way, mode: string): Promise<Figure> {
  const before = await cpuOf(pid)
  const args = ['-S', '-M', mode, '-c', String(clients), '-j', '2', '-T', String(seconds)]
  const ran = await pgbench(url, args, { timeout: (seconds + 30) * 1000 })
  if (ran.status !== 0) throw new Error(`pgbench ${mode}: ${ran.stderr}`)
  const count = Number(/transactions actually processed: (\d+)/.exec(ran.stdout)?.[1])
  const rate = Number(/tps = ([\d.]+)/.exec(ran.stdout)?.[1])
  return { rate, cpu: ((await cpuOf(pid)) - before) / (count / 1000) }
}

/** User and system time in milliseconds, all threads. Linux counts in hundredths of a second. */
async function cpuOf(pid: number | undefined): Promise<number> {
  if (pid === undefined) return Number.NaN
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function direct(orders: TestOrders): Way {
  return {
    name: 'direct',
    url: `postgresql://app_ro:${orders.passwords.ro}@127.0.0.1:${orders.port}/orders?sslmode=disable`,
  }
}

async function bouncer(home: Home, orders: TestOrders): Promise<Way> {
  const dir = await home.folder('pgbouncer', 0o755)
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
logfile = ${join(dir, 'log')}
`,
  )
  // PgBouncer does not run as root.
  const account = await unprivileged()
  if (account !== undefined) await chown(dir, account.uid, account.gid)
  const child = spawn('/usr/sbin/pgbouncer', ['-q', config], {
    stdio: 'ignore',
    detached: true,
    ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
  })
  home.keep(child)
  const url = `postgresql://app_ro:${orders.passwords.ro}@127.0.0.1:${port}/orders?sslmode=disable`
  await until(
    'PgBouncer answers',
    async () => (await run('psql', ['-X', url, '-c', 'select 1'])).status === 0,
  )
  return { name: 'PgBouncer', url, ...(child.pid === undefined ? {} : { pid: child.pid }) }
}

async function gateway(home: Home, orders: TestOrders): Promise<Way> {
  const okta = await fakeOkta(home)
  const served = await startGateway(home, {
    okta,
    postgres: orders,
    rules:
      '  - { group: sre-agents, connection: orders-db, ttl: 1h, scope: { statements: [select], tables: [public.*] }, sessions: { at_once: 100 } }',
    env: process.env.BENCH_NODE_OPTIONS === undefined ? {} : { NODE_OPTIONS: process.env.BENCH_NODE_OPTIONS },
  })
  const granted = await served.grant(okta.token(), 'orders-db')
  if (granted.status !== 201) throw new Error(`no grant: ${granted.text}`)
  return { name: 'Postern', url: pgUrl(served, granted.json, 'sslmode=disable'), pid: served.pid }
}

if (import.meta.main) {
  const home = await openHome()
  try {
    await benchPostgres(home, line => console.log(line))
  } finally {
    await home.close()
  }
}
