/**
 * Invariant 7 and attack 176: `data/` on a disk of its own that is full. Nothing is relayed that was not recorded; the session
 * ends and says why; nothing new is granted; when there is space again, so is the gateway, and the audit verifies.
 */
import assert from 'node:assert/strict'
import { mkdir, readFile, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Message, query, RawClient } from '../../src/protocol/postgres/raw.fixture.ts'
import { type Answer, type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { startPostgres, type TestOrders } from '../fixtures/postgres.ts'
import { missing, run, until } from '../fixtures/run.ts'

let home: Home
let okta: FakeOkta
let orders: TestOrders
let gateway: Gateway
let disk: string
const skip =
  process.getuid?.() === 0 ? missing('psql', 'mount', 'umount') : 'only root can mount a disk to fill'
let mounted = true

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  orders = await startPostgres(home)
  disk = join(home.dir, 'disk')
  await mkdir(disk, { mode: 0o700 })
  mounted = (await run('mount', ['-t', 'tmpfs', '-o', 'size=6m,mode=0700', 'tmpfs', disk])).status === 0
  if (!mounted) return
  gateway = await startGateway(home, {
    okta,
    postgres: orders,
    rules:
      '  - { group: analyst-agents, connection: orders-db, ttl: 10m, scope: { statements: [select, insert], tables: [public.orders], write_tables: [public.order_items] } }',
  })
  // The same gateway again, with its data on the small disk.
  await gateway.stop()
  const data = join(gateway.dir, 'data')
  await rm(data, { recursive: true })
  await mkdir(data, { mode: 0o700 })
  await run('mount', ['--bind', disk, data])
  await gateway.start()
})
after(async () => {
  if (skip) return
  await gateway?.stop()
  if (gateway !== undefined) await run('umount', [join(gateway.dir, 'data')])
  await run('umount', [disk])
  await home.close()
})

const asked = (): Promise<Answer> => gateway.grant(okta.token({ groups: ['analyst-agents'] }), 'orders-db')
const filler = (): string => join(disk, 'filler')

/** Takes every last byte. */
async function fill(): Promise<void> {
  await run('sh', [
    '-c',
    `dd if=/dev/zero of=${filler()} bs=4096 2>/dev/null; dd if=/dev/zero of=${filler()}2 bs=1 2>/dev/null; true`,
  ])
}
async function space(): Promise<void> {
  await rm(filler(), { force: true })
  await rm(`${filler()}2`, { force: true })
}

async function login(grant: Answer['json']): Promise<RawClient> {
  const client = new RawClient(gateway.ports.postgres)
  await client.login(grant.id, grant.credential.password, { database: 'orders' })
  return client
}

test('I7: on a full disk a statement is not relayed, the session ends with recording_unavailable and nothing new is granted', {
  skip,
}, async t => {
  if (!mounted) return t.skip('this machine does not let root mount')
  const grant = (await asked()).json
  const client = await login(grant)
  await fill()
  let sent = 0
  let error: Message | undefined
  for (; sent < 500 && error === undefined; sent++) {
    client.send(query(`insert into order_items values (${10_000 + sent}, 1, 'x') /* ${'x'.repeat(6000)} */`))
    const answer = await client
      .upTo('Z')
      .catch(fatal => [{ type: 'E', fields: { M: String(fatal) } } as unknown as Message])
    error = answer.find(message => message.type === 'E')
  }
  assert.match(String(error?.fields.M), /FATAL 57P0\d: .*recording/)
  await until('the session is closed', () => client.closed)
  const { rows } = await orders.run('orders', 'select count(*)::int n from order_items where id >= 10000')
  assert.ok(Number(rows[0]?.n) <= sent - 1, `${rows[0]?.n} rows of ${sent} statements`)
  assert.deepEqual(await orders.activity(), [])
  const refused = await until('nothing is granted', async () => {
    const answer = await asked()
    return answer.status === 201 ? undefined : answer
  })
  assert.equal(
    `${refused.status} ${refused.json.code}`,
    '503 recording_unavailable',
    (await gateway.log()).slice(-1500),
  )
  assert.equal((await gateway.api('GET', '/readyz')).status, 503)
  await assert.rejects(login(grant), /FATAL|ended/)

  await space()
  const again = await until('the gateway grants again', async () => {
    const answer = await asked()
    return answer.status === 201 ? answer : undefined
  })
  assert.equal(
    (await (await login(again.json)).query('select 1')).map(message => message.type).join(''),
    'TDCZ',
  )
  const recorded = await recordedStatements()
  assert.ok(recorded >= Number(rows[0]?.n), `${rows[0]?.n} rows, ${recorded} recorded`)
  await gateway.stop()
  await verified()
  await gateway.start()
  assert.equal((await asked()).status, 201)
})

