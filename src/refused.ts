/**
 * The one place where a refusal on a way is audited: all that was known when it happened, and the whole reason. What was
 * opened is closed, a use that was taken is given back. The caller never learns the detail.
 */
import type { EventType } from './audit/event.ts'
import type { LiveSession } from './broker/session.ts'
import type { Refused } from './denial.ts'
import { openingFailed } from './ending.ts'
import { ownerKey, ownerOf } from './grant/owner.ts'
import type { Use } from './grant/redeem.ts'
import type { House } from './house.ts'
import type { AtDoor, Redeemed, TokenShown, Voting } from './steps.ts'

/** Whatever the steps before had found out. */
type Known = Partial<TokenShown & AtDoor & Redeemed & Voting> & {
  readonly use?: Use
  readonly session?: LiveSession
}

export async function refused(at: object, { denial }: Refused, house: House): Promise<void> {
  const known: Known = at
  const identity = known.identity ?? known.person
  if (denial.code !== 'rate_limited' || mayFill(known, house))
    house.audit.noted({
      type: typeOf(known),
      reason: denial.code,
      detail: denial.detail,
      ...(identity && { identity }),
      ...(known.source !== undefined && { source: known.source }),
      ...(known.request && { connection: known.request.connection }),
      ...(known.grant && { grant: known.grant.id, rule: known.grant.rule }),
      ...(known.session && { session: known.session.id }),
      ...(known.shown &&
        !known.grant && { facts: { user: known.shown.user.slice(0, 64), how: known.shown.how } }),
    })
  // What the API refuses is counted where it is answered, together with what no way has seen (`api/shown.ts`).
  if (known.shown !== undefined) house.metrics.denials.inc({ code: denial.code, where: 'door' })
  known.use?.giveBack()
  await known.session?.end(openingFailed(denial))
}

/**
 * Attack 199: whoever goes on above its rate would write thousands of lines a second into the audit, which say nothing that the
 * first hundred have not. All are counted.
 */
function mayFill({ identity }: Known, { refusals, clock }: House): boolean {
  // From wherever it calls.
  return identity === undefined || refusals.take(`anywhere ${ownerKey(ownerOf(identity))}`, clock.mono())
}

function typeOf({ session, shown, grant, person, identity }: Known): EventType {
  if (person !== undefined) return 'people.refused'
  if (shown !== undefined)
    return session === undefined && grant === undefined ? 'door.refused' : 'session.refused'
  return identity === undefined ? 'token.refused' : 'grant.refused'
}
