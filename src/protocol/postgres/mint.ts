/**
 * A role for one session (docs/adr/0007): made by the admin's lease with exactly the scope's privileges, dropped after.
 * So the database holds the scope by itself, whatever might get past the guard.
 *
 * Trusts the admin's lease and nothing the target says beyond its answers' form. One transaction makes the role, so that a
 * failure at any point leaves none; what a crash leaves between its commit and its end is swept.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as elapsed } from 'node:timers/promises'
import { type Leased, Secret } from '../../config/secret.ts'
import { Refused, refuse } from '../../denial.ts'
import type { Dialling, Minted, Minting, Sweeping } from '../protocol.ts'
import { logIn, refusedBy } from './dial.ts'
import { findFamilies, needsFamilies, scopeThere } from './family.ts'
import { Absent, type Catalogue, lookUp, type Relation } from './mint-catalogue.ts'
import * as sql from './mint-sql.ts'
import type { PostgresScope } from './scope.ts'
import { type Answer, run } from './session-setup.ts'
import { type PostgresLease, type PostgresTarget, type RoleLease, schemaOf } from './target.ts'
import { frame, TERMINATE } from './wire.ts'

/** How long unmaking one role may take. Longer is the sweep's affair. */
const RELEASE = 10_000
/** How long a session that was sent away may take to go. */
const LEAVING = 2000
const GOODBYE = 1000

/** What the caller reads: what is missing in the database is the operators' business, and in the audit. */
const say = 'the database could not be prepared for this session; the operators can see why'

/** A statement of ours that the server refused. */
class Failed extends Error {}

export const minting: Minting<PostgresTarget, PostgresLease, PostgresScope> = {
  wanted: lease => lease.minted === true,
  mint,
  sweep,
}

type At = Dialling<PostgresTarget, PostgresLease, PostgresScope> & { readonly gateway: string }

async function mint(at: At): Promise<Minted<PostgresLease> | Refused> {
  const { target, scope } = at
  const { database } = target
  const admin = adminOf(at.lease)
  const password = randomBytes(32).toString('base64url')
  const role = sql.roleOf(at.session)
  const wanted = {
    role,
    mark: sql.markOf(at.gateway, database),
    database,
    schema: schemaOf(target),
    verifier: await sql.scramVerifier(password, randomBytes(16)),
    until: new Date(at.grant.expiresAt),
    scope,
  }
  const made = await asAdmin({ target, lease: admin, signal: at.signal }, async ask => {
    const rows = async (text: string) => (await ask(text)).rows
    const found = await lookUp(scope, rows)
    const privileges = needsFamilies(scope)
      ? asThere(wanted, found, scopeThere(scope, await rows(findFamilies(scope)), at.grant.connection).scope)
      : sql.privilegesOf(wanted, found)
    await ask(sql.createRole(wanted, privileges))
    const lacks = (await ask(sql.lacking(privileges))).rows.map(([what]) => what)
    // The connection ends, and with it the transaction: nothing of the role stays.
    if (lacks.length > 0) throw new Failed(`${admin.user} may not give ${lacks.slice(0, 20).join(', ')}`)
    await ask('COMMIT')
  })
  if (made instanceof Refused) return made
  return {
    lease: { user: role, password: new Secret(password) },
    async release() {
      const signal = AbortSignal.timeout(RELEASE)
      const gone = await asAdmin({ target, lease: admin, signal }, ask => remove(role, ask))
      if (gone instanceof Refused)
        throw new Error(`role ${role} is left for the sweep: ${gone.denial.detail}`)
    },
  }
}

async function sweep(at: Sweeping<PostgresTarget, PostgresLease>): Promise<readonly string[] | Refused> {
  const { target, signal } = at
  const swept: string[] = []
  const done = await asAdmin({ target, lease: adminOf(at.lease), signal }, async ask => {
    const { rows } = await ask(sql.ourRoles(sql.markOf(at.gateway, target.database)))
    for (const [role] of rows) {
      if (typeof role !== 'string' || at.isLive(sql.sessionOf(role))) continue
      await remove(role, ask)
      swept.push(sql.sessionOf(role))
    }
  })
  return done instanceof Refused ? done : swept
}

/** Partitions and views are no way around limits here either. */
function asThere(wanted: sql.Wanted, found: Catalogue, scope: PostgresScope): readonly sql.Privilege[] {
  const of = (list: readonly string[]) => {
    const names = new Set(list)
    return ({ schema, name }: Relation) => names.has(`${schema}.${name}`)
  }
  const readable = found.readable.filter(of(scope.tables))
  const writable = found.writable.filter(of(scope.write_tables))
  return sql.privilegesOf({ ...wanted, scope }, { ...found, readable, writable })
}

type Asking = (text: string) => Promise<Answer>

async function remove(role: string, ask: Asking): Promise<void> {
  if ((await ask(sql.exists(role))).rows.length === 0) return
  const until = performance.now() + LEAVING
  while ((await ask(sql.sendAway(role))).rows.length > 0) {
    if (performance.now() > until) throw new Failed(`the session of ${role} does not end`)
    await elapsed(20)
  }
  await ask(sql.dropRole(role, (await ask(sql.givenTo(role))).rows))
}

function adminOf(lease: Leased<PostgresLease>): Leased<RoleLease> {
  if (lease.minted !== true) throw new TypeError('this lease makes no roles')
  return lease.admin
}

/** Nothing of the admin's own stands for what its statements mean. */
const settings = [
  ['application_name', 'postern/roles'],
  ['search_path', 'pg_catalog, pg_temp'],
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
  ['statement_timeout', '10000'],
] as const

async function asAdmin(
  at: { target: PostgresTarget; lease: Leased<RoleLease>; signal: AbortSignal },
  work: (ask: Asking) => Promise<void>,
): Promise<undefined | Refused> {
  const loggedIn = await logIn({ ...at, settings })
  if (loggedIn instanceof Refused) return told(loggedIn)
  const { link, inbox } = loggedIn
  try {
    await work(async text => {
      const answer = await run(link, inbox, text)
      if (answer.error !== null) throw new Failed(answer.error)
      return answer
    })
    link.wire.end(frame(TERMINATE))
    setTimeout(link.destroy, GOODBYE).unref()
    return undefined
  } catch (error) {
    // At once: what is under way is rolled back, and whoever waits for us to grant goes on.
    link.destroy()
    if (error instanceof Failed || error instanceof Absent)
      return told(refuse('upstream_refused', error.message))
    if (error instanceof TypeError) throw error
    return told(refusedBy(error))
  }
}

/** The same refusal with the operators told that it was about the role, and the caller told nothing of it. */
function told({ denial: { code, detail } }: Refused): Refused {
  return refuse(code, `no role for this session: ${detail}`, { say })
}
