/** Who is at the other end of an API request: the socket's address and the token it shows. Headers claim, sockets are. */
import type { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { Refused, refuse } from '../denial.ts'
import { lockOnPerson } from '../grant/lock.ts'
import type { House } from '../house.ts'
import { readAuthorization } from '../identity/authorization.ts'
import { originOf } from '../listener/source.ts'
import { ways } from '../pipeline.ts'
import type { Identity, Source } from '../words.ts'
import { checkPerson, type Role } from './person.ts'

export interface ApiEnv {
  Bindings: HttpBindings
  Variables: { instance: string }
}

export type Ctx = Context<ApiEnv>

/** Every Authorization header as it came: Node joins nothing here, so a second cannot hide behind the first (attack 35). */
export function authorizationOf(incoming: IncomingMessage): readonly string[] {
  const { rawHeaders } = incoming
  return rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'authorization',
  )
}

export function sourceOf(incoming: IncomingMessage): Source {
  return originOf(incoming.socket.remoteAddress)?.source ?? 'gone'
}

/** The JSON that was sent, or undefined: no JSON, and nothing that a form of some web page can post (attack 146), is a request. */
export async function bodyOf(c: Ctx): Promise<unknown> {
  return /^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? '') ? jsonOf(c) : undefined
}

/** The JSON that was sent, whatever it was called; undefined where it is none. */
export async function jsonOf(c: Ctx): Promise<unknown> {
  const text = await c.req.text()
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Verifies the token and takes one of its owner's requests. */
export async function callerOf(c: Ctx, house: House): Promise<Identity | Refused> {
  const { incoming } = c.env
  const slowed = slowDown(c, house)
  if (slowed !== undefined) return slowed
  const at = await ways.caller.run(
    { authorization: authorizationOf(incoming), source: sourceOf(incoming) },
    house,
  )
  return at instanceof Refused ? at : at.identity
}

/**
 * Attack 199: a flood of refused tries is answered before the signature check, and before it fills the audit. A token that
 * was good before passes: behind one address there may be many, and one of them must not keep the others from the kill switch.
 */
export function slowDown(c: Ctx, house: House): Refused | undefined {
  const { incoming } = c.env
  const source = sourceOf(incoming)
  if (house.failures.has(source, house.clock.mono())) return undefined
  const token = readAuthorization(authorizationOf(incoming))
  if (!(token instanceof Refused) && house.verifier.remembers(token.token)) return undefined
  return refuse('rate_limited', `too many refused tries from ${source}`)
}

/** Attack 199: an agent that calls what is for people must not write 30 KB of path into the audit each time. */
export const callOf = ({ req }: Pick<Ctx, 'req'>): string => `${req.method} ${req.path}`.slice(0, 200)

/** A compromised operator must not lift the lock that was set on them, nor approve, cut or read. */
function checkLockOn(person: Identity, house: House): Refused | undefined {
  const lock = lockOnPerson(house.grants.locks.list(), person)
  return lock && refuse('locked', `lock ${lock.id}: ${lock.reason}`)
}

/** A person who may make this call; every call is audited, refused ones as such. */
export async function personOf(c: Ctx, house: House, role: Role): Promise<Identity | Refused> {
  const identity = await callerOf(c, house)
  if (identity instanceof Refused) return identity
  const call = callOf(c)
  const may = checkLockOn(identity, house) ?? checkPerson(identity, role, house.config().people)
  if (may instanceof Refused) return house.told(may, { identity, call })
  noteCall(c, house, identity)
  return identity
}

/** A person's call that may be made stands in the audit. */
export function noteCall(c: Pick<Ctx, 'env' | 'req'>, house: House, identity: Identity): void {
  const facts = { call: callOf(c) }
  house.audit.noted({ type: 'people.called', identity, source: sourceOf(c.env.incoming), facts })
}

/** Whose word on a pending grant is heard: whether it counts, the rule's approval group decides (`approval/may-decide.ts`). */
export async function approverOf(c: Ctx, house: House): Promise<Identity | Refused> {
  const identity = await callerOf(c, house)
  if (identity instanceof Refused) return identity
  const call = callOf(c)
  const locked = checkLockOn(identity, house)
  if (locked !== undefined) return house.told(locked, { identity, call })
  if (identity.kind === 'person') return identity
  const no = refuse('not_permitted', `client ${identity.client} is an agent`, {
    say: 'this call is for people',
  })
  return house.told(no, { identity, call })
}
