/**
 * The bytes of postern.yaml to a {@link Config}: whole or not at all, with every problem told at once. Pure.
 *
 * Each section is judged on its own and then held against the others as they are written, so that one mistake is told once
 * and hides no other.
 */
import { createHash } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import type { Config, IssuerConfig } from './config.ts'
import { issuer as issuerSchema } from './issuer.ts'
import { judge, type Report, reporter } from './judge.ts'
import { didYouMean } from './nearest.ts'
import { entriesOf, isMap, parseConnections, parseScopes } from './parse-connections.ts'
import { parseListen } from './parse-listen.ts'
import { parseRules } from './parse-rules.ts'
import { ConfigError, type Problem, printable } from './problem.ts'
import { absolutise, type Reference } from './references.ts'
import { type ConfigProtocols, configSchema } from './schema.ts'
import { SecretRef } from './secret.ts'
import { readSource } from './source.ts'

export interface Loaded {
  readonly config: Config
  /** Probably not meant so, but harmless: shown by `postern check`. */
  readonly warnings: readonly Problem[]
  /** The files that the configuration refers to, absolute. Whoever writes them decides what we trust. */
  readonly files: readonly ReferencedFile[]
  /** The environment variables it refers to, with the place of each. */
  readonly variables: readonly (Problem & { readonly name: string })[]
}

export interface ReferencedFile {
  readonly path: string
  /** Nobody else may even read it. */
  readonly secret: boolean
}

/** `file` is absolute; `shown` is what messages call it. Throws {@link ConfigError}. */
export function parseConfig(
  bytes: Uint8Array,
  file: string,
  protocols: ConfigProtocols,
  shown = file,
): Loaded {
  const source = readSource(decode(bytes, shown))
  const problems: Problem[] = [...source.problems]
  const warnings: Problem[] = []
  // What the YAML was refused for is not also missing.
  const told = new Set(problems.map(problem => problem.key))
  const report = reporter(source, problems, told)
  const { data, references } = absolutise(source.data, dirname(file))
  const config =
    problems.length === 0 || isMap(data)
      ? parseData(data, file, bytes, protocols, report, reporter(source, warnings))
      : undefined
  if (problems.length > 0 || config === undefined)
    throw new ConfigError(shown, problems.sort(byPlace).slice(0, 100))
  const variables = references
    .filter(one => one.ref.startsWith('env:'))
    .map(one => {
      const name = one.ref.slice('env:'.length)
      return {
        ...source.place(one.path),
        key: one.path.join('.'),
        name,
        message: `the variable ${name} is not set here`,
      }
    })
  return {
    config: freeze(config),
    warnings: warnings.sort(byPlace),
    files: filesOf(references, config),
    variables,
  }
}

function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new ConfigError(file, [{ line: 1, column: 1, key: '', message: 'this is not UTF-8' }], {
      cause: error,
    })
  }
}

function byPlace(a: Problem, b: Problem): number {
  return a.line - b.line || a.column - b.column
}

function parseData(
  data: unknown,
  file: string,
  bytes: Uint8Array,
  protocols: ConfigProtocols,
  report: Report,
  warn: Report,
): Config | undefined {
  if (!isMap(data)) {
    report([], 'must be a map with `listen`, `issuers`, `connections` and `rules`')
    return undefined
  }
  const sections = configSchema(protocols.values()).shape
  for (const key of Object.keys(data)) {
    if (!Object.hasOwn(sections, key))
      report([key], `unknown key${didYouMean(key, Object.keys(sections))}`, 'key')
  }
  const folder = judge(sections.data, data['data'], ['data'], report)
  const where = parseListen(data, sections, protocols, report)
  const issuers = parseIssuers(data['issuers'], report)
  const connections = parseConnections(data['connections'], protocols, report)
  const scopes = parseScopes(data['scopes'], protocols, report)
  const peoples = judge(sections.people, data['people'], ['people'], report)
  const people = peoples && {
    ...peoples,
    issuers: peoplesIssuers(peoples.issuers, data['issuers'], report, warn),
  }
  const limits = judge(sections.limits, data['limits'], ['limits'], report)
  const rules = parseRules(data['rules'], {
    connections,
    scopes,
    issuers: new Set(isMap(data['issuers']) ? Object.keys(data['issuers']) : []),
    peoplesIssuers: data['people'] === undefined ? undefined : (people?.issuers ?? [...issuers.keys()]),
    report,
    warn,
  })
  if (folder === undefined || where === undefined || limits === undefined) return undefined
  return {
    file,
    digest: createHash('sha256').update(bytes).digest('hex'),
    data: resolve(dirname(file), folder),
    ...where,
    issuers,
    connections: connections.valid,
    rules,
    limits: { grants: limits.grants, requestsPerSecond: limits.requests_per_second },
    ...(people && { people }),
  }
}

