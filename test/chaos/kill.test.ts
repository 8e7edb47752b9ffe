/**
 * Invariants 8 and 10: kill -9 at random moments (seeded) while agents ask, use and give back, and operators lock. What was
 * acknowledged holds after every restart, the audit has it and verifies, and nothing is left running upstream.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { randomOf } from '../../src/protocol/postgres/vectors/random.ts'
import { newKey, pgUrl, psql, ssh } from '../fixtures/clients.ts'
import { type Answer, type Gateway, type Setting, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing, until } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'

const skip = missing('psql', 'ssh', '/usr/sbin/sshd')
const seed = Number(process.env['CHAOS_SEED'] ?? 20_261)
let home: Home
let okta: FakeOkta
let orders: TestOrders
let gateway: Gateway
let setting: Setting

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  setting = {
    okta,
    postgres: orders,
    sshd: await startSshd(home),
    rules: `
  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select], tables: [public.orders], functions: [pg_catalog.pg_sleep] } }
  - { group: once-agents, connection: orders-db, ttl: 10m, sessions: { total: 1 }, scope: { statements: [select], tables: [public.orders] } }
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { shell: true, exec: ["*"] } }
`,
  }
})
after(() => home?.close())

const random = randomOf(seed)
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T

interface Held {
  readonly id: string
  readonly token: string
  readonly subject: string
  readonly grant: {
    readonly id: string
    readonly credential: { readonly username: string; readonly password: string }
  }
}

/** What the gateway has said yes to. Only an answer that arrived counts. */
const nothing = () => ({
  issued: new Map<string, Held>(),
  ended: new Set<string>(),
  locks: new Map<string, string>(),
  used: new Set<string>(),
})
let acknowledged = nothing()
/** Subjects somebody asked to lock: the gateway may have done it and died before its answer arrived. */
const lockAsked = new Set<string>()
const mark = 82_000
let subjects = 0

async function acts(stopped: () => boolean): Promise<void> {
  while (!stopped()) {
    const act = pick(['ask', 'ask', 'use', 'once', 'end', 'lock', 'host', 'sleep'])
    // The gateway dies in the middle of most of these: what then fails was not acknowledged.
    await perform(act).catch(() => undefined)
  }
}

async function issue(group: string, connection = 'orders-db', more: object = {}): Promise<Held | undefined> {
  const subject = `agent-${++subjects}@example.com`
  const token = okta.token({ groups: [group], sub: subject })
  const answer = await gateway.grant(token, connection, more as Record<string, unknown>)
  if (answer.status !== 201) return undefined
  const held = { id: answer.json.id, token, subject, grant: answer.json }
  acknowledged.issued.set(held.id, held)
  return held
}

const live = (): Held[] =>
  [...acknowledged.issued.values()].filter(
    one => !acknowledged.ended.has(one.id) && ![...acknowledged.locks.values()].includes(one.subject),
  )

async function perform(act: string): Promise<void> {
  if (act === 'ask') await issue('analyst-agents')
  if (act === 'use' || act === 'sleep') {
    const held = await issue('analyst-agents')
    if (held === undefined) return
    const client = psql(
      pgUrl(gateway, held.grant),
      act === 'use' ? 'select count(*) from orders' : 'select pg_sleep(600)',
    )
    if (act === 'use') await client
    else await Promise.race([client, new Promise(done => setTimeout(done, 200))])
  }
  if (act === 'once') {
    const held = await issue('once-agents')
    if (held === undefined) return
    const used = await psql(pgUrl(gateway, held.grant), 'select 1')
    if (used.stdout === '1\n') acknowledged.used.add(held.id)
  }
  if (act === 'end') {
    const held = pick(live())
    if (held === undefined) return
    const answer: Answer = await gateway.api('DELETE', `/v1/grants/${held.id}`, held.token)
    if (answer.status === 204) acknowledged.ended.add(held.id)
  }
  if (act === 'lock') {
    const held = pick(live())
    if (held === undefined) return
    lockAsked.add(held.subject)
    const answer = await gateway.api('POST', '/v1/locks', okta.person(['postern-operators']), {
      subject: held.subject,
      reason: 'chaos',
    })
    if (answer.status === 201) acknowledged.locks.set(answer.json.id, held.subject)
  }
  if (act === 'host') {
    const key = await newKey(home)
    const held = await issue('sre-agents', 'web-1', { public_key: key.public })
    if (held !== undefined)
      await Promise.race([
        // Without a terminal, which the host would hang up by itself.
        ssh(gateway, held.grant, key, [`exec sleep ${mark}`]),
        new Promise(done => setTimeout(done, 250)),
      ])
  }
}

