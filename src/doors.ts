/**
 * A client at a stream door: handed to its protocol with a {@link Door} behind which the pipeline stands. When the
 * protocol returns, whatever it left open is ended here.
 */
import { endings } from './broker/ending.ts'
import type { LiveSession } from './broker/session.ts'
import { Refused, refuse } from './denial.ts'
import type { House } from './house.ts'
import { ways } from './pipeline.ts'
import type { AnyProtocol, Client, Door, DoorKeys, Session, Shown, Upstream } from './protocol/protocol.ts'
import type { AtDoor } from './steps.ts'

export type StreamClient = Pick<Extract<Client, { kind: 'stream' }>, 'socket' | 'source'>

/** Serves one client until it is gone. Never throws for what a client does. */
export async function serveStream(
  house: House,
  protocol: AnyProtocol,
  client: StreamClient,
  keys: DoorKeys,
): Promise<void> {
  const opened: LiveSession[] = []
  const door = createDoor(house, protocol, client, opened)
  const { socket, source } = client
  try {
    await protocol.serve({ kind: 'stream', socket, source, keys }, door)
  } catch (error) {
    house.log.error({ err: error, protocol: protocol.name, source }, 'a protocol failed')
    await Promise.all(opened.map(session => session.end(endings.failed)))
  } finally {
    for (const session of opened) session.served()
    await Promise.all(opened.map(session => session.end(endings.served)))
  }
}

function createDoor(
  house: House,
  protocol: AnyProtocol,
  client: StreamClient,
  opened: LiveSession[],
): Door<unknown, Upstream> {
  const { source, socket } = client
  const at = (shown: Shown): AtDoor => ({ shown, source, protocolName: protocol.name, client: socket })

  async function open(shown: Shown): Promise<Session<unknown, Upstream> | Refused> {
    // Attack 46: whoever guesses is slowed, by address; the grant itself is never locked out.
    if (!house.failures.has(source, house.clock.mono()))
      return refuse('rate_limited', `too many refusals for ${source}`)
    const name = tokenLogin(house, protocol, shown.user)
    const way =
      name !== undefined && shown.how === 'secret'
        ? ways.token.run(
            { ...at(shown), authorization: [`Bearer ${shown.secret}`], body: { connection: name } },
            house,
          )
        : ways.door.run(at(shown), house)
    const entered = await way
    if (entered instanceof Refused) {
      house.failures.take(source, house.clock.mono())
      return entered
    }
    opened.push(entered.session)
    return entered.session
  }

  return {
    signal: house.draining,
    proof: async user => ({
      ...house.grants.proofFor(user),
      tokenLogin: tokenLogin(house, protocol, user) !== undefined,
    }),
    enter: open,
    cancel(key) {
      const session = house.broker.live.byCancelKey(key)
      if (session !== undefined && session.signal.aborted === false) void session.upstream.cancel()
    },
    note({ denial }, user) {
      house.audit.noted({
        type: 'door.refused',
        reason: denial.code,
        detail: denial.detail,
        source,
        facts: { protocol: protocol.name, ...(user === undefined ? {} : { user: user.slice(0, 64) }) },
      })
    },
  }
}

/** The connection that this user name stands for, where a token may be shown for it. */
function tokenLogin(house: House, protocol: AnyProtocol, user: string): string | undefined {
  const connection = house.config().connections.get(user)
  return connection?.tokenLogin && connection.protocol === protocol.name ? connection.name : undefined
}