/** Groups and clients are names of their issuer's, so a person is one of these issuers' and no other's. */
function peoplesIssuers(
  named: readonly string[] | undefined,
  issuers: unknown,
  report: Report,
  warn: Report,
): readonly string[] {
  const known = isMap(issuers) ? Object.keys(issuers) : []
  const [first, ...more] = known
  if (named === undefined) {
    if (more.length > 0)
      warn(
        ['people'],
        `people log in at ${first}, the first issuer: say so with \`issuers: [${first}]\``,
        'key',
      )
    return first === undefined ? [] : [first]
  }
  const wrong = named.flatMap((one, index) => (known.includes(one) ? [] : [{ one, index }]))
  for (const { one, index } of wrong)
    report(['people', 'issuers', index], `no such issuer: ${printable(one)}${didYouMean(one, known)}`)
  // One mistake is told once: not also that nobody could approve.
  return wrong.length > 0 ? known : named
}

function parseIssuers(raw: unknown, report: Report): ReadonlyMap<string, IssuerConfig> {
  const issuers = new Map<string, IssuerConfig>()
  const urls = new Map<string, string>()
  const entries = entriesOf(raw, ['issuers'], report)
  if (entries.length === 0) report(['issuers'], 'missing: no token could be accepted')
  for (const [name, value, path] of entries) {
    const url = isMap(value) ? value['issuer'] : undefined
    const other = typeof url === 'string' ? urls.get(url) : undefined
    if (other !== undefined) report([...path, 'issuer'], `is the issuer of ${other} too`)
    if (typeof url === 'string') urls.set(url, name)
    const parsed = judge(issuerSchema, value, path, report)
    if (parsed === undefined) continue
    issuers.set(name, {
      name,
      issuer: parsed.issuer,
      audience: parsed.audience,
      groupsClaim: parsed.groups_claim,
      clientGroups: new Map(Object.entries(parsed.client_groups)),
      algorithms: parsed.algorithms,
      ...(parsed.clients && { clients: parsed.clients }),
      dpop: parsed.dpop,
      clockTolerance: parsed.clock_tolerance,
    })
  }
  return issuers
}

function filesOf(references: readonly Reference[], { connections, listen }: Config): ReferencedFile[] {
  const secrets = new Set<string>()
  const walk = (value: unknown): void => {
    if (value instanceof SecretRef) secrets.add(value.ref)
    else if (value !== null && typeof value === 'object') for (const item of Object.values(value)) walk(item)
  }
  for (const { target, lease } of connections.values()) walk([target, lease])
  walk(listen.tls)
  const files = new Set(references.map(one => one.ref).filter(ref => ref.startsWith('file:')))
  return [...files].map(ref => ({ path: ref.slice('file:'.length), secret: secrets.has(ref) }))
}

/** Plain data all the way down: frozen, so that nobody changes a policy that others are judged by. */
function freeze<T>(value: T): T {
  if (value === null || typeof value !== 'object' || Object.isFrozen(value)) return value
  if (value instanceof Map) for (const item of value.values()) freeze(item)
  else if (!(value instanceof URL)) {
    Object.freeze(value)
    for (const item of Object.values(value)) freeze(item)
  }
  return value
}
