/** For tests: two protocols with the shapes of DESIGN.md section 8, small enough to read, without any wire. */
import { z } from 'zod'
import { filePath, secretRef } from './reference.ts'
import type { ConfigProtocol, ConfigProtocols } from './schema.ts'

const texts = z.array(z.string())
const port = z.int().min(1).max(65_535)

const login = z.strictObject({ user: z.string(), password: secretRef })
const keyed = z.strictObject({ user: z.string(), private_key: secretRef })

const database = {
  statements: z.array(z.enum(['select', 'insert', 'update', 'delete'])),
  tables: texts,
  functions: texts,
  max_rows: z.int().min(0),
  mask: z.array(z.strictObject({ column: z.string(), with: z.enum(['full', 'partial']) })),
}

interface DatabaseScope {
  readonly statements: readonly string[]
  readonly tables: readonly string[]
}

const postgres: ConfigProtocol = {
  name: 'postgres',
  target: z.strictObject({
    host: z.string(),
    port,
    database: z.string(),
    tls: z.strictObject({ mode: z.enum(['disable', 'require', 'verify-full']), ca: filePath.optional() }),
  }),
  lease: z.union([login, z.strictObject({ minted: z.literal(true), admin: z.union([login, keyed]) })]),
  scope: {
    schema: z.strictObject({
      statements: database.statements.default([]),
      tables: database.tables.default([]),
      functions: database.functions.default([]),
      max_rows: database.max_rows.optional(),
      mask: database.mask.default([]),
    }),
    limit: z.strictObject(database).partial(),
    meet: (scope, limit) => {
      const { statements, tables } = limit as Partial<DatabaseScope>
      const rule = scope as DatabaseScope
      return {
        ...rule,
        statements: rule.statements.filter(one => statements === undefined || statements.includes(one)),
        tables: rule.tables.filter(one => tables === undefined || tables.includes(one)),
      }
    },
    isEmpty: scope =>
      (scope as DatabaseScope).statements.length === 0 || (scope as DatabaseScope).tables.length === 0,
  },
}

const sftp = z.union([
  z.enum(['none', 'read', 'write']),
  z.strictObject({ read: texts.optional(), write: texts.optional() }),
])
const shell = { shell: z.boolean(), pty: z.boolean(), exec: texts, sftp }

const ssh: ConfigProtocol = {
  name: 'ssh',
  target: z.strictObject({
    host: z.string(),
    port,
    host_key: z.string().optional(),
    known_hosts: filePath.optional(),
  }),
  lease: keyed,
  scope: {
    schema: z.strictObject({
      shell: shell.shell.default(false),
      exec: texts.default([]),
      sftp: sftp.default('none'),
    }),
    limit: z.strictObject(shell).partial(),
    meet: scope => scope,
    isEmpty: scope => {
      const { shell, exec, sftp } = scope as { shell: boolean; exec: readonly string[]; sftp: unknown }
      return !shell && exec.length === 0 && sftp === 'none'
    },
  },
}

export const twoProtocols: ConfigProtocols = new Map(
  [postgres, ssh].map(protocol => [protocol.name, protocol]),
)
