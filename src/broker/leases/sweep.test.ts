import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Connection } from '../../config/config.ts'
import { SecretRef } from '../../config/secret.ts'
import { refuse } from '../../denial.ts'
import { postgres } from '../../protocol/postgres/index.ts'
import type { AnyProtocol } from '../../protocol/protocol.ts'
import { createLog, type Log } from '../../telemetry/log.ts'
import { createLiveSessions } from '../live.ts'
import type { Minting } from './minted.ts'
import { type Sweeping, startSweep } from './sweep.ts'

const missing = new SecretRef('env:POSTERN_NO_SUCH_VARIABLE')
const standing = { user: 'app', password: missing }
const minted = { minted: true, admin: { user: 'minter', password: 'not read here' } }

/** PostgreSQL as it is, but for what it does at the target. */
function sweeping(leases: readonly object[], sweep: () => Promise<never[]>): Sweeping & { said: object[] } {
  const minting = { ...(postgres.minting as Minting), sweep }
  const said: object[] = []
  const log = Object.assign(createLog('silent'), {
    error: (facts: object) => said.push(facts),
    warn: (facts: object) => said.push(facts),
  }) as Log
  return {
    said,
    connections: () =>
      leases.map((lease, i) => ({ name: `db-${i}`, protocol: 'postgres', target: {}, lease }) as Connection),
    protocols: new Map<string, AnyProtocol>([['postgres', { ...postgres, minting }]]),
    live: createLiveSessions(),
    gateway: 'g',
    log,
  }
}
const turns = async () => {
  for (let i = 0; i < 20; i++) await turn()
}

test('a round that is slow has no others queued behind it: the next comes a minute after its end', async t => {
  t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
  let begun = 0
  let end = (): void => undefined
  const at = sweeping([minted], () => {
    begun++
    return new Promise(resolve => {
      end = () => resolve([])
    })
  })
  using sweep = startSweep(at)
  await turns()
  t.mock.timers.tick(600_000)
  end()
  await turns()
  assert.equal(begun, 1)
  t.mock.timers.tick(59_999)
  await turns()
  assert.equal(begun, 1)
  t.mock.timers.tick(1)
  await turns()
  assert.equal(begun, 2)
  sweep[Symbol.dispose]()
  end()
  await turns()
  t.mock.timers.tick(600_000)
  await turns()
  assert.equal(begun, 2)
})

test('the secrets of a lease that makes no others are not read, and nothing is said of them', async () => {
  let swept = 0
  const at = sweeping([standing, minted], async () => {
    swept++
    return []
  })
  using _ = startSweep(at)
  await turns()
  assert.equal(swept, 1)
  assert.deepEqual(at.said, [])
})

test('one that cannot be swept is said, and the next is swept nevertheless', async () => {
  const answers = [refuse('upstream_unreachable', 'it is down'), []]
  const at = sweeping([minted, minted], async () => answers.shift() as never[])
  using _ = startSweep(at)
  await turns()
  assert.deepEqual(at.said, [{ connection: 'db-0', why: 'it is down' }])
  assert.equal(answers.length, 0)
})
