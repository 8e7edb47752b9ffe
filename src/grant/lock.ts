/** A lock and what it matches. Pure. A field that is not set matches everything; the fields that are must all match. */
import type { Identity, Millis } from '../words.ts'

export interface LockFields {
  /** An identity's subject or uid, at whatever issuer unless `issuer` is set too. */
  readonly subject?: string
  readonly client?: string
  readonly group?: string
  readonly connection?: string
  readonly issuer?: string
}

export interface Lock extends LockFields {
  readonly id: string
  readonly reason: string
  readonly setAt: Millis
  readonly expiresAt?: Millis
}

export const lockFields = ['subject', 'client', 'group', 'connection', 'issuer'] as const

/** A lock without a field would match everybody: nobody means that, so it cannot be set. */
export const isEmptyLock = (fields: LockFields): boolean =>
  lockFields.every(field => fields[field] === undefined)

export function matches(lock: LockFields, identity: Identity, connection: string | undefined): boolean {
  return (
    !isEmptyLock(lock) &&
    (lock.subject === undefined || lock.subject === identity.subject || lock.subject === identity.uid) &&
    (lock.client === undefined || lock.client === identity.client) &&
    (lock.group === undefined || identity.groups.includes(lock.group)) &&
    (lock.issuer === undefined || lock.issuer === identity.issuer) &&
    (lock.connection === undefined || lock.connection === connection)
  )
}

/**
 * The lock that bars this person from people's calls: one that names them. A lock on a group, a client or an issuer is for
 * grants, and must not shut out those who could lift it.
 */
export function lockOnPerson(locks: Iterable<Lock>, person: Identity): Lock | undefined {
  for (const lock of locks) if (lock.subject !== undefined && matches(lock, person, undefined)) return lock
  return undefined
}

/** The first of the locks in force that bars this identity from this connection. */
export function matchingLock(
  locks: Iterable<Lock>,
  identity: Identity,
  connection: string | undefined,
): Lock | undefined {
  for (const lock of locks) if (matches(lock, identity, connection)) return lock
  return undefined
}
