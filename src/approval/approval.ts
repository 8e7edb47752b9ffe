/**
 * Votes on pending grants: judged, audited, stored, counted. It activates nothing: on `approved` the pipeline runs the
 * whole decision again, under the rules and locks of that moment, and activates what comes out.
 */
import type { Audit } from '../audit/event.ts'
import { type Refused, refuse } from '../denial.ts'
import { step } from '../store/queries.ts'
import type { Store } from '../store/store.ts'
import type { ApprovalRow } from '../store/tables.ts'
import type { Clock, Grant, Identity } from '../words.ts'
import { type Deciding, mayDecide } from './may-decide.ts'
import { shownDigest } from './shown.ts'
import { type Tally, tally, type Vote } from './tally.ts'

export interface Decision {
  readonly grant: Grant
  readonly person: Identity
  readonly rule: Deciding['rule']
  readonly decision: 'approve' | 'deny'
  readonly note?: string
  /** Less than was asked for; already validated by the protocol's schema. */
  readonly ttl?: number
  readonly scope?: unknown
  /** The hash of what the approver saw, where their page sends it. */
  readonly shown?: string
}

export interface Approvals {
  decide(decision: Decision): Promise<Tally | Refused>
}

const LONGEST_NOTE = 1_000

export interface ApprovalsOptions {
  readonly store: Store
  readonly audit: Audit
  readonly clock: Clock
}

export function createApprovals({ store, audit, clock }: ApprovalsOptions): Approvals {
  const { sql } = store

  async function votesOn(grant: string): Promise<readonly Vote[]> {
    const query = sql.selectFrom('approvals').selectAll().where('grant_id', '=', grant)
    return (await store.read(query)).map(fromRow)
  }

  async function decide(given: Decision): Promise<Tally | Refused> {
    const { grant, person, rule, decision, note, ttl, scope } = given
    const now = clock.now()
    const no = mayDecide({ grant, person, rule, now })
    if (no !== undefined) return no
    if (note !== undefined && note.length > LONGEST_NOTE)
      return refuse('request_invalid', `a note of ${note.length} characters`, {
        say: `a note has at most ${LONGEST_NOTE} characters`,
      })
    const shown = shownDigest(grant, rule.approval?.group)
    if (given.shown !== undefined && given.shown !== shown)
      return refuse('request_invalid', `${grant.id} is not what the approver was shown`, {
        say: 'the request has changed since you saw it: look again',
      })
    const narrower = { ...(ttl === undefined ? {} : { ttl }), ...(scope === undefined ? {} : { scope }) }
    await audit.decided({
      type: 'approval.decided',
      identity: person,
      grant: grant.id,
      connection: grant.connection,
      rule: grant.rule,
      facts: { decision, shown, ...(note === undefined ? {} : { note }), ...narrower },
    })
    const row: ApprovalRow = {
      grant_id: grant.id,
      issuer: person.issuer,
      subject: person.subject,
      uid: person.uid ?? null,
      decision,
      note: note ?? null,
      narrower: JSON.stringify(narrower),
      shown,
      decided_at: now,
    }
    if ((await store.write(step(sql.insertInto('approvals').values(row)))) === 'conflict')
      return refuse('request_invalid', `${person.subject} has decided on ${grant.id} before`, {
        say: 'you have decided on this grant already',
      })
    return tally(await votesOn(grant.id), shown, rule.approval?.count ?? Number.POSITIVE_INFINITY)
  }

  return { decide }
}

function fromRow({ subject, uid, decision, shown, narrower }: ApprovalRow): Vote {
  const { ttl, scope } = JSON.parse(narrower) as Pick<Vote, 'ttl' | 'scope'>
  return {
    subject,
    decision,
    shown,
    ...(uid === null ? {} : { uid }),
    ...(ttl === undefined ? {} : { ttl }),
    ...(scope === undefined ? {} : { scope }),
  }
}
