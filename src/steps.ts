/**
 * The steps of asking and of coming in, each a thin joint between a stage and the pipeline: the stages know neither each
 * other nor the order. The steps that open a session are the broker's (`broker/open.ts`).
 */
import { createHash } from 'node:crypto'
import { decideBy } from './approval/decide-by.ts'
import { mayDecide } from './approval/may-decide.ts'
import type { Tally } from './approval/tally.ts'
import type { LiveSession } from './broker/session.ts'
import type { Connection, Rule } from './config/config.ts'
import { Refused, refuse } from './denial.ts'
import { refusalText } from './grant/ending.ts'
import type { Use } from './grant/redeem.ts'
import { refusalOf } from './grant/states.ts'
import type { House } from './house.ts'
import { readAuthorization } from './identity/authorization.ts'
import { json } from './ledger/text.ts'
import { ownerKey, ownerOf } from './owner.ts'
import { approved } from './policy/approved.ts'
import { confirm } from './policy/confirm.ts'
import { decide } from './policy/decide.ts'
import { narrowMore } from './policy/narrow.ts'
import type { Permit } from './policy/permit.ts'
import { readRequest as readBody } from './policy/request.ts'
import type { AnyProtocol, Shown } from './protocol/protocol.ts'
import { Told } from './way.ts'
import type { Grant, GrantRequest, Identity, Source } from './words.ts'

/** A token shown with a call. */
export interface TokenShown {
  /** Every Authorization header, as it came. */
  readonly authorization: readonly string[]
  readonly source: Source
}

/** A token shown with a request for one connection. */
export interface Asked extends TokenShown {
  readonly body: unknown
  readonly idempotencyKey?: string
}

/** A credential shown at a door. */
export interface AtDoor {
  readonly shown: Shown
  readonly source: Source
  /** The door's protocol: a grant of another one is not redeemed here (attack 44). */
  readonly protocolName: string
  /** The door's connection, where a door is one connection's: `/c/<connection>/`. The same holds for it. */
  readonly connectionName?: string
  readonly client: { destroy(): void }
}

/** What asking has decided, before a grant is made of it. */
export interface Decided extends Pick<Asked, 'source' | 'body' | 'idempotencyKey'> {
  readonly identity: Identity
  readonly request: GrantRequest
  readonly permit: Permit
}

/** A grant whose credential was shown, or that a token has just made at the door. */
export interface Redeemed extends Pick<AtDoor, 'source' | 'client' | 'protocolName'> {
  readonly grant: Grant
  readonly identity: Identity
  readonly request: GrantRequest
}

/** Everything about a use of a grant has been judged. */
export interface Confirmed extends Redeemed {
  readonly rule: Rule
  readonly connection: Connection
  readonly protocol: AnyProtocol
}

/** A token shown with a one-shot on a grant. */
export interface Called extends TokenShown {
  readonly grantId: string
}

export async function verifyToken(at: TokenShown, house: House): Promise<{ identity: Identity } | Refused> {
  const shown = readAuthorization(at.authorization)
  if (shown instanceof Refused) return shown
  const identity = await house.verifier.verify(shown)
  return identity instanceof Refused ? identity : { identity }
}

/**
 * `limits.requests_per_second` of one owner, whatever it asks for (attack 168). What is asked for a grant counts once a KiB: it goes
 * into the audit and the store, twice each, and an agent must not fill the disk with it (attack 199).
 */
export function checkRate(
  { identity, body }: { identity: Identity } & Partial<Pick<Asked, 'body'>>,
  house: House,
): Record<never, never> | Refused {
  const most = house.config().limits.requestsPerSecond
  const cost = Math.min(most, Math.max(1, Math.ceil(json(body).length / 1024)))
  if (house.requests().take(ownerKey(ownerOf(identity)), house.clock.mono(), cost)) return {}
  return refuse('rate_limited', 'more than limits.requests_per_second by one owner')
}

export function readRequest(at: Asked): { request: GrantRequest } | Refused {
  const request = readBody(at.body)
  return request instanceof Refused ? request : { request }
}

export function checkLocks(
  { identity, request }: { identity: Identity; request: GrantRequest },
  house: House,
): Record<never, never> | Refused {
  const lock = house.grants.locks.matching(identity, request.connection)
  return lock === undefined ? {} : refuse('locked', `lock ${lock.id}: ${lock.reason}`)
}

export function decideRequest(
  { identity, request, source }: { identity: Identity; request: GrantRequest; source: Source },
  house: House,
): { permit: Permit } | Refused {
  const permit = decide({ identity, request, source, now: house.clock.now() }, house.policy())
  return permit instanceof Refused ? permit : { permit }
}

