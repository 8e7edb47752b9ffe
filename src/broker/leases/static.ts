/**
 * Leases that stand in the configuration: each secret they refer to is read when a session starts, and no earlier.
 *
 * The recorder learns every value before the upstream can echo it (invariant 5). One of the few files that may reveal.
 */
import { type Leased, type Secret, SecretRef, SecretUnavailable } from '../../config/secret.ts'
import { GatewayError } from '../../denial.ts'
import type { Recorder } from '../../recording/record.ts'

/** Reads every secret of a lease. Throws {@link GatewayError} `upstream_unreachable`, naming the reference only. */
export async function takeStaticLease<L extends object>(
  lease: L,
  recorder: Pick<Recorder, 'hide'>,
): Promise<Leased<L>> {
  const taken: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(lease)) {
    if (value instanceof SecretRef) {
      const secret = await read(value)
      recorder.hide(secret.revealLine())
      taken[key] = secret
    } else taken[key] = isMap(value) ? await takeStaticLease(value, recorder) : value
  }
  return taken as Leased<L>
}

const isMap = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

async function read(ref: SecretRef): Promise<Secret> {
  try {
    return await ref.resolve()
  } catch (error) {
    if (!(error instanceof SecretUnavailable)) throw error
    throw new GatewayError(
      { code: 'upstream_unreachable', detail: `the lease cannot be taken: ${error.message}` },
      error,
    )
  }
}
