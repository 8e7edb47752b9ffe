/**
 * A scope as a role of the database: the statements that make one which may do exactly that, and those that unmake it.
 * Pure. Every name is quoted; no name, value or answer of the catalogue stands in a statement as it came.
 */
import { createHash, createHmac, pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import type { Catalogue, Routine } from './mint-catalogue.ts'
import { identifier, literal, qualified } from './quote.ts'
import type { PostgresScope } from './scope.ts'
import { startupSettings } from './session-setup.ts'

const PREFIX = 'postern_'

export const roleOf = (session: string): string => PREFIX + session

/** What stands in the role's comment: whose it is, and where its privileges are. */
export const markOf = (gateway: string, database: string): string => `postern ${gateway} ${database}`

/** Roles that this gateway has made for this database: their names. */
export const ourRoles = (mark: string): string => `SELECT r.rolname FROM pg_catalog.pg_roles r
  WHERE pg_catalog.left(r.rolname, ${PREFIX.length}) = ${literal(PREFIX)}
    AND pg_catalog.shobj_description(r.oid, 'pg_authid') = ${literal(mark)}`

export const sessionOf = (role: string): string => role.slice(PREFIX.length)

/**
 * GRANT rewrites the relation's own row of the catalogue, and two at once make the server fail one of them ("tuple
 * concurrently updated"). Whoever grants for sessions waits here for the other. Ends with the transaction.
 */
export const ONE_AT_A_TIME = `SET LOCAL lock_timeout = 5000; SELECT pg_catalog.pg_advisory_xact_lock(${0x706f7374}, ${0x65726e})`

export interface Wanted {
  readonly role: string
  readonly mark: string
  readonly database: string
  /** What bare names mean. */
  readonly schema: string
  /** RFC 5803: the server never learns the password, so no log of it can tell. */
  readonly verifier: string
  readonly until: Date
  readonly scope: PostgresScope
}

/** One privilege of the role: how it is given, and how it is asked whether it was. */
export interface Privilege {
  /** For people. */
  readonly what: string
  readonly give: string
  /** An expression: true when the role has it. */
  readonly has: string
}

export function createRole(wanted: Wanted, privileges: readonly Privilege[]): string {
  const role = identifier(wanted.role)
  const settings = startupSettings(wanted.schema, wanted.scope).map(
    // Lists are lists of texts: a list in one text would be the name of one schema.
    ([name, value]) =>
      `ALTER ROLE ${role} SET ${identifier(name)} TO ${value.split(', ').map(literal).join(', ')}`,
  )
  return [
    'BEGIN',
    ONE_AT_A_TIME,
    `CREATE ROLE ${role} NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS LOGIN CONNECTION LIMIT 1
      PASSWORD ${literal(wanted.verifier)} VALID UNTIL ${literal(wanted.until.toISOString())}`,
    `COMMENT ON ROLE ${role} IS ${literal(wanted.mark)}`,
    ...settings,
    // An admin that is no superuser must be a member to end the role's session and to drop what it owns.
    `GRANT ${role} TO CURRENT_USER`,
    ...privileges.map(({ give }) => `GRANT ${give} TO ${role}`),
  ].join(';\n')
}

/** Names what the role lacks: GRANT only warns where the admin has not the right to give. */
export function lacking(privileges: readonly Privilege[]): string {
  const rows = privileges.map(({ what, has }) => `(${literal(what)}, ${has})`)
  return `SELECT p.what FROM (VALUES ${rows.join(',\n')}) p(what, given) WHERE p.given IS NOT TRUE`
}

/** Exactly what the scope says, on what the catalogue has. */
export function privilegesOf({ role, database, scope }: Wanted, found: Catalogue): readonly Privilege[] {
  const to = literal(role)
  const asked = (kind: string, oid: string, privilege: string): string =>
    `pg_catalog.has_${kind}_privilege(${to}, ${literal(oid)}::pg_catalog.oid, ${literal(privilege)})`
  const privileges: Privilege[] = [
    {
      what: `connect on ${database}`,
      give: `CONNECT ON DATABASE ${identifier(database)}`,
      has: `pg_catalog.has_database_privilege(${to}, ${literal(database)}, 'CONNECT')`,
    },
  ]
  for (const { oid, schema } of found.schemas) {
    privileges.push({
      what: `usage on schema ${schema}`,
      give: `USAGE ON SCHEMA ${identifier(schema)}`,
      has: asked('schema', oid, 'USAGE'),
    })
  }
  const reads = scope.statements.includes('select') ? found.readable : []
  const writes = scope.statements.flatMap(kind => {
    const privilege = writing[kind]
    return privilege === undefined ? [] : found.writable.map(relation => ({ privilege, relation }))
  })
  for (const { privilege, relation } of [
    ...reads.map(relation => ({ privilege: 'SELECT', relation })),
    ...writes,
  ]) {
    const { oid, schema, name } = relation
    const columns = privilege === 'DELETE' ? undefined : scope.columns[`${schema}.${name}`]
    const on = qualified(schema, name)
    if (columns === undefined) {
      privileges.push({
        what: `${privilege.toLowerCase()} on ${schema}.${name}`,
        give: `${privilege} ON TABLE ${on}`,
        has: asked('table', oid, privilege),
      })
      continue
    }
    for (const column of columns) {
      privileges.push({
        what: `${privilege.toLowerCase()} on ${schema}.${name}.${column}`,
        give: `${privilege} (${identifier(column)}) ON TABLE ${on}`,
        has: `pg_catalog.has_column_privilege(${to}, ${literal(oid)}::pg_catalog.oid, ${literal(column)}, ${literal(privilege)})`,
      })
    }
  }
  for (const { oid, schema, name } of scope.statements.includes('insert') ? found.sequences : []) {
    privileges.push({
      what: `usage on sequence ${schema}.${name}`,
      give: `USAGE ON SEQUENCE ${qualified(schema, name)}`,
      has: asked('sequence', oid, 'USAGE'),
    })
  }
  for (const routine of found.routines) {
    privileges.push({
      what: `execute on ${routine.schema}.${routine.name}`,
      give: `EXECUTE ON FUNCTION ${signature(routine)}`,
      has: asked('function', routine.oid, 'EXECUTE'),
    })
  }
  return privileges
}

/** MERGE is the verbs that stand in it. */
const writing: Readonly<Record<string, string | undefined>> = {
  insert: 'INSERT',
  update: 'UPDATE',
  delete: 'DELETE',
}

const signature = ({ schema, name, takes }: Routine): string =>
  `${qualified(schema, name)}(${takes.map(type => qualified(type.schema, type.name)).join(', ')})`

/** Nobody logs in as the role any more, and who is still logged in is sent away. Rows: their processes. */
export const sendAway = (role: string): string =>
  `ALTER ROLE ${identifier(role)} NOLOGIN CONNECTION LIMIT 0;
  SELECT pid, pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usename = ${literal(role)}`

export const exists = (role: string): string =>
  `SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = ${literal(role)}`

/** What the role was given on relations of this database. Rows: schema, name, kind, privilege. */
export const givenTo = (
  role: string,
): string => `SELECT DISTINCT n.nspname, c.relname, c.relkind, a.privilege_type
  FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_shdepend d ON d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
      AND d.refobjid = r.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    JOIN pg_catalog.pg_database b ON b.oid = d.dbid AND b.datname = pg_catalog.current_database()
    JOIN pg_catalog.pg_class c ON c.oid = d.objid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN LATERAL pg_catalog.aclexplode(c.relacl) a ON a.grantee = r.oid
  WHERE r.rolname = ${literal(role)}`

/**
 * The role and all that is its own. DROP OWNED revokes ALL, columns too, which fails where an admin that owns nothing may
 * itself do nothing with the columns: a sequence, or DELETE alone. So what was given is taken back one by one before.
 * RESTRICT, which is DROP OWNED's default: what others have built on it is not ours to drop.
 */
export function dropRole(role: string, given: readonly (readonly (string | null)[])[]): string {
  const name = identifier(role)
  const revokes = given.flatMap(([schema, relation, kind, privilege]) => {
    if (typeof schema !== 'string' || typeof relation !== 'string' || !revocable.has(privilege ?? ''))
      return []
    const what = kind === 'S' ? 'SEQUENCE' : 'TABLE'
    return [`REVOKE ${privilege} ON ${what} ${qualified(schema, relation)} FROM ${name}`]
  })
  return ['BEGIN', ONE_AT_A_TIME, ...revokes, `DROP OWNED BY ${name}`, `DROP ROLE ${name}`, 'COMMIT'].join(
    ';\n',
  )
}

const revocable = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'USAGE'])

const derive = promisify(pbkdf2)

/** `SCRAM-SHA-256$<rounds>:<salt>$<StoredKey>:<ServerKey>`, as pg_authid keeps it. */
export async function scramVerifier(password: string, salt: Uint8Array, rounds = 4096): Promise<string> {
  const salted = await derive(password, salt, rounds, 32, 'sha256')
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest()
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${rounds}:${Buffer.from(salt).toString('base64')}$${stored}:${hmac('Server Key').toString('base64')}`
}
