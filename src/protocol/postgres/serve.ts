/** One client at the PostgreSQL door: greeted, let in by the pipeline or told why not, relayed. */
import { denials, Refused } from '../../denial.ts'
import { ownerKey } from '../../owner.ts'
import type { OwnFunctions } from '../../statement/sql/analysis.ts'
import type { Narrowed } from '../../words.ts'
import type { Client, Door } from '../protocol.ts'
import { greet, refuseBearer } from './greet.ts'
import type { PostgresGuard } from './guard.ts'
import { loginRefused } from './refuse.ts'
import { relay } from './relay.ts'
import type { PostgresScope } from './scope.ts'
import type { PostgresUpstream } from './upstream.ts'

export type GuardFor = (scope: Narrowed<PostgresScope>, own: OwnFunctions, who: string) => PostgresGuard

export async function serve(
  client: Client,
  door: Door<PostgresScope, PostgresUpstream>,
  guardFor: GuardFor,
): Promise<void> {
  if (client.kind !== 'stream') {
    client.socket.destroy()
    return
  }
  client.socket.setNoDelay(true)
  client.socket.setKeepAlive(true, 60_000)
  const greeted = await greet(client, door)
  if (greeted === null) return
  const { wire, startup } = greeted
  const broken = (): void => {
    wire.destroy()
  }
  wire.once('error', broken)
  const session = await door.enter(greeted.shown)
  if (session instanceof Refused) {
    const told = loginRefused(session.denial, startup.user)
    // Who is let in nowhere with a good token need not get another one.
    const words = denials[session.denial.code].http === 401 ? await refuseBearer(greeted, told, door) : told
    if (words === null) broken()
    else wire.end(words, broken)
    setTimeout(broken, 1000).unref()
    return
  }
  const { scope, own } = session.upstream
  await relay(session, greeted, guardFor(scope, own, ownerKey(session.grant.owner)))
}
