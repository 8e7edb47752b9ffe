/**
 * The ways through the house, each stated once (DESIGN.md section 3). Nothing makes a session but these.
 *
 *     token -> identity -> policy -> approval -> grant -> door -> session (recording, lease, dial) -> guard -> upstream
 *
 * The compiler checks the order: a step that needs what no earlier step adds does not compile. A refusal anywhere ends
 * the way, undoes what was opened, and is audited once, by {@link refused}.
 */
import { dial, openRecording, openSession, takeLease } from './broker/open.ts'
import type { House } from './house.ts'
import { refused } from './refused.ts'
import * as step from './steps.ts'
import { way } from './way.ts'

const from = <In extends object>() => way<In, House>(refused)

/** Who is calling, what for, and does policy say yes? */
const decided = from<step.Asked>()
  .step(step.verifyToken)
  .step(step.checkRate)
  .step(step.readRequest)
  .step(step.checkLocks)
  .step(step.decideRequest)

const issued = from<step.Decided>().step(step.askApproval).step(step.issueGrant)

/** Request doors: asked at every request, made once a token and connection. */
const reused = from<step.Decided>().step(function reuseGrant(at, house) {
  return step.reuseGrant(at, house, () => issued.run(at, house))
})

/** Does everything still hold, now and from here? Asked at dial, not at menu time. */
const confirmed = from<step.Redeemed>().step(step.checkLocks).step(step.confirmRule)

/** A session, opened in the one order there is. */
const opened = from<step.Confirmed>()
  .step(step.countUse)
  .step(openSession)
  .step(openRecording)
  .step(takeLease)
  .step(dial)

/** Request doors: the grant's one session, or a new one. Every single request has been confirmed before. */
const shared = from<step.Confirmed>().step(function shareSession(at, house) {
  return step.share(at, house, () => opened.run(at, house))
})

export const ways = {
  /** A token shown with a call: whose is it? */
  caller: from<step.TokenShown>().step(step.verifyToken).step(step.checkRate),

  /** POST /v1/grants, request_connection. */
  ask: decided.join(issued),

  /** A grant's credential shown at a door. */
  door: from<step.AtDoor>().step(step.redeemGrant).join(confirmed).join(opened),

  /** The same for a request door: judged for every request, one session a grant. */
  request: from<step.AtDoor>().step(step.redeemGrant).join(confirmed).join(shared),

  /** A one-shot: the token again, a grant of its own, the same session as any request of that grant. */
  call: from<step.Called>()
    .step(step.verifyToken)
    .step(step.checkRate)
    .step(step.ownGrant)
    .join(confirmed)
    .join(shared),

  /** A person's word on a pending grant; the tally says whether it was enough. */
  vote: from<step.Voting>().step(step.castVote),

  /** It was enough: decided again in full, then active. */
  activate: from<step.Approved>().step(step.checkLocks).step(step.decideAgain).step(step.activateGrant),

  /** A token itself shown at a door (`token_login`): the same decision, and a grant for that one session. */
  token: from<step.Asked & step.AtDoor>()
    .join(decided)
    .step(step.tokenMayLogin)
    .join(issued)
    .join(confirmed)
    .join(opened),

  /** The same at a request door. */
  tokenRequest: from<step.Asked & step.AtDoor>()
    .join(decided)
    .step(step.tokenMayLogin)
    .join(reused)
    .join(confirmed)
    .join(shared),
}