function running(command: string): number {
  return globSync('/proc/[0-9]*/cmdline').filter(path => {
    try {
      return readFileSync(path, 'utf8').replaceAll('\0', ' ').trim() === command
    } catch {
      return false
    }
  }).length
}

async function auditLines(): Promise<{ type: string; grant?: string; facts?: Record<string, unknown> }[]> {
  const files = (await gateway.dataFiles()).filter(file => /\/audit\/.*\.jsonl$/.test(file))
  const texts = await Promise.all(files.map(file => readFile(file, 'utf8')))
  return texts.flatMap(text =>
    text
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line)),
  )
}

for (const [what, rounds, args] of [
  ['a single process', 12, []],
  ['the first of several processes', 5, ['--workers', '2']],
] as const)
  test(`I10: killed at random moments, nothing acknowledged is lost and nothing revoked comes back: ${what}, ${rounds} times, seed ${seed}`, {
    skip,
    timeout: 150_000,
  }, async t => {
    acknowledged = nothing()
    lockAsked.clear()
    gateway = await startGateway(home, { ...setting, args })
    for (let round = 1; round <= rounds; round++) await killedOnce(round)
    t.diagnostic(
      `${acknowledged.issued.size} grants, ${acknowledged.ended.size} given back, ${acknowledged.locks.size} locks, ${acknowledged.used.size} used up`,
    )
    assert.ok(
      acknowledged.issued.size > rounds * 2 && acknowledged.ended.size > 1 && acknowledged.locks.size > 1,
    )
  })

async function killedOnce(round: number): Promise<void> {
  let stopped = false
  const agents = Array.from({ length: 4 }, () => acts(() => stopped))
  await new Promise(done => setTimeout(done, 200 + random() * 900))
  await gateway.kill9()
  stopped = true
  await until(
    'nothing of the dead gateway runs in the database',
    async () => (await orders.activity()).length === 0,
    6000,
  )
  await until('nothing of the dead gateway runs on the host', () => running(`sleep ${mark}`) === 0, 6000)
  await gateway.start()
  await Promise.all(agents)
  await holds()
  const verified = await gateway.cli([
    'audit',
    'verify',
    '--data',
    `${gateway.dir}/data`,
    '--key',
    `${gateway.dir}/data/keys/audit.pub.pem`,
  ])
  assert.equal(verified.status, 0, `round ${round}: ${verified.stdout}${verified.stderr}`)
}

async function holds(): Promise<void> {
  const lines = await auditLines()
  const issued = new Set(lines.filter(line => line.type === 'grant.issued').map(line => line.grant))
  for (const id of acknowledged.issued.keys())
    assert.ok(issued.has(id), `${id} was acknowledged and is not in the audit`)
  const over = new Set(
    lines
      .filter(line => line.type === 'grant.ended' || line.type === 'grant.revoked')
      .map(line => line.grant),
  )
  for (const id of acknowledged.ended) assert.ok(over.has(id), `the end of ${id} is not in the audit`)
  const locks = await gateway.api('GET', '/v1/locks', okta.person(['postern-auditors']))
  const inForce = new Set((locks.json as { id: string }[]).map(lock => lock.id))
  for (const id of acknowledged.locks.keys()) assert.ok(inForce.has(id), `${id} is no longer in force`)
  for (const held of acknowledged.issued.values()) {
    const locked = [...acknowledged.locks.values()].includes(held.subject)
    const { json } = await gateway.api('GET', `/v1/grants/${held.id}`, held.token)
    // Giving back what a lock has just revoked is acknowledged too: it is over, and stays what it became first.
    if (locked || (acknowledged.ended.has(held.id) && lockAsked.has(held.subject)))
      assert.ok(['revoked', 'ended'].includes(json.state), `${held.id} is locked and ${json.state}`)
    else if (acknowledged.ended.has(held.id)) assert.equal(json.state, 'ended', held.id)
    if (locked) assert.equal((await gateway.grant(held.token, 'orders-db')).json.code, 'locked')
  }
  // A few of each kind are tried at the door itself.
  const dead = [...acknowledged.issued.values()]
    .filter(one => acknowledged.ended.has(one.id) || acknowledged.used.has(one.id))
    .slice(-4)
  for (const held of dead.filter(one => one.grant.credential.password !== undefined)) {
    const answer = await psql(pgUrl(gateway, held.grant), 'select 1')
    assert.equal(answer.stdout, '', `${held.id} opened again`)
  }
}