test('an agent that fills the disk leaves room for decisions (attack 179)', { skip }, async t => {
  if (!mounted) return t.skip('this machine does not let root mount')
  const token = okta.token({ groups: ['analyst-agents'] })
  const grant = (await gateway.grant(token, 'orders-db')).json
  const client = await login(grant)
  const { bavail, bsize, blocks } = await statfs(disk)
  const kept = (blocks * bsize) / 20
  await run('truncate', ['-s', '0', filler()])
  await run('fallocate', ['-l', String(Math.floor(bavail * bsize - kept - 400_000)), filler()])
  let fatal: unknown
  for (let at = 0; at < 600 && fatal === undefined; at++) {
    await client.query(`select 1 /* ${'x'.repeat(3000)} */`).catch(error => {
      fatal = error
    })
    // Slower than the gateway looks: a disk of this size keeps little.
    await sleep(20)
  }
  assert.match(String(fatal), /recording/)
  await until('the session is closed', () => client.closed)
  const left = await statfs(disk)
  assert.ok(left.bavail * left.bsize > 0, 'nothing was left')
  await assert.rejects(login(grant), /FATAL/)
  assert.equal((await gateway.api('GET', '/readyz')).json.checks.room, false)
  assert.equal((await gateway.api('DELETE', `/v1/grants/${grant.id}`, token)).status, 204)
  const next = await asked()
  assert.equal(next.status, 201, 'decisions are still made')

  await space()
  await until('sessions are opened again', () => login(next.json).catch(() => undefined))
  await verified()
})

test('an agent whose sessions take the last places for files leaves some for decisions (attack 176)', {
  skip,
}, async t => {
  if (!mounted) return t.skip('this machine does not let root mount')
  const places = (n: number) => run('mount', ['-o', `remount,nr_inodes=${n}`, disk])
  if ((await places(1200)).status !== 0) return t.skip('this machine does not let root remount')
  const token = okta.token({ groups: ['analyst-agents'] })
  const grant = (await gateway.grant(token, 'orders-db')).json
  const { ffree, files } = await statfs(disk)
  const kept = files / 20
  await run('sh', ['-c', `mkdir ${filler()} && cd ${filler()} && touch $(seq ${ffree - kept - 21})`])
  let fatal: unknown
  for (let at = 0; at < 60 && fatal === undefined; at++) {
    // Slower than the gateway looks: a disk of this size keeps little.
    await sleep(60)
    await login(grant).then(
      client => client.destroy(),
      error => {
        fatal = error
      },
    )
  }
  assert.match(String(fatal), /recording/)
  assert.ok((await statfs(disk)).ffree > 0, 'nothing was left')
  assert.equal((await gateway.api('GET', '/readyz')).json.checks.room, false)
  assert.equal((await gateway.api('DELETE', `/v1/grants/${grant.id}`, token)).status, 204)
  const next = await asked()
  assert.equal(next.status, 201, 'decisions are still made')

  await rm(filler(), { recursive: true })
  await places(100_000)
  await until('sessions are opened again', () => login(next.json).catch(() => undefined))
  await verified()
})

test('I10: a crash on a full disk loses nothing that was acknowledged, and the gateway starts when there is space', {
  skip,
}, async t => {
  if (!mounted) return t.skip('this machine does not let root mount')
  const token = okta.token({ groups: ['analyst-agents'] })
  const grant = (await gateway.grant(token, 'orders-db')).json
  assert.equal((await gateway.api('DELETE', `/v1/grants/${grant.id}`, token)).status, 204)
  await fill()
  for (let at = 0; at < 20; at++) await asked()
  await gateway.kill9()
  await space()
  await gateway.start()
  assert.equal((await gateway.api('GET', `/v1/grants/${grant.id}`, token)).json.state, 'ended')
  await verified()
})

async function recordedStatements(): Promise<number> {
  const files = (await gateway.dataFiles()).filter(file => file.endsWith('session.jsonl'))
  const texts = await Promise.all(files.map(file => readFile(file, 'utf8')))
  return texts
    .join('')
    .split('\n')
    .filter(line => line.includes('"statement"') && line.includes('insert into order_items')).length
}

async function verified(): Promise<void> {
  const answer = await gateway.cli([
    'audit',
    'verify',
    '--data',
    `${gateway.dir}/data`,
    '--key',
    `${gateway.dir}/data/keys/audit.pub.pem`,
  ])
  assert.equal(answer.status, 0, answer.stdout + answer.stderr)
}
