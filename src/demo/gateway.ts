/** The gateway of the demo: `bin/postern serve` on a configuration that is written here, ready when /readyz says so. */
import { spawn } from 'node:child_process'
import { copyFile, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { postern } from './command.ts'
import type { Home } from './home.ts'
import type { Host } from './host.ts'
import { clients, type Issuer } from './issuer/issuer.ts'
import { freePort } from './ports.ts'
import type { Orders } from './postgres.ts'

export interface Gateway {
  readonly url: string
  readonly configFile: string
  readonly config: string
  readonly data: string
  readonly logFile: string
}

export async function startGateway(home: Home, issuer: Issuer, orders: Orders, host: Host): Promise<Gateway> {
  const dir = await home.folder('gateway')
  const ports = { http: await freePort(), postgres: await freePort(), ssh: await freePort() }
  const config = yaml(issuer, orders, host, ports)
  const configFile = join(dir, 'postern.yaml')
  const logFile = join(dir, 'log.jsonl')
  await writeFile(configFile, config, { mode: 0o600 })
  await copyFile(host.leaseFile, join(dir, 'web-1.key'))
  const log = await open(logFile, 'a', 0o600)
  const serve = spawn(postern, ['serve', '-c', configFile], {
    cwd: dir,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: { ...process.env, ORDERS_PASSWORD: orders.passwords.ro },
  })
  await log.close()
  home.keep(serve)
  const url = `http://127.0.0.1:${ports.http}`
  const ended = new Promise<never>((_, fail) => {
    serve.once('error', fail)
    serve.once('exit', async code =>
      fail(new Error(`the gateway ended (${code}): ${await readFile(logFile, 'utf8')}`)),
    )
  })
  const over = new AbortController()
  try {
    await Promise.race([ready(url, over.signal), ended])
  } finally {
    over.abort()
  }
  // From now on its end is the end of the demo, and no error.
  ended.catch(() => undefined)
  return { url, configFile, config, data: join(dir, 'data'), logFile }
}

async function ready(url: string, over: AbortSignal): Promise<void> {
  for (const end = performance.now() + 20_000; performance.now() < end && !over.aborted; ) {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1000) }).catch(() => undefined)
    if (answer?.ok) return
    await new Promise(resolve => setTimeout(resolve, 25))
  }
  throw new Error('the gateway was not ready within 20 s')
}

const yaml = (
  issuer: Issuer,
  orders: Orders,
  host: Host,
  ports: { http: number; postgres: number; ssh: number },
): string => `\
listen: { http: "127.0.0.1:${ports.http}", postgres: "127.0.0.1:${ports.postgres}", ssh: "127.0.0.1:${ports.ssh}" }
issuers:
  okta:
    issuer: ${issuer.issuer}
    audience: ${issuer.audience}
    client_groups: { ${clients.sreBot}: [sre-agents] }   # a service app: Okta puts it in no group
connections:
  web-1:
    protocol: ssh
    target: { host: 127.0.0.1, port: ${host.port}, host_key: "${host.hostKey}" }
    lease: { user: ${JSON.stringify(host.user)}, private_key: file:web-1.key }
  orders-db:
    protocol: postgres
    target: { host: 127.0.0.1, port: ${orders.port}, database: orders, tls: { mode: disable } }
    lease: { user: app_ro, password: env:ORDERS_PASSWORD }
rules:
  - group: sre-agents
    connection: web-1
    ttl: 10m
    scope: { shell: true, exec: ["*"], sftp: read }
  - group: analyst-agents
    connection: orders-db
    ttl: 15m
    scope:
      statements: [select]
      tables: [public.orders, public.order_items]
      max_rows: 1000
      mask: [{ column: public.orders.email, with: partial }]
people: { clients: [${clients.people}], operators: [postern-operators], auditors: [postern-auditors] }
`
