/**
 * The running session: both directions until one side is done or the session is cut. Holds the wire's lifetime and nothing
 * of its meaning; the turns judge. At the cut (invariant 6): reading stops, the client is told in its protocol's words, what
 * runs upstream is cancelled, and the broker destroys what is left.
 */
import { endings } from '../../ending.ts'
import type { Seq, Verdict } from '../../recording/record.ts'
import type { Ending } from '../../words.ts'
import type { Session } from '../protocol.ts'
import { ClientTurn } from './client-turn.ts'
import type { Greeted } from './greet.ts'
import type { PostgresGuard } from './guard.ts'
import { endedBy, Line } from './line.ts'
import { literal } from './quote.ts'
import { farewell, fatal } from './refuse.ts'
import type { PostgresScope } from './scope.ts'
import { ServerTurn } from './server-turn.ts'
import type { PostgresUpstream } from './upstream.ts'
import { AUTHENTICATION, BACKEND_KEY, frame, IDLE, int32, parameterStatus, ready } from './wire.ts'

/** How long a goodbye waits for the message that is on its way to end. */
const BORDER = 200
/** How long the last bytes may take to leave. Shorter than the broker's grace. */
const LAST_BYTES = 400

type PostgresSession = Session<PostgresScope, PostgresUpstream>
/** A client as its greeting left it, or one of the gateway's own. */
type Client = Pick<Greeted, 'wire' | 'readBy' | 'rest'> & {
  readonly startup: Pick<Greeted['startup'], 'database' | 'applicationName' | 'settings'>
}

/** Resolves when the client has been told its last and the broker may close. */
export async function relay(session: PostgresSession, greeted: Client, guard: PostgresGuard): Promise<void> {
  const { wire, startup } = greeted
  const end = (ending: Ending): void => {
    session.end(ending).catch(() => wire.destroy())
  }
  if (startup.database !== session.upstream.database) {
    wire.write(fatal('3D000', `this grant opens database "${session.upstream.database}" and no other`))
    end({ how: 'close', why: 'protocol_violation', text: 'the client asked for another database' })
    return
  }
  const opened = openedAs(greeted)
  const seq = session.recorder.statement(opened)
  try {
    session.recorder.flush()
    const refused = await settle(session, greeted, seq)
    if (refused !== null) {
      wire.write(fatal('22023', refused))
      end({
        how: 'close',
        why: 'protocol_violation',
        text: 'the client asked for a setting that the target refused',
      })
      return
    }
  } catch (error) {
    const ending = session.signal.aborted ? (session.signal.reason as Ending) : endedBy(error)
    end(ending)
    await cut(wire, session.upstream, ending, then => then())
    if (ending === endings.failed) throw error
    return
  }
  const { upstream, recorder, scope, grant } = session
  const line = new Line({
    client: wire,
    upstream,
    recorder,
    guard,
    scope,
    grant,
    session: session.id,
    opened: seq,
    end(ending) {
      line.over = true
      end(ending)
    },
  })
  await run(line, session, greeted)
}

async function run(line: Line, session: PostgresSession, greeted: Client): Promise<void> {
  const { client, upstream } = line
  const fromClient = new ClientTurn(line)
  const fromServer = new ServerTurn(line)
  const over = Promise.withResolvers<void>()

  const guarded = (turn: () => void): void => {
    if (line.over) return
    try {
      turn()
    } catch (error) {
      line.fails(error)
    }
  }
  const gone = (): void => {
    if (!line.over) line.end({ how: 'close', why: 'client_closed', text: 'the client closed the connection' })
  }
  const drained = (): void => {
    line.flows()
    if (line.over) return
    upstream.resume()
    fromClient.drained()
  }

  session.signal.addEventListener(
    'abort',
    () => {
      line.over = true
      line.watch?.stop()
      line.flows()
      client.pause()
      const ending = session.signal.reason as Ending
      if (ending.how === 'close') {
        // What is still running has nobody left to answer.
        const stopped = line.owed.length > 0 ? upstream.cancel() : Promise.resolve()
        client.end()
        stopped.then(over.resolve, over.reject)
        return
      }
      // A client that was slow has paused the upstream, in the middle of a message perhaps: its rest must still come.
      upstream.resume()
      cut(client, upstream, ending, then => fromServer.atBorder(then)).then(over.resolve, over.reject)
    },
    { once: true },
  )

  greeted.readBy({
    take: chunk => guarded(() => fromClient.take(chunk)),
    keeps: () => fromClient.waiting || upstream.writing,
  })
  client.on('drain', drained)
  client.on('end', gone)
  client.on('close', gone)
  client.on('error', gone)
  upstream.attach({
    take(chunk) {
      if (line.over) {
        fromServer.finish(chunk)
        return
      }
      guarded(() => {
        if (!fromServer.take(chunk)) {
          upstream.pause()
          line.stalled()
        }
        fromClient.relieve()
      })
    },
    keeps: () => client.writableLength > 0,
    over() {
      if (!line.over)
        line.end({ how: 'cut', why: 'upstream_closed', text: 'the database closed the connection' })
    },
  })
  if (session.signal.aborted) {
    await cut(client, upstream, session.signal.reason as Ending, then => then())
    return
  }
  client.write(welcome(session, greeted))
  if (greeted.rest.length > 0) guarded(() => fromClient.take(greeted.rest))
  client.resume()
  await over.promise
  if (line.fault !== undefined) throw line.fault.error
}

/** The goodbye. `atBorder` calls back when the client's stream stands between two messages, if it can get there. */
async function cut(
  client: Client['wire'],
  upstream: PostgresUpstream,
  ending: Ending,
  atBorder: (then: () => void) => void,
): Promise<void> {
  const told = new Promise<void>(resolve => {
    setTimeout(resolve, LAST_BYTES).unref()
    const torn = setTimeout(() => client.end(resolve), BORDER)
    atBorder(() => {
      clearTimeout(torn)
      upstream.pause()
      client.end(farewell(ending), resolve)
    })
  })
  await Promise.all([told, upstream.cancel()])
}

/** The first record of a session: who says it is calling, with which settings. */
function openedAs({ startup }: Client): Verdict {
  const said = [
    ['application_name', startup.applicationName],
    ['database', startup.database],
    ...startup.settings,
  ]
  const text = said.map(([name, value]) => `${name}=${value}`).join(' ')
  return { allow: true, statement: { kind: 'startup', text, touches: [] } }
}

async function settle({ upstream }: PostgresSession, { startup }: Client, seq: Seq) {
  if (startup.settings.length === 0) return null
  const sets = startup.settings.map(([name, value]) => `SET ${name} = ${literal(value)}`)
  return (await upstream.ask(seq, sets.join('; '))).error
}

/** What a server says once it has let somebody in. The key is ours: the upstream's would cancel behind our back (attack 92). */
function welcome({ upstream, cancelKey }: PostgresSession, { startup }: Client): Buffer {
  return Buffer.concat([
    frame(AUTHENTICATION, int32(0)),
    ...[...upstream.parameters].map(([name, value]) => parameterStatus(name, value)),
    parameterStatus('application_name', startup.applicationName),
    frame(BACKEND_KEY, cancelKey),
    ready(IDLE),
  ])
}
