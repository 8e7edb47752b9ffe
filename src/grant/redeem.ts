/**
 * A credential at a door: first whether it is the grant's, then whether the grant may be used, then, apart, a use of it
 * is counted. Only who shows the right credential learns anything; all others are told `grant_unknown` (attack 43, 58).
 */
import { timingSafeEqual } from 'node:crypto'
import { type Refused, refuse } from '../denial.ts'
import type { Proof, Shown } from '../protocol/protocol.ts'
import { step } from '../store/queries.ts'
import type { Grant } from '../words.ts'
import { decoyFor } from './decoy.ts'
import { refusalText } from './ending.ts'
import { expire, isOver, watch } from './expiry.ts'
import { isGrantId } from './id.ts'
import type { Held } from './live.ts'
import type { Parts } from './parts.ts'
import { isFinal, refusalOf } from './states.ts'
import { digestOf, fits } from './verifier.ts'

/** What the user name proves, or a decoy: the same work either way (attack 42). Never throws. */
export function proofFor(user: string, decoySecret: Uint8Array, { live }: Parts): Omit<Proof, 'tokenLogin'> {
  const decoy = decoyFor(user.slice(0, 256), decoySecret)
  const held = isGrantId(user) ? live.get(user) : undefined
  return {
    scram: held?.verifier?.scram ?? decoy,
    publicKeys: held?.publicKey === undefined ? [] : [held.publicKey],
  }
}

/** The grant this credential opens. Counts nothing: {@link use} does, once a session is to be opened. */
export function redeem(shown: Shown, protocol: string, parts: Parts): Grant | Refused {
  const held = isGrantId(shown.user) ? parts.live.get(shown.user) : undefined
  if (held === undefined) return refuse('grant_unknown', `no grant of this name: ${shown.user.slice(0, 64)}`)
  const { id } = held.grant
  if (!isItsCredential(held, shown))
    return refuse('grant_unknown', `not the credential of ${id} (${shown.how})`)
  return opens(held, protocol, parts)
}

/** For doors that are shown a password alone: it names its grant by itself. */
export function redeemPassword(password: string, protocol: string, parts: Parts): Grant | Refused {
  // The index is by digest: whoever can time it learns digests' prefixes, from which no password follows.
  const held = parts.live.byPassword(digestOf(password))
  if (held === undefined) return refuse('grant_unknown', 'no grant has this password')
  return opens(held, protocol, parts)
}

/** Whether it may be used this very moment. Synchronous: nothing slips between the look and the use. */
export function usable(id: string, parts: Parts): Grant | Refused {
  const held = parts.live.get(id)
  return held === undefined
    ? refuse('grant_unknown', `no live grant ${id.slice(0, 64)}`)
    : stillUsable(held, parts)
}

function opens(held: Held, protocol: string, parts: Parts): Grant | Refused {
  const { id, protocol: own } = held.grant
  // Attack 44: at another protocol's door a good credential looks like any bad one; audit says what it was.
  if (own !== protocol)
    return refuse('grant_unknown', `${id} is for ${own}, shown at the door of ${protocol}`)
  return stillUsable(held, parts)
}

function stillUsable(held: Held, parts: Parts): Grant | Refused {
  // The clocks decide, not the timer: a grant is over the moment it is, however busy the loop (attack 45).
  if (!isFinal(held.grant.state) && isOver(held, parts)) void expire([held.grant.id], parts)
  const code = refusalOf[held.grant.state]
  if (code === undefined) return held.grant
  return refuse(code, `${held.grant.id}: ${held.grant.ending ?? held.grant.state}`, {
    say: refusalText(held.grant),
  })
}

function isItsCredential(held: Held, shown: Shown): boolean {
  switch (shown.how) {
    case 'scram':
      // Without a verifier it was run against a decoy, which nobody can prove. One that was begun before a renewal and
      // is finished after it was proven against the old password, and that is dead.
      return shown.proven && held.verifier?.scram !== undefined && shown.against === held.verifier.scram
    case 'secret':
      return held.verifier !== undefined && fits(held.verifier, shown.secret)
    case 'key':
      return (
        held.publicKey !== undefined &&
        held.publicKey.length === shown.key.length &&
        timingSafeEqual(held.publicKey, shown.key)
      )
  }
}

/** A place in a grant's `sessions`, taken. Exactly one of the two is called, once. */
export interface Use {
  readonly grant: Grant
  /** The how-manieth session of the grant this is. In audit as `session.opened`'s `facts.use`. */
  readonly ordinal: number
  /** The session is over. */
  close(): void
  /** There was no session: the place and the count are given back. */
  giveBack(): void
}

/**
 * Takes a place: at once in memory, so that two who come together cannot have the last one (attacks 48, 223), then in
 * the store, so that a crash does not make a one-use grant new.
 */
export async function use(id: string, parts: Parts): Promise<Use | Refused> {
  const good = usable(id, parts)
  const held = parts.live.get(id)
  if (!('id' in good) || held === undefined) return good as Refused
  const { atOnce, total } = held.grant.sessions
  if (total !== undefined && held.grant.used >= total)
    return refuse('limit_exceeded', `${id} has been used ${held.grant.used} of ${total} times`, {
      say: `grant ${id} is for ${total} session${total === 1 ? '' : 's'} and has been used`,
    })
  if (held.open >= atOnce)
    return refuse('limit_exceeded', `${id} has ${held.open} sessions open`, {
      say: `grant ${id} may have ${atOnce} session${atOnce === 1 ? '' : 's'} open at once`,
    })
  let taken = true
  const count = (by: 1 | -1) => {
    held.grant = { ...held.grant, used: held.grant.used + by }
    if (held.grant.state === 'active') watch(held, parts)
  }
  const write = (by: 1 | -1) =>
    parts.ahead.store.write(
      step(
        parts.ahead.store.sql
          .updateTable('grants')
          .set(row => ({ used: row('used', '+', by) }))
          .where('id', '=', id),
        1,
      ),
    )
  const close = () => {
    if (taken) held.open -= 1
    taken = false
  }
  held.open += 1
  count(1)
  const ordinal = held.grant.used
  try {
    await write(1)
  } catch (error) {
    close()
    count(-1)
    throw error
  }
  const giveBack = () => {
    if (!taken) return
    close()
    count(-1)
    write(-1).catch(error =>
      parts.log.error({ err: error, grant: id }, 'an unused use could not be given back'),
    )
  }
  // Attack 47: what ended the grant while the use was written wins.
  const now = stillUsable(held, parts)
  if ('id' in now) return { grant: now, ordinal, close, giveBack }
  giveBack()
  return now
}
