/**
 * Grant decisions through HTTP, a new token for each: verified, decided, audited on disk, committed, answered. Grants with
 * a SCRAM verifier (PostgreSQL) are counted apart: their PBKDF2 runs in the thread pool. Figures are printed, never asserted.
 */
import { Agent, request } from 'node:http'
import { type Home, openHome } from '../src/demo/home.ts'
import { startGateway } from '../test/fixtures/gateway.ts'
import { fakeOkta } from '../test/fixtures/issuer.ts'
import { startPostgres } from '../test/fixtures/postgres.ts'
import { startSshd } from '../test/fixtures/sshd.ts'

const decisions = Number(process.env.BENCH_GRANTS ?? 6_000)
const atOnce = 64

export async function benchGrants(home: Home, say: (line: string) => void): Promise<void> {
  const okta = await fakeOkta(home)
  const gateway = await startGateway(home, {
    okta,
    postgres: await startPostgres(home),
    sshd: await startSshd(home),
    limits: '{ grants: 1000000, requests_per_second: 1000000 }',
    rules: `  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { shell: true } }
  - { group: sre-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.*] } }`,
  })
  say(`grants: POST /v1/grants, a new token each, ${atOnce} at once, gateway on one core`)
  for (const [connection, kind] of [
    ['web-1', 'password by SHA-256'],
    ['orders-db', 'password by SCRAM  '],
  ] as const) {
    const tokens = Array.from({ length: decisions }, () => okta.token())
    await ask(gateway.url, connection, tokens.slice(0, 200))
    const began = performance.now()
    await ask(gateway.url, connection, tokens.slice(200))
    const seconds = (performance.now() - began) / 1000
    say(`  ${kind}  ${((decisions - 200) / seconds).toFixed(0).padStart(6)}/s`)
  }
}

async function ask(url: string, connection: string, tokens: readonly string[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce })
  const left = tokens.values()
  const work = async () => {
    for (const token of left) await one(`${url}/v1/grants`, agent, token, connection)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  agent.destroy()
}

function one(url: string, agent: Agent, token: string, connection: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const sent = request(url, { method: 'POST', agent, headers }, answer => {
      answer.resume()
      answer.on('end', () => {
        if (answer.statusCode === 201) resolve()
        else reject(new Error(`no grant: ${answer.statusCode}`))
      })
    })
    sent.on('error', reject)
    sent.end(JSON.stringify({ connection }))
  })
}

if (import.meta.main) {
  const home = await openHome()
  try {
    await benchGrants(home, line => console.log(line))
  } finally {
    await home.close()
  }
}