/** A token itself at a door: only where the connection says so, and nothing that needs a word beforehand (DESIGN.md section 6). */
export function tokenMayLogin({
  identity,
  permit,
}: {
  identity: Identity
  permit: Permit
}): Record<never, never> | Refused {
  const { connection, rule } = permit
  if (!connection.tokenLogin) return refuse('grant_unknown', `${connection.name} takes no token at its door`)
  if (rule.approval !== undefined || rule.require.length > 0) {
    return refuse(
      'approval_required',
      `rule ${rule.id} needs an approval or a reason: ask for a grant over the API`,
    )
  }
  if (identity.binding !== undefined)
    return refuse('dpop_required', 'a bound token buys no session at a door')
  return {}
}

export function askApproval({ permit }: { permit: Permit }): { state: 'active' | 'pending' } {
  return { state: permit.approval === undefined ? 'active' : 'pending' }
}

export async function issueGrant(
  at: Decided & { readonly state: 'active' | 'pending' },
  house: House,
): Promise<{ grant: Grant; password?: string } | Refused> {
  const { identity, request, permit, state, source } = at
  const { rule, connection, protocol, scope, narrowed, expiresAt, endsBy } = permit
  const publicKey = keyOf(request, protocol)
  if (publicKey instanceof Refused) return publicKey
  const now = house.clock.now()
  const until = decideBy(rule, identity, now)
  const issued = await house.grants.issue({
    owner: ownerOf(identity),
    identity,
    request,
    connection: connection.name,
    protocol: protocol.name,
    verifier: protocol.verifier,
    rule: rule.id,
    scope,
    narrowed,
    expiresAt,
    endsBy,
    sessions: rule.sessions,
    state,
    source,
    ...(rule.useWithin === undefined ? {} : { useBy: now + rule.useWithin }),
    ...(until === undefined ? {} : { decideBy: until }),
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(at.idempotencyKey === undefined
      ? {}
      : { idempotency: { key: at.idempotencyKey, request: digestOf(at.body) } }),
  })
  if (!(issued instanceof Refused) && !issued.repeated)
    house.metrics.grants.inc({ protocol: protocol.name, state })
  return issued
}

/** The key that the grant is to open for, read by the protocol that will see it. */
function keyOf({ publicKey }: GrantRequest, protocol: AnyProtocol): Uint8Array | undefined | Refused {
  if (publicKey === undefined) return undefined
  if (protocol.publicKey !== undefined) return protocol.publicKey(publicKey)
  return refuse('request_invalid', `public_key for ${protocol.name}`, {
    say: `${protocol.name} has no use for a key: leave public_key out`,
  })
}

const digestOf = (body: unknown) => createHash('sha256').update(JSON.stringify(body)).digest('hex')

export function redeemGrant(
  { shown, protocolName, connectionName }: AtDoor,
  house: House,
): Pick<Redeemed, 'grant' | 'identity' | 'request'> | Refused {
  const alone = shown.how === 'secret' && shown.user === '' && connectionName !== undefined
  const grant = alone
    ? house.grants.redeemPassword(shown.secret, protocolName)
    : house.grants.redeem(shown, protocolName)
  if (grant instanceof Refused) return grant
  if (connectionName !== undefined && grant.connection !== connectionName)
    return refuse('grant_unknown', `${grant.id} is for ${grant.connection}, shown at /c/${connectionName}`)
  return { grant, identity: grant.identity, request: grant.request }
}

/** The caller's own grant, usable now. Another's is answered as if it were not there (attack 43). */
export async function ownGrant(
  { identity, grantId }: Called & { identity: Identity },
  house: House,
): Promise<Pick<Redeemed, 'grant' | 'request' | 'client' | 'protocolName'> | Refused> {
  const own = await house.grants.find(grantId, ownerOf(identity))
  if (own instanceof Refused) return own
  const grant = own.state === 'active' ? house.grants.usable(grantId) : own
  if (grant instanceof Refused) return grant
  const code = refusalOf[grant.state]
  if (code !== undefined) return refuse(code, `${grant.id} is ${grant.state}`, { say: refusalText(grant) })
  if (grant.request.publicKey !== undefined) {
    const say = 'this grant opens for its key alone: ask for one without public_key'
    return refuse('request_invalid', `a one-shot on ${grant.id}, which has a public key`, { say })
  }
  // A one-shot has no client of its own to destroy: its request is answered when the session's signal aborts.
  return { grant, request: grant.request, client: { destroy: () => undefined }, protocolName: grant.protocol }
}

