/** People decide on pending grants, and see those they may decide on: members of the rule's approval group, never the requester. */
import { createRoute, z } from '@hono/zod-openapi'
import { decideBy } from '../approval/decide-by.ts'
import { mayDecide } from '../approval/may-decide.ts'
import { Refused, refuse } from '../denial.ts'
import type { House } from '../house.ts'
import { ways } from '../pipeline.ts'
import type { Grant, Identity } from '../words.ts'
import { callOf, noteCall } from './caller.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { onlyApprovers } from './people-only.ts'
import { type Router, router } from './router.ts'
import { grantParam, json, refusals, security } from './routes.ts'
import { grantRow, pendingRow } from './rows.ts'
import { ApprovalBody, GrantRow, PendingRow } from './schemas.ts'
import { shown } from './shown.ts'
import { readTtl } from './ttl.ts'

/** Of a denial's note, as its agent is shown it; the audit has it whole. */
const MOST_NOTE = 300

export function approvals(house: House): Router {
  const app = router(house)

  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/approvals',
      summary: 'Pending grants that the caller may decide on, oldest first',
      security,
      middleware: onlyApprovers(house),
      responses: { 200: json(z.array(PendingRow), 'Pending grants'), ...refusals },
    }),
    async c => {
      const { person } = c.var
      noteCall(c, house, person)
      return c.json(waitingFor(person, house), 200)
    },
  )

  // Two yeses at once would both be enough, and the second would find the grant activated under its hands.
  const inTurn = oneAtATime()
  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/approvals/{id}',
      summary: "Approve or deny a pending grant (members of the rule's approval group)",
      security,
      middleware: onlyApprovers(house),
      request: {
        params: grantParam,
        body: { required: true, content: { 'application/json': { schema: ApprovalBody } } },
      },
      responses: { 200: json(GrantRow, 'The grant as it stands now'), ...refusals },
    }),
    async c => {
      const { id } = c.req.valid('param')
      const { ttl, ...word } = c.req.valid('json')
      const ms = readTtl(ttl)
      if (ms instanceof Refused) return shown(c, house, ms)
      const { person } = c.var
      const decided = await inTurn(id, async () => {
        const grant = await house.grants.get(id)
        if (grant !== undefined)
          return decide(house, person, grant, { ...word, ...(ms === undefined ? {} : { ttl: ms }) })
        return house.told(refuse('grant_unknown', `no grant ${id}`), { identity: person, call: callOf(c) })
      })
      return decided instanceof Refused ? shown(c, house, decided) : c.json(grantRow(decided), 200)
    },
  )
  return app
}

/** The judgement that a vote meets is asked of each: who could not decide on a grant does not see it here. */
function waitingFor(person: Identity, house: House) {
  const now = house.clock.now()
  const rules = new Map(house.config().rules.map(rule => [rule.id, rule]))
  return house.grants.live().flatMap(grant => {
    const rule = rules.get(grant.rule)
    if (grant.state !== 'pending' || rule === undefined) return []
    if (mayDecide({ grant, person, rule, now }) !== undefined) return []
    const until = decideBy(rule, grant.identity, grant.issuedAt) ?? now
    // What a reload gives more of, no grant gets.
    return [pendingRow(grant, Math.min(until, grant.decideBy ?? until))]
  })
}

interface Word {
  decision: 'approve' | 'deny'
  note?: string | undefined
  ttl?: number
  scope?: unknown
}

async function decide(
  house: House,
  person: Identity,
  grant: Grant,
  { note, ...word }: Word,
): Promise<Grant | Refused> {
  const voted = await ways.vote.run(
    { person, grant, ...word, ...(note === undefined ? {} : { note }) },
    house,
  )
  if (voted instanceof Refused) return voted
  const { tally } = voted
  if (tally.outcome === 'denied') return house.grants.deny(grant.id, { text: deniedText(person, note) })
  if (tally.outcome === 'waiting') return grant
  const { identity, request } = grant
  const at = await ways.activate.run({ grant, identity, request, tally }, house)
  if (!(at instanceof Refused)) return at.grant
  // Approved, but no longer permitted: it must not wait for a yes that cannot come.
  await house.grants.revoke([grant.id], {
    text: 'the rules no longer give what was approved',
    detail: at.denial.detail,
  })
  return at
}

/** The agent reads it, and so do logs and terminals: one line, and no longer than a sentence or two. */
function deniedText({ subject }: Identity, note = ''): string {
  const line = note
    .replace(/[\s\p{C}]+/gu, ' ')
    .trim()
    .slice(0, MOST_NOTE)
  return line === '' ? `${subject} denied it` : `${subject} denied it: ${line}`
}
