/** What this token may ask for, here and now: one entry a rule, in file order. For GET /v1/connections and refusals. Pure. */
import type { Rule } from '../config/config.ts'
import type { Millis } from '../words.ts'
import { rulesFor } from './match.ts'
import { given } from './narrow.ts'
import type { Asking, Policy } from './permit.ts'
import { isPeoples } from './weigh.ts'
import { checkWhen } from './when.ts'

export interface Reachable {
  readonly connection: string
  readonly protocol: string
  readonly rule: string
  readonly ttl: Millis
  /** The rule's under the connection's ceiling; a request may ask for less. */
  readonly scope: unknown
  readonly approval: boolean
  readonly require: Rule['require']
}

export function reachable(
  { identity, source, now }: Omit<Asking, 'request'>,
  policy: Policy,
): readonly Reachable[] {
  if (isPeoples(identity.client, policy)) return []
  return rulesFor(identity, policy.rules).flatMap(rule => {
    const connection = policy.connections.get(rule.connection)
    const protocol = connection && policy.protocols.get(connection.protocol)
    if (connection === undefined || protocol === undefined) return []
    if (checkWhen(rule.when, { client: identity.client, source, now }) !== undefined) return []
    const scope: unknown = given(rule, connection, protocol)
    if (protocol.scope.isEmpty(scope)) return []
    const { id, ttl, require, approval } = rule
    return [
      {
        connection: connection.name,
        protocol: protocol.name,
        rule: id,
        ttl,
        scope,
        approval: approval !== undefined,
        require,
      },
    ]
  })
}
