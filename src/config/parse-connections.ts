/** `connections` and `scopes`: the parts of the file that a protocol has the word on. */
import type { Connection } from './config.ts'
import { judge, type Report } from './judge.ts'
import { isName, nameRule } from './names.ts'
import { didYouMean } from './nearest.ts'
import { printable } from './problem.ts'
import { type ConfigProtocol, type ConfigProtocols, connection, namedScope } from './schema.ts'
import type { Path } from './source.ts'

export interface Connections {
  /** Those that are valid. */
  readonly valid: ReadonlyMap<string, Connection>
  /** The protocol of every connection that names a known one, be the rest of it valid or not. */
  readonly protocols: ReadonlyMap<string, ConfigProtocol>
  /** Every name that is written there. */
  readonly names: ReadonlySet<string>
}

export function parseConnections(raw: unknown, protocols: ConfigProtocols, report: Report): Connections {
  const valid = new Map<string, Connection>()
  const known = new Map<string, ConfigProtocol>()
  const names = new Set<string>()
  for (const [name, value, path] of entriesOf(raw, ['connections'], report)) {
    names.add(name)
    const protocol = protocolOf(value, path, protocols, report)
    const outer = judge(connection, value, path, report)
    if (protocol === undefined) continue
    known.set(name, protocol)
    const { target, lease, ceiling } = value as Record<string, unknown>
    const parsed = {
      target: judge(protocol.target, target, [...path, 'target'], report),
      lease: judge(protocol.lease, lease, [...path, 'lease'], report),
      ...(ceiling === undefined
        ? {}
        : { ceiling: judge(protocol.scope.limit, ceiling, [...path, 'ceiling'], report) }),
    }
    if (outer !== undefined)
      valid.set(name, { name, protocol: protocol.name, tokenLogin: outer.token_login, ...parsed })
  }
  return { valid, protocols: known, names }
}

export interface NamedScope {
  readonly protocol: ConfigProtocol
  /** Undefined where it is not valid, which has been reported. */
  readonly scope: unknown
}

export function parseScopes(
  raw: unknown,
  protocols: ConfigProtocols,
  report: Report,
): ReadonlyMap<string, NamedScope | undefined> {
  const scopes = new Map<string, NamedScope | undefined>()
  for (const [name, value, path] of entriesOf(raw, ['scopes'], report)) {
    const protocol = protocolOf(value, path, protocols, report)
    scopes.set(name, undefined)
    if (judge(namedScope, value, path, report) === undefined || protocol === undefined) continue
    const { protocol: _, ...rest } = value as Record<string, unknown>
    scopes.set(name, { protocol, scope: parseScope(protocol, rest, path, report) })
  }
  return scopes
}

/** A rule's scope, complete. One that allows nothing is a mistake, never "no restriction" (attack 53). */
export function parseScope(protocol: ConfigProtocol, raw: unknown, path: Path, report: Report): unknown {
  const scope = judge(protocol.scope.schema, raw, path, report)
  if (scope === undefined || !protocol.scope.isEmpty(scope)) return scope
  report(path, 'this scope allows nothing: say what may be done')
  return undefined
}

function protocolOf(
  raw: unknown,
  path: Path,
  protocols: ConfigProtocols,
  report: Report,
): ConfigProtocol | undefined {
  const name = isMap(raw) ? raw['protocol'] : undefined
  if (typeof name !== 'string') return undefined
  const protocol = protocols.get(name)
  if (protocol !== undefined) return protocol
  report(
    [...path, 'protocol'],
    planned.has(name)
      ? `the protocol ${name} is not available yet in this version`
      : `no such protocol: ${printable(name)}${didYouMean(name, protocols.keys())}`,
  )
  return undefined
}

const planned = new Set([
  'postgres',
  'ssh',
  'http',
  'kubernetes',
  'mysql',
  'mssql',
  'redis',
  'mongodb',
  'mcp',
  'tcp',
])

/** The entries of a map of named things. `key:` with nothing under it is an empty map. */
export function entriesOf(
  raw: unknown,
  path: Path,
  report: Report,
): [name: string, value: unknown, path: Path][] {
  if (raw === undefined || raw === null) return []
  if (!isMap(raw)) {
    report(path, 'must be a map')
    return []
  }
  const entries = Object.entries(raw)
  for (const [name] of entries) if (!isName(name)) report([...path, name], nameRule, 'key')
  return entries.map(([name, value]) => [name, value, [...path, name]])
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
