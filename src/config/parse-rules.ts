/** `rules`, held against what they name: connections, scopes, issuers, people. */
import type { Rule } from './config.ts'
import { judge, type Report } from './judge.ts'
import { didYouMean } from './nearest.ts'
import { type Connections, isMap, type NamedScope, parseScope } from './parse-connections.ts'
import { printable } from './problem.ts'
import { type ParsedRule, rule } from './rule.ts'
import type { Path } from './source.ts'

export interface Surroundings {
  readonly connections: Connections
  readonly scopes: ReadonlyMap<string, NamedScope | undefined>
  /** As written in the file, valid or not. */
  readonly issuers: ReadonlySet<string>
  /** Nothing where there are no people. */
  readonly peoplesIssuers: readonly string[] | undefined
  readonly report: Report
  readonly warn: Report
}

export function parseRules(raw: unknown, around: Surroundings): Rule[] {
  const { connections, scopes, report, warn } = around
  if (raw !== undefined && raw !== null && !Array.isArray(raw)) report(['rules'], 'must be a list')
  const rules: Rule[] = []
  const ids = new Set<string>()
  const used = new Set<unknown>()
  for (const [index, value] of (Array.isArray(raw) ? raw : []).entries()) {
    const path: Path = ['rules', index]
    const outer = judge(rule, value, path, report)
    const { issuer, connection, scope, approval } = isMap(value) ? value : {}
    used.add(connection).add(scope)
    const from = issuerOf(issuer, path, around)
    const parsed = scopeOf(connection, scope, path, around)
    if (approval !== undefined) {
      const people = around.peoplesIssuers
      if (people === undefined)
        report([...path, 'approval'], 'nobody could approve: `people` is missing', 'key')
      else if (from !== undefined && !people.includes(from))
        report(
          [...path, 'approval'],
          `nobody could approve: no people of issuer ${from} (people.issuers)`,
          'key',
        )
    }
    if (outer === undefined) continue
    const id = outer.id ?? `${outer.group}:${outer.connection}`
    if (ids.has(id))
      report([...path, 'id'], `another rule has the id ${JSON.stringify(id)}; give this one an id of its own`)
    ids.add(id)
    rules.push(toRule(outer, id, from ?? '', parsed))
  }
  for (const name of connections.names)
    if (!used.has(name)) warn(['connections', name], 'no rule names this connection', 'key')
  for (const name of scopes.keys())
    if (!used.has(name)) warn(['scopes', name], 'no rule names this scope', 'key')
  return rules
}

function toRule(outer: ParsedRule, id: string, issuer: string, scope: unknown): Rule {
  const { at_once: atOnce, total } = outer.sessions
  const { clients, source, hours } = outer.when ?? {}
  return {
    id,
    issuer,
    group: outer.group,
    connection: outer.connection,
    ttl: outer.ttl,
    scope,
    require: outer.require,
    sessions: { atOnce, ...(total === undefined ? {} : { total }) },
    ...(outer.use_within === undefined ? {} : { useWithin: outer.use_within }),
    ...(outer.approval === undefined ? {} : { approval: outer.approval }),
    ...(outer.when === undefined
      ? {}
      : { when: { ...(clients && { clients }), ...(source && { source }), ...(hours && { hours }) } }),
    outliveToken: outer.outlive_token,
    recordValues: outer.record === 'values',
  }
}

function issuerOf(name: unknown, path: Path, { issuers, report }: Surroundings): string | undefined {
  const [only, ...more] = issuers
  if (name === undefined) {
    if (more.length > 0)
      report(
        [...path, 'issuer'],
        `missing: there are several issuers (${[...issuers].map(printable).join(', ')})`,
      )
    return more.length === 0 ? only : undefined
  }
  if (typeof name !== 'string' || issuers.has(name)) return name as string
  report([...path, 'issuer'], `no such issuer: ${printable(name)}${didYouMean(name, issuers)}`)
  return undefined
}

function scopeOf(connection: unknown, scope: unknown, path: Path, around: Surroundings): unknown {
  const { connections, scopes, report, warn } = around
  const at = [...path, 'scope']
  const protocol = typeof connection === 'string' ? connections.protocols.get(connection) : undefined
  if (
    typeof connection === 'string' &&
    /^[a-z0-9-]+$/.test(connection) &&
    !connections.names.has(connection)
  ) {
    report(
      [...path, 'connection'],
      `no such connection: ${connection}${didYouMean(connection, connections.names)}`,
    )
  }
  if (typeof scope === 'string' && !scopes.has(scope)) {
    report(at, `no such scope: ${printable(scope)}${didYouMean(scope, scopes.keys())}`)
    return undefined
  }
  if (protocol === undefined || scope === undefined) return undefined
  const named = typeof scope === 'string' ? scopes.get(scope) : undefined
  if (named !== undefined && named.protocol !== protocol) {
    report(at, `the scope ${scope} is for ${named.protocol.name}, but ${connection} speaks ${protocol.name}`)
    return undefined
  }
  const parsed = typeof scope === 'string' ? named?.scope : parseScope(protocol, scope, at, report)
  const ceiling = connections.valid.get(connection as string)?.ceiling
  if (
    parsed !== undefined &&
    ceiling !== undefined &&
    protocol.scope.isEmpty(protocol.scope.meet(parsed, ceiling))
  ) {
    warn(at, `nothing of it is left under the ceiling of ${connection}`)
  }
  return parsed
}
