/**
 * PostgreSQL beyond single statements, side by side in one run: TLS on both sides, bulk out, a connection with its first
 * query, and what is added to a statement's time at half load. Figures are printed, never asserted.
 */
import { spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Home, openHome } from '../src/demo/home.ts'
import { pgbench } from '../test/fixtures/clients.ts'
import { startPostgres, turnOnTls } from '../test/fixtures/postgres.ts'
import { missing } from '../test/fixtures/run.ts'
import { bouncer, direct, gateway, measure, type Way } from './postgres.ts'

const seconds = Number(process.env.BENCH_SECONDS ?? 5)
const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const megabytes = Number(process.env.BENCH_COPY_MB ?? 512)

export async function benchPostgresRest(home: Home, say: (line: string) => void): Promise<void> {
  const gone = missing('pgbench', 'psql', '/usr/sbin/pgbouncer')
  if (gone !== false) return say(`postgres: skipped, ${gone}`)
  const orders = await startPostgres(home, { scale: 10 })
  await turnOnTls(orders)
  const ways = [direct(orders), await bouncer(home, orders), await gateway(home, orders)]
  const encrypted = [
    direct(orders, 'require'),
    await bouncer(home, orders, 'require'),
    await gateway(home, orders, 'require'),
  ]
  const best = async (of: readonly Way[], figure: (way: Way) => Promise<number>, more: boolean) => {
    const found = new Map<string, number>()
    for (let round = 0; round < rounds; round++)
      for (const way of of) {
        const now = await figure(way)
        const before = found.get(way.name) ?? now
        found.set(way.name, more ? Math.max(before, now) : Math.min(before, now))
      }
    return found
  }
  const told = (what: string, unit: string, found: Map<string, number>, against: string) => {
    const peer = found.get(against) ?? Number.NaN
    for (const [name, value] of found)
      say(
        `  ${what.padEnd(22)} ${name.padEnd(10)} ${value.toFixed(value < 10 ? 3 : 0).padStart(8)} ${unit}  ${(value / peer).toFixed(2)} of ${against}`,
      )
  }

  say('postgres: TLS on both sides, pgbench -S, 8 clients')
  for (const mode of ['simple', 'prepared'])
    told(mode, '/s', await best(encrypted, async way => (await measure(way, mode)).rate, true), 'PgBouncer')
  say(`postgres: COPY out of ${megabytes} MB, psql to /dev/null`)
  told('bulk', 'MB/s', await best(ways, bulk, true), 'direct')
  say('postgres: connect, log in (SCRAM), one query, leave; one client')
  told('connect + first query', '/s', await best(ways, connecting, true), 'PgBouncer')
  say('postgres: 8 clients at half of what PgBouncer can do')
  const half = Math.round((await measure(ways[1] as Way, 'simple')).rate / 2)
  const latencies = await best(ways, way => p99(home, way, Math.min(half, 6000)), false)
  told('p99 of a statement', 'ms', latencies, 'direct')
}

/** MB a second of rows as COPY writes them. */
async function bulk({ url }: Way): Promise<number> {
  const rows = megabytes * 1000
  const sql = `copy (select repeat('x', 999) from generate_series(1, ${rows})) to stdout`
  const since = performance.now()
  const client = spawn('psql', ['-X', '-q', url, '-c', sql], { stdio: ['ignore', 'ignore', 'inherit'] })
  const status = await new Promise(done => client.once('close', done))
  if (status !== 0) throw new Error(`psql ended with ${status}`)
  return rows / 1000 / ((performance.now() - since) / 1000)
}

async function connecting({ url }: Way): Promise<number> {
  const ran = await pgbench(url, ['-S', '-C', '-c', '1', '-T', String(seconds)], {
    timeout: (seconds + 30) * 1000,
  })
  if (ran.status !== 0) throw new Error(`pgbench -C: ${ran.stderr}`)
  return Number(/tps = ([\d.]+)/.exec(ran.stdout)?.[1])
}

let runs = 0

/** Milliseconds of the slowest hundredth, without what a statement waited for its turn. */
async function p99(home: Home, { url }: Way, rate: number): Promise<number> {
  const folder = await home.folder(`latencies-${++runs}`)
  const args = ['-S', '-c', '8', '-j', '2', '-T', String(seconds + 2), '-R', String(rate), '-l']
  const ran = await pgbench(url, [...args, `--log-prefix=${join(folder, 'log')}`], {
    timeout: (seconds + 30) * 1000,
  })
  if (ran.status !== 0) throw new Error(`pgbench -R: ${ran.stderr}`)
  const logs = await Promise.all((await readdir(folder)).map(file => readFile(join(folder, file), 'utf8')))
  // client, transaction, microseconds, script, second, microsecond, lag: the time counts from when it was due.
  const lines = logs.flatMap(log =>
    log
      .trim()
      .split('\n')
      .map(line => line.split(' ').map(Number)),
  )
  const first = Math.min(...new Set(lines.map(([, , , , second = 0]) => second)))
  const served = lines
    // What comes first is compiled while it runs, everywhere: it would be the whole of the slowest hundredth.
    .filter(([, , , , second = 0]) => second > first + 1)
    .map(([, , all = 0, , , , lag = 0]) => all - lag)
    .sort((a, b) => a - b)
  return (served[Math.floor(served.length * 0.99)] ?? Number.NaN) / 1000
}

if (import.meta.main) {
  const home = await openHome()
  try {
    await benchPostgresRest(home, line => console.log(line))
  } finally {
    await home.close()
  }
}
