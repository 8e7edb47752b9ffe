/**
 * The grants in memory: all that are pending or active, and those that lately stopped being usable, so that a door can
 * tell their holders why. The doors ask nobody else: knocking costs no query, and a stranger's knock costs no more time
 * than a holder's (attack 42).
 */

import { ownerKey } from '../owner.ts'
import type { Grant } from '../words.ts'
import { isFinal } from './states.ts'
import type { Verifier, VerifierKind } from './verifier.ts'

/** Ended grants that are remembered; the store has them all. */
export const REMEMBERED = 10_000

export interface Held {
  grant: Grant
  /** How its password is kept, once it has one. */
  readonly kind: VerifierKind
  verifier?: Verifier
  publicKey?: Uint8Array
  endedAt?: number
  /** When it expires on the monotonic clock. */
  monoEnd: number
  /** Sessions open now. */
  open: number
  /** A change that only one caller may make at a time is under way: a renewal, an activation. */
  busy: boolean
}

export class LiveGrants {
  readonly #live = new Map<string, Held>()
  readonly #ended = new Map<string, Held>()
  readonly #ofOwner = new Map<string, number>()
  readonly #byPassword = new Map<string, Held>()
  readonly #byKey = new Map<string, Held>()

  get(id: string): Held | undefined {
    return this.#live.get(id) ?? this.#ended.get(id)
  }

  live(): IterableIterator<Held> {
    return this.#live.values()
  }

  /** Pending and active grants of one owner. */
  countOf(owner: string): number {
    return this.#ofOwner.get(owner) ?? 0
  }

  byPassword(digest: string): Held | undefined {
    return this.#byPassword.get(digest)
  }

  /** The live grant that this key opens. */
  byKey(key: Uint8Array): Held | undefined {
    return this.#byKey.get(keyName(key))
  }

  add(held: Held): void {
    if (isFinal(held.grant.state)) {
      this.#remember(held)
      return
    }
    this.#live.set(held.grant.id, held)
    const owner = ownerKey(held.grant.owner)
    this.#ofOwner.set(owner, this.countOf(owner) + 1)
    if (held.publicKey !== undefined) this.#byKey.set(keyName(held.publicKey), held)
    this.#index(held)
  }

  /** A new password: the old one opens nothing from here on. */
  replaceVerifier(held: Held, verifier: Verifier | undefined): void {
    this.#forgetPassword(held)
    if (verifier === undefined) delete held.verifier
    else held.verifier = verifier
    this.#index(held)
  }

  /** It has stopped being usable. */
  retire(held: Held): void {
    if (this.drop(held)) this.#remember(held)
  }

  /** It never came to be. */
  drop(held: Held): boolean {
    if (!this.#live.delete(held.grant.id)) return false
    const owner = ownerKey(held.grant.owner)
    const left = this.countOf(owner) - 1
    if (left > 0) this.#ofOwner.set(owner, left)
    else this.#ofOwner.delete(owner)
    if (held.publicKey !== undefined) this.#byKey.delete(keyName(held.publicKey))
    this.#forgetPassword(held)
    return true
  }

  #remember(held: Held): void {
    this.#ended.set(held.grant.id, held)
    this.#index(held)
    const oldest = this.#ended.values().next()
    if (this.#ended.size <= REMEMBERED || oldest.done) return
    this.#ended.delete(oldest.value.grant.id)
    this.#forgetPassword(oldest.value)
  }

  #index(held: Held): void {
    if (held.verifier !== undefined) this.#byPassword.set(hex(held.verifier.digest), held)
  }

  #forgetPassword(held: Held): void {
    if (held.verifier !== undefined) this.#byPassword.delete(hex(held.verifier.digest))
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const keyName = (key: Uint8Array) => Buffer.from(key).toString('base64')
