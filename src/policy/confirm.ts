/**
 * Whether a grant that was once issued is still given, in full, by the rules of this moment: asked when it is used and
 * when the rules change (DESIGN.md sections 5 and 9; attack 49). What would now be narrower is refused; nothing is ever
 * widened, prolonged or quietly changed under a running session. Pure.
 */
import type { Connection, Rule } from '../config/config.ts'
import { Refused, refuse } from '../denial.ts'
import type { AnyProtocol } from '../protocol/protocol.ts'
import type { Grant, Millis, Source } from '../words.ts'
import { rulesFor } from './match.ts'
import { narrow } from './narrow.ts'
import type { Permit, Policy } from './permit.ts'
import { checkRequire } from './require.ts'
import { same } from './same.ts'
import { noLongerTrusted } from './trust.ts'
import { isPeoples } from './weigh.ts'
import { checkWhen } from './when.ts'

/**
 * `source` is undefined where nobody is using the grant. The token is not judged again: it was good when the grant was
 * made, and the grant's own expiry already holds what it gave.
 */
export function confirm(
  grant: Grant,
  source: Source | undefined,
  now: Millis,
  policy: Policy,
): Permit | Refused {
  const { identity, request } = grant
  if (isPeoples(identity.client, policy))
    return gone(grant, `client ${identity.client} is now under people.clients`)
  const rule = rulesFor(identity, policy.rules).find(one => one.id === grant.rule)
  if (rule === undefined) return gone(grant, `no rule ${grant.rule} is there for its groups`)
  const stranger = noLongerTrusted(identity, rule, policy)
  if (stranger !== undefined) return gone(grant, stranger)
  const connection = policy.connections.get(rule.connection)
  const protocol = connection && policy.protocols.get(connection.protocol)
  if (rule.connection !== grant.connection || protocol?.name !== grant.protocol || connection === undefined) {
    return gone(grant, `rule ${rule.id} is now for another connection or protocol`)
  }
  const unstated = checkRequire(rule, request)
  if (unstated !== undefined) return gone(grant, unstated.denial.detail)
  // Attack 213: a rule that has gained an approval does not hold for what nobody approved.
  if (rule.approval !== undefined && grant.state === 'active' && grant.activatedAt === undefined)
    return gone(grant, `rule ${rule.id} now needs an approval`)
  const less =
    lessTime(grant, rule, now) ??
    lessToBegin(grant, rule) ??
    lessSessions(grant, rule) ??
    lessScope(grant, rule, connection, protocol)
  if (less !== undefined) return less
  const unmet = checkWhen(rule.when, { client: identity.client, source, now })
  if (unmet !== undefined) return unmet
  const { scope, narrowed, expiresAt, endsBy } = grant
  const ttl = expiresAt - now
  return {
    rule,
    connection,
    protocol,
    scope,
    narrowed,
    ttl,
    expiresAt,
    endsBy,
    ...(rule.approval && { approval: rule.approval }),
  }
}

/**
 * What a rule gives in full: asked for every request of a grant, and the same as long as scope, rule and connection are
 * the same objects. They never change, and a reload makes new ones.
 */
const given = new WeakMap<object, WeakMap<Rule, Connection>>()

function lessScope(
  grant: Grant,
  rule: Rule,
  connection: Connection,
  protocol: AnyProtocol,
): Refused | undefined {
  const scope: object = grant.scope
  if (given.get(scope)?.get(rule) === connection) return undefined
  const today = narrow(rule, connection, protocol, grant.request.scope)
  if (today instanceof Refused) return gone(grant, today.denial.detail)
  const kept = meet(protocol, grant.scope, today.scope)
  if (kept === undefined) return gone(grant, 'its scope is of another version of the gateway')
  if (same(kept, grant.scope)) {
    given.set(scope, (given.get(scope) ?? new WeakMap<Rule, Connection>()).set(rule, connection))
    return undefined
  }
  return gone(
    grant,
    `rule ${rule.id} now gives only ${protocol.scope.words(kept)}; the grant has ${protocol.scope.words(grant.scope)}`,
  )
}

/** Undefined for a stored scope that lacks what this version's scopes have: nothing gives it, and no reload stumbles over it. */
function meet({ scope: kind }: AnyProtocol, stored: object, today: unknown): object | undefined {
  try {
    return kind.meet(stored, today)
  } catch {
    return undefined
  }
}

/** Clocks are set; a policy is not changed by seconds. */
const slack = 60_000

/** Asked again now, the rule would end it sooner than it was promised to. */
function lessTime(grant: Grant, rule: Rule, now: Millis): Refused | undefined {
  if (!rule.outliveToken && grant.expiresAt > grant.identity.expiresAt)
    return gone(grant, `rule ${rule.id} has no outlive_token; the grant ends after its token`)
  if (grant.expiresAt - now <= rule.ttl + slack) return undefined
  return gone(
    grant,
    `rule ${rule.id} now gives ${rule.ttl} ms; the grant has ${grant.expiresAt - now} ms left`,
  )
}

/** One that waits for its first use was promised so long to begin. */
function lessToBegin(grant: Grant, { id, useWithin }: Rule): Refused | undefined {
  if (useWithin === undefined || grant.state !== 'active' || grant.used > 0) return undefined
  const latest = (grant.activatedAt ?? grant.issuedAt) + useWithin + slack
  if ((grant.useBy ?? Number.POSITIVE_INFINITY) <= latest) return undefined
  return gone(grant, `rule ${id} now gives ${useWithin} ms to begin using it`)
}

/** What it was given is checked at every use, so that a rule which now gives fewer must not leave it more. */
function lessSessions(grant: Grant, rule: Rule): Refused | undefined {
  const { atOnce, total = Number.POSITIVE_INFINITY } = rule.sessions
  const has = grant.sessions
  if (has.atOnce <= atOnce && (has.total ?? Number.POSITIVE_INFINITY) <= total) return undefined
  return gone(grant, `rule ${rule.id} now gives fewer sessions`)
}

function gone({ id, connection }: Grant, why: string): Refused {
  return refuse('grant_revoked', `grant ${id}: ${why}`, {
    say: `the rules for ${connection} have changed and no longer give this grant as it is: ask again`,
  })
}