/** Request doors: the grant that this token has made for this connection, or a new one; one session, many requests. */
export async function reuseGrant(
  { identity, permit }: { identity: Identity; permit: Permit },
  house: House,
  issue: () => Promise<{ grant: Grant } | Refused>,
): Promise<{ grant: Grant } | Refused> {
  const key = `${permit.connection.name} ${identity.tokenDigest}`
  const good = (grant: Grant) => !(house.grants.usable(grant.id) instanceof Refused)
  const made = await house.broker.tokenGrants.of(key, good, issue)
  return made instanceof Refused ? new Told(made.denial) : made
}

/** Joins the grant's session at a request door, or opens it: what is refused there has been told there. */
export function share(
  { grant }: Confirmed,
  { broker }: House,
  open: () => Promise<{ session: LiveSession } | Refused>,
): { session: LiveSession } | Promise<{ session: LiveSession } | Refused> {
  const known = broker.shared.of(grant.id, async () => {
    const at = await open()
    return at instanceof Refused ? at : at.session
  })
  if (!(known instanceof Promise)) return { session: known }
  return known.then(session => (session instanceof Refused ? new Told(session.denial) : { session }))
}

/** One of the grant's sessions is taken, so that two who come together cannot have the last one (attacks 48, 223). */
export async function countUse(
  { grant }: { grant: Grant },
  house: House,
): Promise<{ use: Use; grant: Grant } | Refused> {
  const use = await house.grants.use(grant.id)
  return use instanceof Refused ? use : { use, grant: use.grant }
}

/** A person's word on a pending grant. */
export interface Voting {
  readonly person: Identity
  readonly grant: Grant
  readonly decision: 'approve' | 'deny'
  readonly note?: string
  readonly ttl?: number
  readonly scope?: unknown
}

export async function castVote(at: Voting, house: House): Promise<{ tally: Tally } | Refused> {
  const rule = house.config().rules.find(({ id }) => id === at.grant.rule)
  if (rule === undefined) return refuse('grant_revoked', `rule ${at.grant.rule} is gone`)
  const no = mayDecide({ ...at, rule, now: house.clock.now() }) ?? narrower(at, rule, house)
  if (no !== undefined) return no
  const tally = await house.approvals.decide({ ...at, rule })
  return tally instanceof Refused ? tally : { tally }
}

/** Before it counts: a typo is told to whoever made it, and does not end what was asked for. */
function narrower({ scope, grant }: Voting, rule: Rule, house: House): Refused | undefined {
  const protocol = house.protocols.get(grant.protocol)
  if (scope === undefined || protocol === undefined) return undefined
  const left = narrowMore({ protocol, rule, scope: grant.scope }, [scope])
  return left instanceof Refused ? left : undefined
}

/** Enough have said yes: the whole decision runs again, under the rules and locks of this moment. */
export interface Approved {
  readonly grant: Grant
  readonly identity: Identity
  readonly request: GrantRequest
  readonly tally: Tally
}

export function decideAgain({ grant, tally }: Approved, house: House): { permit: Permit } | Refused {
  const permit = approved(grant, tally, house.clock.now(), house.policy())
  return permit instanceof Refused ? permit : { permit }
}

export async function activateGrant(
  { grant, tally, permit }: Approved & { readonly permit: Permit },
  house: House,
): Promise<{ grant: Grant } | Refused> {
  const { scope, narrowed, expiresAt, endsBy, rule } = permit
  const active = await house.grants.activate(grant.id, {
    scope,
    narrowed,
    expiresAt,
    endsBy,
    ...(rule.useWithin === undefined ? {} : { useBy: house.clock.now() + rule.useWithin }),
    facts: { approvers: tally.approvers },
  })
  if (active instanceof Refused) return active
  house.metrics.grants.inc({ protocol: active.protocol, state: 'active' })
  return { grant: active }
}

/** Does the rule still give all of this, now, from here? Decided at dial, not when the grant was made (GHSA-rccx). */
export function confirmRule(
  { grant, source, protocolName }: Redeemed,
  house: House,
): { rule: Rule; connection: Connection; protocol: AnyProtocol } | Refused {
  const permit = confirm(grant, source, house.clock.now(), house.policy())
  if (permit instanceof Refused) return permit
  const { rule, connection, protocol } = permit
  if (protocol.name === protocolName) return { rule, connection, protocol }
  return refuse('grant_unknown', `grant ${grant.id} is for ${protocol.name}, shown at ${protocolName}`)
}
