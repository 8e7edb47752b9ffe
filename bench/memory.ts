/** What the gateway takes when idle, and what each idle PostgreSQL session adds. Figures are printed, never asserted. */
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { type Home, openHome } from '../src/demo/home.ts'
import { pgUrl } from '../test/fixtures/clients.ts'
import { startGateway } from '../test/fixtures/gateway.ts'
import { fakeOkta } from '../test/fixtures/issuer.ts'
import { startPostgres } from '../test/fixtures/postgres.ts'

const sessions = Number(process.env.BENCH_SESSIONS ?? 400)

export async function benchMemory(home: Home, say: (line: string) => void): Promise<void> {
  const okta = await fakeOkta(home)
  const gateway = await startGateway(home, {
    okta,
    postgres: await startPostgres(home),
    rules: `  - { group: sre-agents, connection: orders-db, ttl: 1h, sessions: { at_once: 10000 }, scope: { statements: [select], tables: [public.*] } }`,
  })
  const idle = await resident(gateway.pid)
  const granted = await gateway.grant(okta.token(), 'orders-db')
  const connectionString = pgUrl(gateway, granted.json, 'sslmode=disable')
  const open: pg.Client[] = []
  const more = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const client = new pg.Client({ connectionString })
      await client.connect()
      await client.query('select 1')
      open.push(client)
    }
  }
  // The first sessions also wake the parser's thread and fill the caches: they are no measure of the next ones.
  await more(50)
  const warm = await resident(gateway.pid)
  await more(sessions)
  const full = await resident(gateway.pid)
  say(`memory: resident, one process with its threads`)
  say(`  idle, nobody connected   ${(idle / 1024).toFixed(0).padStart(6)} MB`)
  say(`  parser awake, 50 open    ${(warm / 1024).toFixed(0).padStart(6)} MB`)
  say(
    `  an idle session          ${((full - warm) / sessions).toFixed(0).padStart(6)} KiB (over ${sessions} more)`,
  )
  await Promise.all(open.map(client => client.end()))
}

/** KiB. */
async function resident(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1])
}

if (import.meta.main) {
  const home = await openHome()
  try {
    await benchMemory(home, line => console.log(line))
  } finally {
    await home.close()
  }
}
