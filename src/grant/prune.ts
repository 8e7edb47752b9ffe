/** Housekeeping: what ended long ago leaves the store (the audit keeps the history), and the audit cursor moves on. */
import { step } from '../store/queries.ts'
import type { Parts } from './parts.ts'

/** How long ended grants can be asked for. */
const KEPT = 30 * 24 * 3600_000

export async function prune({ ahead, clock, log }: Parts): Promise<void> {
  const { sql } = ahead.store
  const before = clock.now() - KEPT
  const old = sql.selectFrom('grants').select('id').where('ended_at', '<', before)
  try {
    await ahead.store.write(
      step(sql.deleteFrom('approvals').where('grant_id', 'in', old)),
      step(sql.deleteFrom('grants').where('ended_at', '<', before)),
      step(sql.deleteFrom('idempotency').where('expires_at', '<=', clock.now())),
    )
    await ahead.advance()
  } catch (error) {
    log.error({ err: error }, 'the state store could not be tidied')
  }
}
