/**
 * What a client shows at the door: SCRAM against a verifier, bound to the channel where there is one, and run to its end for
 * strangers too; or, where a token itself may be shown and nobody can listen, that token. Decides nothing: the door does.
 */
import { randomBytes } from 'node:crypto'
import { refuse } from '../../denial.ts'
import type { Door, Proof, Shown } from '../protocol.ts'
import type { Inbox } from './inbox.ts'
import { DUMMY, discoveryOf, OAUTHBEARER, readBearer } from './oauth.ts'
import { badPassword, fatal } from './refuse.ts'
import { MECHANISM, MECHANISM_PLUS, serverFinal, serverFirst } from './scram.ts'
import type { Startup } from './startup.ts'
import { AUTHENTICATION, endOfString, frame, int32, loginBounds, PASSWORD, Violation } from './wire.ts'

export interface Authenticating {
  readonly inbox: Inbox
  /** What SCRAM can be bound to: our certificate, inside TLS. */
  readonly endPoint: Buffer | null
  /** Nobody can listen: TLS, or loopback. */
  readonly private: boolean
  send(...frames: readonly Buffer[]): void
  /** The last words. */
  finish(words: Buffer): void
}

type Doorway = Pick<Door<unknown, unknown>, 'proof' | 'note'>

export interface Authenticated {
  readonly shown: Shown
  /** By OAUTHBEARER: what it tells a client whose token is refused, before the error. */
  readonly challenge: string | null
}

/** Null where it is over. */
export async function authenticate(
  at: Authenticating,
  startup: Startup,
  door: Doorway,
): Promise<Authenticated | null> {
  const { user } = startup
  const proof = await door.proof(user)
  if (startup.negotiate !== null) at.send(startup.negotiate)
  if (!proof.tokenLogin || !at.private) {
    const offer = at.endPoint === null ? [MECHANISM] : [MECHANISM_PLUS, MECHANISM]
    const { mechanism, message } = await choose(at, offer)
    return scram(at, user, proof, door, { mechanism, first: message, endPoint: at.endPoint })
  }
  if (!startup.oauth) return password(at, user)
  const { mechanism, message } = await choose(at, [OAUTHBEARER, MECHANISM])
  if (mechanism === OAUTHBEARER) return bearer(at, user, proof, message)
  return scram(at, user, proof, door, { mechanism, first: message, endPoint: null })
}

async function password(at: Authenticating, user: string): Promise<Authenticated> {
  at.send(frame(AUTHENTICATION, int32(3)))
  const { payload } = await at.inbox.frame(loginBounds)
  const end = endOfString(payload, 0, payload.length)
  if (end !== payload.length - 1) throw new Violation('a password message has bytes left over')
  return { shown: { how: 'secret', user, secret: payload.toString('utf8', 0, end) }, challenge: null }
}

/** Offers mechanisms; answers the one chosen and its first message. */
async function choose(
  at: Authenticating,
  offer: readonly string[],
): Promise<{ mechanism: string; message: string }> {
  at.send(frame(AUTHENTICATION, int32(10), `${offer.join('\0')}\0\0`))
  const { type, payload } = await at.inbox.frame(loginBounds)
  if (type !== PASSWORD) throw new Violation('a SASL response was expected')
  const end = endOfString(payload, 0, payload.length)
  const mechanism = payload.toString('latin1', 0, end)
  if (!offer.includes(mechanism)) throw new Violation('another SASL mechanism than offered')
  if (payload.length < end + 5) throw new Violation('a SASL response is cut short')
  const length = payload.readInt32BE(end + 1)
  // No initial response: it is asked for with an empty challenge.
  if (length === -1 && payload.length === end + 5) return { mechanism, message: await respond(at, '') }
  // CVE-2026-6664: the inner length must fit the frame to the byte.
  if (length !== payload.length - end - 5) throw new Violation('a SASL response lies about its length')
  return { mechanism, message: payload.toString('latin1', end + 5) }
}

async function respond(at: Pick<Authenticating, 'inbox' | 'send'>, challenge: string): Promise<string> {
  at.send(frame(AUTHENTICATION, int32(11), challenge))
  return (await at.inbox.frame(loginBounds)).payload.toString('latin1')
}

async function scram(
  at: Authenticating,
  user: string,
  proof: Proof,
  door: Doorway,
  {
    first,
    ...channel
  }: { readonly first: string; readonly mechanism: string; readonly endPoint: Buffer | null },
): Promise<Authenticated | null> {
  const step = serverFirst(first, proof.scram, randomBytes(18).toString('base64'), channel)
  if (step === null) {
    at.finish(badPassword(user))
    door.note(refuse('protocol_violation', 'a SCRAM message that is not permitted'), user)
    return null
  }
  const signature = serverFinal(step, await respond(at, step.message), proof.scram)
  if (signature !== null) at.send(frame(AUTHENTICATION, int32(12), signature))
  const shown = { how: 'scram', user, proven: signature !== null, against: proof.scram } as const
  return { shown, challenge: null }
}

async function bearer(
  at: Authenticating,
  user: string,
  proof: Proof,
  message: string,
): Promise<Authenticated | null> {
  const read = readBearer(message)
  if (read === null) throw new Violation('an OAUTHBEARER message that is not permitted')
  const challenge = discoveryOf(proof.tokenIssuer ?? '')
  if (read.asks === 'login') return { shown: { how: 'secret', user, secret: read.token }, challenge }
  // It wants to know where tokens are to be had, and will come again with one: nobody was refused.
  await failBearer(at, challenge)
  at.finish(fatal('28000', 'a token is needed: see the issuer that was told'))
  return null
}

/** RFC 7628 section 3.2.3: the failure in JSON, to which the client has a last word to say; then comes the error. */
export async function failBearer(
  at: Pick<Authenticating, 'inbox' | 'send'>,
  challenge: string,
): Promise<void> {
  const last = await respond(at, challenge)
  if (last !== DUMMY) throw new Violation('something else than ^A after the failure of OAUTHBEARER')
}
