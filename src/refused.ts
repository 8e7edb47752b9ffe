/**
 * The one place where a refusal on a way is audited: all that was known when it happened, and the whole reason. What was
 * opened is closed, a use that was taken is given back. The caller never learns the detail.
 */
import type { EventType } from './audit/event.ts'
import type { LiveSession } from './broker/session.ts'
import { type Denial, isGuess, type Refused } from './denial.ts'
import { openingFailed } from './ending.ts'
import type { Use } from './grant/redeem.ts'
import type { House } from './house.ts'
import { ownerKey, ownerOf } from './owner.ts'
import type { AtDoor, Redeemed, TokenShown, Voting } from './steps.ts'

/** Whatever the steps before had found out. */
type Known = Partial<TokenShown & AtDoor & Redeemed & Voting> & {
  readonly use?: Use
  readonly session?: LiveSession
}

export async function refused(at: object, { denial }: Refused, house: House): Promise<void> {
  const known: Known = at
  const identity = known.identity ?? known.person
  if (isWritten(known, denial, house))
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
 * Attack 199: what is refused by the thousand says nothing that the first hundred have not, and must not fill the audit. All is
 * counted. A guess counts against its address, which is then refused before it gets here (attack 46); those that were
 * under way by then are not written down, unless a good token says whose they are.
 */
function isWritten(
  { source, identity }: Known,
  { code }: Denial,
  { failures, refusals, clock }: House,
): boolean {
  const now = clock.mono()
  const isKnown = source === undefined || !isGuess(code) || failures.take(source, now)
  if (identity === undefined) return isKnown
  // Above its rate, from wherever it calls.
  return code !== 'rate_limited' || refusals.take(`anywhere ${ownerKey(ownerOf(identity))}`, now)
}

function typeOf({ session, shown, grant, person, identity }: Known): EventType {
  if (person !== undefined) return 'people.refused'
  if (shown !== undefined)
    return session === undefined && grant === undefined ? 'door.refused' : 'session.refused'
  return identity === undefined ? 'token.refused' : 'grant.refused'
}
