/**
 * Leases that are made for one session by its protocol, and unmade when it ends (docs/adr/0007). What was made is hidden
 * from the recording like any other secret. One of the few files that may reveal.
 */
import { type Leased, Secret } from '../../config/secret.ts'
import { Refused } from '../../denial.ts'
import type { AnyProtocol, Minted } from '../../protocol/protocol.ts'
import type { Admitted } from '../open.ts'
import type { LiveSession } from '../session.ts'

/** Making one takes no longer than this; a session that ends meanwhile ends it too. */
const DEADLINE = 10_000

export type Minting = NonNullable<AnyProtocol['minting']>

export async function mintLease(
  { session, grant, connection }: Admitted & { session: LiveSession },
  by: { readonly minting: Minting; readonly standing: Leased<object>; readonly gateway: string },
): Promise<Minted<object> | Refused> {
  const minted = await by.minting.mint({
    target: connection.target,
    lease: by.standing,
    scope: session.scope,
    grant,
    session: session.id,
    gateway: by.gateway,
    signal: AbortSignal.any([session.signal, AbortSignal.timeout(DEADLINE)]),
  })
  if (minted instanceof Refused) return minted
  for (const value of Object.values(minted.lease))
    if (value instanceof Secret) session.recorder.hide(value.revealLine())
  return minted
}
