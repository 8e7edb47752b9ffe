/** Grants on a real store and the real audit in one folder, as `serve` opens them. */
import { openAudit } from '../audit/audit.ts'
import { openSealKey } from '../ledger/keys.ts'
import { openStore } from '../store/store.ts'
import { createLog } from '../telemetry/log.ts'
import { openGrants } from './grants.ts'

/** What the child says: what it begins, and what was acknowledged. */
export type Said =
  | { readonly did: 'issued' | 'renewed'; readonly id: string; readonly password: string }
  | { readonly did: 'renewing' | 'using' | 'used' | 'ending'; readonly id: string }
  | { readonly did: 'ended'; readonly id: string; readonly locked?: string }

const clock = { now: () => Date.now(), mono: () => performance.now() }

export async function openGateway(data: string) {
  const log = createLog('silent')
  const store = await openStore(data)
  const audit = await openAudit({
    data,
    clock,
    key: openSealKey(data),
    policyDigest: () => '0'.repeat(64),
    log,
  })
  const grants = await openGrants({
    store,
    audit,
    replay: since => audit.replay(since),
    clock,
    log,
    grantsPerOwner: () => 16,
  })
  const close = async () => {
    await grants.close()
    await audit.close()
    await store.close()
  }
  return { grants, clock, close }
}
