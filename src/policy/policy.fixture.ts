/** For tests: two small protocols with real arithmetic, and a policy over them that each test bends. */
import { z } from 'zod'
import type { Connection, IssuerConfig, Rule } from '../config/config.ts'
import type { AnyProtocol, ScopeKind } from '../protocol/protocol.ts'
import type { GrantRequest, Identity } from '../words.ts'
import type { Asking, Policy } from './permit.ts'

export interface TableScope {
  readonly statements: readonly string[]
  readonly tables: readonly string[]
  readonly max_rows: number | null
  /** What is hidden: meeting adds. */
  readonly mask: readonly string[]
}

const texts = z.array(z.string())
const keys = { statements: texts, tables: texts, max_rows: z.int().positive().nullable(), mask: texts }
const both = (a: readonly string[], b: readonly string[] | undefined) =>
  b === undefined ? a : a.filter(one => b.includes(one))
const less = (a: number | null, b: number | null | undefined) =>
  a === null ? (b ?? null) : Math.min(a, b ?? a)

export const tables: ScopeKind<TableScope, Partial<TableScope>> = {
  schema: z.strictObject({
    statements: keys.statements,
    tables: keys.tables.default([]),
    max_rows: keys.max_rows.default(null),
    mask: keys.mask.default([]),
  }),
  limit: z.strictObject(keys).partial() as z.ZodType<Partial<TableScope>>,
  meet: (scope, limit) => ({
    statements: both(scope.statements, limit.statements),
    tables: both(scope.tables, limit.tables),
    max_rows: less(scope.max_rows, limit.max_rows),
    mask: [...new Set([...scope.mask, ...(limit.mask ?? [])])],
  }),
  isEmpty: scope => scope.statements.length === 0 || scope.tables.length === 0,
  words: scope => `${scope.statements.join(', ')} on ${scope.tables.join(', ')}`,
}

interface ShellScope {
  readonly shell: boolean
}

const shell: ScopeKind<ShellScope, Partial<ShellScope>> = {
  schema: z.strictObject({ shell: z.boolean() }),
  limit: z.strictObject({ shell: z.boolean() }).partial() as z.ZodType<Partial<ShellScope>>,
  meet: (scope, limit) => ({ shell: scope.shell && (limit.shell ?? true) }),
  isEmpty: scope => !scope.shell,
  words: scope => (scope.shell ? 'shell' : 'nothing'),
}

const named = (name: string, scope: unknown) => ({ name, scope }) as AnyProtocol
export const protocols = new Map([
  ['postgres', named('postgres', tables)],
  ['ssh', named('ssh', shell)],
])

export const connection = (name: string, over: Partial<Connection> = {}): Connection => ({
  name,
  protocol: 'postgres',
  target: {},
  lease: {},
  tokenLogin: false,
  ...over,
})

export const scope = (over: Partial<TableScope> = {}): TableScope => ({
  statements: ['select'],
  tables: ['public.orders', 'public.items'],
  max_rows: null,
  mask: [],
  ...over,
})

export const rule = (group: string, connection: string, over: Partial<Rule> = {}): Rule => ({
  id: `${group}:${connection}`,
  issuer: 'okta',
  group,
  connection,
  ttl: 600_000,
  scope: connection === 'web-1' ? { shell: true } : scope(),
  require: [],
  sessions: { atOnce: 10 },
  outliveToken: false,
  recordValues: false,
  ...over,
})

export const issuer = (over: Partial<IssuerConfig> = {}): IssuerConfig => ({
  name: 'okta',
  issuer: 'https://x.example/oauth2/default',
  audience: ['api://postern'],
  groupsClaim: 'groups',
  clientGroups: new Map(),
  algorithms: ['RS256'],
  dpop: 'optional',
  clockTolerance: 5_000,
  ...over,
})

export const policy = (rules: readonly Rule[], over: Partial<Policy> = {}): Policy => ({
  rules,
  connections: new Map([
    ['orders-db', connection('orders-db')],
    ['web-1', connection('web-1', { protocol: 'ssh' })],
    ['hidden', connection('hidden')],
  ]),
  issuers: new Map([['okta', issuer()]]),
  people: { issuers: ['okta'], clients: ['0oaPeople'], operators: [], auditors: [] },
  protocols,
  ...over,
})

/** A Monday. */
export const now = Date.parse('2026-03-02T12:00:00Z')

export const identity = (groups: readonly string[], over: Partial<Identity> = {}): Identity => ({
  issuer: 'okta',
  subject: 'agent-7',
  client: '0oaAgent1',
  kind: 'agent',
  groups,
  actors: [],
  tokenDigest: 'd',
  expiresAt: now + 3_600_000,
  ...over,
})

export const asking = (
  groups: readonly string[],
  request: GrantRequest,
  over: Partial<Asking> = {},
): Asking => ({
  identity: identity(groups),
  request,
  source: '127.0.0.1',
  now,
  ...over,
})
