/**
 * A yes of the policy becomes a grant: counted, named, given a password, audited, stored, and only then answered.
 *
 * It stands in memory from the first moment, before any wait, so that a lock or an owner's limit that comes meanwhile
 * finds it: a grant that was revoked while it was being written is refused, not answered.
 */
import { Refused, refuse } from '../denial.ts'
import { ownerKey } from '../owner.ts'
import { step } from '../store/queries.ts'
import type { EndsBy, Grant, GrantRequest, Identity, Millis, Narrowed, Owner } from '../words.ts'
import { refusalText } from './ending.ts'
import { watch } from './expiry.ts'
import { newGrantId, newPassword } from './id.ts'
import type { Held } from './live.ts'
import { aboutGrant, type Parts } from './parts.ts'
import { toRow } from './row.ts'
import { isFinal, refusalOf } from './states.ts'
import { makeVerifier, type VerifierKind } from './verifier.ts'

/** What was decided, as plain data. */
export interface Decided {
  readonly owner: Owner
  readonly identity: Identity
  readonly request: GrantRequest
  readonly connection: string
  readonly protocol: string
  readonly verifier: VerifierKind
  readonly rule: string
  readonly scope: Narrowed<unknown>
  readonly narrowed: readonly string[]
  readonly expiresAt: Millis
  readonly endsBy: EndsBy
  readonly sessions: Grant['sessions']
  readonly useBy?: Millis
  readonly state: 'active' | 'pending'
  /** A pending grant that nobody has approved by then expires. */
  readonly decideBy?: Millis
  /** SSH wire blob: the grant opens for this key alone. */
  readonly publicKey?: Uint8Array
  readonly source?: string
  /** The Idempotency-Key header and a digest of the body it came with. */
  readonly idempotency?: { readonly key: string; readonly request: string }
}

export interface Issued {
  readonly grant: Grant
  /** Shown once. Absent for pending grants, public keys and bound tokens, and when an answer is repeated. */
  readonly password?: string
  readonly repeated: boolean
}

/** A password only for who asks for no key and whose token is bound to none: `cnf` never buys a bearer secret. */
export const mayHavePassword = (identity: Identity, publicKey: Uint8Array | undefined): boolean =>
  publicKey === undefined && identity.binding === undefined

/** Kept this long, Idempotency-Keys answer with the grant they made. */
const REMEMBER = 24 * 3600_000

export async function issueNew(decided: Decided, parts: Parts): Promise<Issued | Refused> {
  const { live, ahead, clock, random } = parts
  const admitted = admit(decided, parts)
  if (admitted instanceof Refused) return admitted
  const held = admitted
  const { id } = held.grant
  try {
    const wantsPassword = decided.state === 'active' && mayHavePassword(decided.identity, decided.publicKey)
    const password = wantsPassword ? newPassword(random) : undefined
    if (password !== undefined)
      live.replaceVerifier(held, await makeVerifier(password, decided.verifier, random))
    const { state, narrowed, scope, expiresAt, endsBy, request } = held.grant
    const outcome = await ahead.commit(
      [
        {
          ...aboutGrant(held.grant),
          type: state === 'pending' ? 'grant.pending' : 'grant.issued',
          ...(decided.source === undefined ? {} : { source: decided.source }),
          facts: { scope, narrowed, request, expires_at: new Date(expiresAt).toISOString(), ends_by: endsBy },
        },
      ],
      () => (isFinal(held.grant.state) ? [] : rows(held, decided, parts)),
    )
    const code = refusalOf[held.grant.state]
    if (isFinal(held.grant.state) && code !== undefined)
      return refuse(code, `${id} ended while it was being issued: ${held.grant.ending}`, {
        say: refusalText(held.grant),
      })
    if (outcome === 'conflict') {
      live.drop(held)
      return refuse('internal_error', `the store has a grant ${id} or its Idempotency-Key already`)
    }
    watch(held, parts)
    return { grant: held.grant, repeated: false, ...(password === undefined ? {} : { password }) }
  } catch (error) {
    // Never answered, so never a grant, whatever was written of it: nobody has its password.
    live.drop(held)
    parts.deadlines.delete(id)
    throw error
  }

  function rows(of: Held, { idempotency, owner }: Decided, { ahead: { store } }: Parts) {
    const insert = step(store.sql.insertInto('grants').values(toRow(of)))
    if (idempotency === undefined) return [insert]
    const { key, request } = idempotency
    const row = { owner: ownerKey(owner), key, request, grant_id: id, expires_at: clock.now() + REMEMBER }
    const stale = store.sql.deleteFrom('idempotency').where('expires_at', '<=', clock.now())
    return [insert, step(stale), step(store.sql.insertInto('idempotency').values(row))]
  }
}

/** All that must hold at once is looked at and taken in one turn, so that no other request comes between. */
function admit(decided: Decided, { live, locks, clock, random, grantsPerOwner }: Parts): Held | Refused {
  const { identity, connection, publicKey } = decided
  const lock = locks.matching(identity, connection)
  if (lock !== undefined) return refuse('locked', `lock ${lock.id}: ${lock.reason}`)
  const most = grantsPerOwner()
  // Attack 168: an agent that asks for one connection after another.
  if (live.countOf(ownerKey(decided.owner)) >= most)
    return refuse('limit_exceeded', `the owner has ${most} grants live or pending`, {
      say: `you have ${most} grants that are active or pending: give one back first`,
    })
  // Attack 62: one key opens one grant.
  if (publicKey !== undefined && live.byKey(publicKey) !== undefined)
    return refuse('request_invalid', `the public key opens grant ${live.byKey(publicKey)?.grant.id}`, {
      say: 'this public key is in use by another grant: make a new one',
    })
  const now = clock.now()
  if (decided.expiresAt <= now) return refuse('token_expired', 'the grant would end before it began')
  const { owner, request, protocol, rule, scope, narrowed, expiresAt, endsBy, sessions, state } = decided
  const { useBy, decideBy } = decided
  const grant: Grant = {
    id: newGrantId(now, random),
    owner,
    identity,
    request,
    connection,
    protocol,
    rule,
    scope,
    narrowed,
    state,
    issuedAt: now,
    expiresAt,
    endsBy,
    sessions,
    used: 0,
    ...(useBy === undefined ? {} : { useBy }),
    ...(decideBy === undefined ? {} : { decideBy }),
  }
  const held: Held = {
    grant,
    monoEnd: clock.mono() + (expiresAt - now),
    kind: decided.verifier,
    open: 0,
    busy: false,
    ...(publicKey === undefined ? {} : { publicKey }),
  }
  live.add(held)
  return held
}
