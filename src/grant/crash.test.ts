/** Invariant 10 by kill -9 at random moments, against the real store and the real audit. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Refused } from '../denial.ts'
import { openGateway, type Said } from './crash.fixture.ts'
import { codeOf } from './house.fixture.ts'

const ROUNDS = 6

test('kill -9 loses no acknowledged decision and revives no ended grant', async t => {
  const data = await mkdtemp(join(tmpdir(), 'postern-crash-'))
  t.after(() => rm(data, { recursive: true, force: true }))
  const all = new Map<string, Said[]>()
  let acknowledgedEndings = 0
  for (let round = 0; round < ROUNDS; round++) {
    for (const said of await killedAtRandom(data)) all.set(said.id, [...(all.get(said.id) ?? []), said])
    await within(data, grants => {
      for (const [id, saids] of all) acknowledgedEndings += check(grants, id, saids)
    })
    if (round > 0) continue
    await copyFile(join(data, 'state.db'), join(data, 'older.db'))
    // Ended after the copy was made: what the copy knows as active and must not revive.
    await within(data, async grants => {
      for (const grant of await grants.revoke(
        grants.live().map(one => one.id),
        { text: 'it was revoked' },
      ))
        all.get(grant.id)?.push({ did: 'ended', id: grant.id })
    })
  }
  assert.ok(acknowledgedEndings > 0 && all.size > ROUNDS)

  // Attack 210: the state of the first round put back, with the audit of all of them.
  await copyFile(join(data, 'older.db'), join(data, 'state.db'))
  await within(data, grants => {
    for (const [id, saids] of all) {
      const ended = saids.find(said => said.did === 'ended')
      if (ended !== undefined) assert.ok(grants.usable(id) instanceof Refused, id)
      if (ended?.locked !== undefined) assert.ok(isLocked(grants, ended.locked), id)
    }
  })
})

async function within(data: string, look: (grants: Grants) => Promise<void> | void): Promise<void> {
  const gateway = await openGateway(data)
  try {
    await look(gateway.grants)
  } finally {
    await gateway.close()
  }
}

type Grants = Awaited<ReturnType<typeof openGateway>>['grants']

/** How many acknowledged endings it looked at. */
function check(grants: Grants, id: string, saids: readonly Said[]): number {
  const did = (what: Said['did']) => saids.some(said => said.did === what)
  const shows = saids.flatMap(said =>
    'password' in said
      ? [codeOf(grants.redeem({ how: 'secret', user: id, secret: said.password }, 'ssh'))]
      : [],
  )
  const ended = saids.find(said => said.did === 'ended')
  if (ended !== undefined) {
    assert.equal(codeOf(grants.usable(id)), 'grant_revoked', id)
    if (ended.locked !== undefined) assert.ok(isLocked(grants, ended.locked), id)
    return 1
  }
  // What was begun and not acknowledged may have happened or not; all else is known.
  if (did('ending')) return 0
  if (did('renewed')) assert.deepEqual(shows, ['grant_unknown', 'not refused'], id)
  else if (!did('renewing')) assert.deepEqual(shows, ['not refused'], id)
  const used = grants.live().find(grant => grant.id === id)?.used
  if (did('used')) assert.equal(used, 1, id)
  else if (!did('using')) assert.equal(used, 0, id)
  return 0
}

const isLocked = (grants: Grants, subject: string) =>
  grants.locks.list().some(lock => lock.subject === subject)

async function killedAtRandom(data: string): Promise<Said[]> {
  const child = spawn(process.execPath, [new URL('./crash.child.ts', import.meta.url).pathname, data], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const saids: Said[] = []
  const ready = Promise.withResolvers<void>()
  const lines = createInterface({ input: child.stdout })
  lines.on('line', line => {
    const said = JSON.parse(line) as Said | { did: 'ready' }
    if (said.did === 'ready') ready.resolve()
    else saids.push(said)
  })
  const closed = new Promise(resolve => lines.once('close', resolve))
  const exited = new Promise(resolve => child.once('exit', resolve))
  await Promise.race([ready.promise, exited])
  await sleep(50 + randomInt(200))
  assert.ok(child.kill('SIGKILL'), 'the child ended by itself')
  await Promise.all([closed, exited])
  return saids
}
