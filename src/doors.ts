/**
 * A client at a door: handed to its protocol with a {@link Door} behind which the pipeline stands. When a stream's
 * protocol returns, whatever it left open is ended here; a request's session goes on for the next request.
 */

import { createHash } from 'node:crypto'
import type { LiveSession } from './broker/session.ts'
import { isGuess, Refused, refuse } from './denial.ts'
import { endings } from './ending.ts'
import type { House } from './house.ts'
import { ways } from './pipeline.ts'
import type {
  AnyProtocol,
  Client,
  Door,
  DoorKeys,
  Proof,
  RequestClient,
  Session,
  Shown,
  Upstream,
} from './protocol/protocol.ts'
import type { AtDoor } from './steps.ts'
import type { Source } from './words.ts'

export type StreamClient = Pick<Extract<Client, { kind: 'stream' }>, 'socket' | 'source'>

/** Serves one client until it is gone. Never throws for what a client does. */
export async function serveStream(
  house: House,
  protocol: AnyProtocol,
  client: StreamClient,
  keys: DoorKeys,
): Promise<void> {
  const opened: LiveSession[] = []
  const { socket, source } = client
  const door = new HouseDoor(house, protocol, source, async shown => {
    const at: AtDoor = { shown, source, protocolName: protocol.name, client: socket }
    const token = tokenAsked(house, protocol, shown)
    const entered = await (token === undefined
      ? ways.door.run(at, house)
      : ways.token.run({ ...at, ...token }, house))
    if (entered instanceof Refused) return entered
    opened.push(entered.session)
    return entered.session
  })
  try {
    await protocol.serve({ kind: 'stream', socket, source, keys }, door)
  } catch (error) {
    house.log.error({ err: error, protocol: protocol.name, source }, 'a protocol failed')
    // There is nobody left who would say goodbye.
    for (const session of opened) session.served()
    await Promise.all(opened.map(session => session.end(endings.failed)))
    // Before a session there is nobody else to end it: a client must not be left waiting for a protocol that is gone.
    socket.destroy()
  } finally {
    for (const session of opened) session.served()
    await Promise.all(opened.map(session => session.end(endings.served)))
  }
}

/** Serves one request at `/c/<connection>/` until it is answered. Never throws for what a client does. */
export async function serveRequest(house: House, client: RequestClient): Promise<void> {
  const { source, socket, connection } = client
  const protocol = requestProtocol(house, connection)
  if (protocol === undefined) {
    socket.destroy()
    return
  }
  const holds: Disposable[] = []
  let over = false
  // Another grant's request may be on the same connection by the time this one's session ends.
  const own = { destroy: () => void (over || socket.destroy()) }
  const door = new HouseDoor(house, protocol, source, async shown => {
    const at = { shown, source, protocolName: protocol.name, connectionName: connection, client: own }
    const token = tokenAsked(house, protocol, shown)
    for (;;) {
      const entered = await (token === undefined
        ? ways.request.run(at, house)
        : ways.tokenRequest.run({ ...at, ...token }, house))
      if (entered instanceof Refused) return entered
      const { session } = entered
      // It was idle for a minute just now: the grant's next one is opened.
      if (session.ending?.why === 'idle') continue
      holds.push(session.hold(own))
      return session
    }
  })
  try {
    await protocol.serve(client, door)
  } catch (error) {
    house.log.error({ err: error, protocol: protocol.name, source }, 'a protocol failed')
    socket.destroy()
  } finally {
    over = true
    for (const hold of holds) hold[Symbol.dispose]()
  }
}

/** The connection's; for a name that is none any one of them, whose refusal is that of any bad credential. */
function requestProtocol(house: House, connection: string): AnyProtocol | undefined {
  const named = house.protocols.get(house.config().connections.get(connection)?.protocol ?? '')
  if (named?.requests) return named
  return [...house.protocols.values()].find(one => one.requests)
}

/** One client's: a request door has one for every request. */
class HouseDoor implements Door<unknown, Upstream> {
  readonly signal: AbortSignal
  readonly #house: House
  readonly #protocol: AnyProtocol
  readonly #source: Source
  readonly #enter: (shown: Shown) => Promise<LiveSession | Refused>

  constructor(
    house: House,
    protocol: AnyProtocol,
    source: Source,
    enter: (shown: Shown) => Promise<LiveSession | Refused>,
  ) {
    this.signal = house.draining
    this.#house = house
    this.#protocol = protocol
    this.#source = source
    this.#enter = enter
  }

  async proof(user: string): Promise<Proof> {
    const house = this.#house
    const name = tokenLogin(house, this.#protocol, user)
    const proof = { ...house.grants.proofFor(user), tokenLogin: name !== undefined }
    const tokenIssuer = name === undefined ? undefined : issuerOf(house, name)
    return tokenIssuer === undefined ? proof : { ...proof, tokenIssuer }
  }

  async enter(shown: Shown): Promise<Session<unknown, Upstream> | Refused> {
    const { failures, refusals, clock, metrics } = this.#house
    const who = `${this.#source} ${holderOf(shown)}`
    // Attack 46: whoever guesses is slowed, by address; the grant itself is never locked out.
    if (!failures.has(this.#source, clock.mono()) || !refusals.has(who, clock.mono())) {
      metrics.denials.inc({ code: 'rate_limited', where: 'door' })
      return refuse('rate_limited', `too many refusals for ${who}`)
    }
    const entered = await this.#enter(shown)
    if (!(entered instanceof Refused)) return entered
    if (!isGuess(entered.denial.code)) refusals.take(who, clock.mono())
    return entered
  }

  async cancel(key: Uint8Array): Promise<void> {
    const session = this.#house.broker.live.byCancelKey(key)
    if (session !== undefined && session.signal.aborted === false) await session.upstream.cancel()
  }

  note({ denial }: Refused, user?: string): void {
    const { audit, clock, metrics, refusals } = this.#house
    metrics.denials.inc({ code: denial.code, where: 'door' })
    // Attack 199: whoever has nothing to show must not fill the audit. Nobody is refused for it: it is nobody's name.
    if (!refusals.take(`${this.#source} `, clock.mono())) return
    audit.noted({
      type: 'door.refused',
      reason: denial.code,
      detail: denial.detail,
      source: this.#source,
      facts: { protocol: this.#protocol.name, ...(user === undefined ? {} : { user: user.slice(0, 64) }) },
    })
  }
}

/**
 * Whoever holds this credential. A name alone may be that of a connection, which all share who show a token there, or none at
 * all: one of them must not use up what the others may be refused.
 */
function holderOf(shown: Shown): string {
  if (shown.how !== 'secret') return shown.user
  return `${shown.user} ${createHash('sha256').update(shown.secret).digest('hex')}`
}

/** What a token that is shown at a door asks for; undefined where it is no token. */
function tokenAsked(house: House, protocol: AnyProtocol, shown: Shown) {
  const name = tokenLogin(house, protocol, shown.user)
  if (name === undefined || shown.how !== 'secret') return undefined
  return { authorization: [`Bearer ${shown.secret}`], body: { connection: name } }
}

/** The connection that this user name stands for, where a token may be shown for it. */
function tokenLogin(house: House, protocol: AnyProtocol, user: string): string | undefined {
  const connection = house.config().connections.get(user)
  return connection?.tokenLogin && connection.protocol === protocol.name ? connection.name : undefined
}

/** Whose tokens open a connection: its first rule's issuer. */
function issuerOf(house: House, connection: string): string | undefined {
  const { rules, issuers } = house.config()
  return issuers.get(rules.find(rule => rule.connection === connection)?.issuer ?? '')?.issuer
}
