/**
 * The sessions that a worker has open: recorded and dialled here, as the first process says. An end that the protocol asks
 * for holds here at once, and everywhere else when the first process hears of it.
 */

import { clock } from '../clock.ts'
import { Refused } from '../denial.ts'
import { recordingLost } from '../ending.ts'
import type { Heads } from '../ledger/heads.ts'
import type { SealKey } from '../ledger/seal.ts'
import type { AnyProtocol, Session, Upstream } from '../protocol/protocol.ts'
import { RecordingLost } from '../recording/record.ts'
import { openRecorder, type SessionRecorder } from '../recording/recorder.ts'
import type { Log } from '../telemetry/log.ts'
import type { Ending } from '../words.ts'
import type { Channel, Handlers } from './channel.ts'
import { arrived } from './lease.ts'
import type { Entered, FromWorker, ToWorker } from './messages.ts'

export interface SessionsAt {
  readonly protocols: ReadonlyMap<string, AnyProtocol>
  readonly seals: () => { readonly data: string; readonly key: SealKey }
  readonly channel: () => Channel<FromWorker, ToWorker>
  readonly log: Log
}

export interface Sessions {
  readonly hears: Pick<
    Handlers<ToWorker>,
    'record' | 'hide' | 'dial' | 'abandon' | 'cut' | 'cancel' | 'dispose' | 'destroy' | 'close' | 'checkpoint'
  >
  /** What the protocol gets of one that was opened. */
  entered(answer: Entered): Session<unknown, Upstream>
}

/** What stands here of a session. */
interface Opened {
  readonly recorder: SessionRecorder
  readonly over: AbortController
  readonly dialling: AbortController
  upstream?: Upstream
}

/** How often it is looked whether recordings have grown: the audit asks each second how far. */
const LOOK = 250

export function createSessions({ protocols, seals, channel, log }: SessionsAt): Sessions {
  const sessions = new Map<string, Opened>()
  /** Recordings that have no seal yet; true where the first process knows that one has grown. */
  const written = new Map<string, { readonly recorder: SessionRecorder; told: boolean }>()

  const opened = (id: string): Opened => {
    const found = sessions.get(id)
    if (found === undefined) throw new Error(`no session ${id}`)
    return found
  }
  const heads: Heads = {
    opened: ({ session }, tip) => channel().tell('placed', { session, tip }),
    closed(session, tip, seal) {
      written.delete(session)
      channel().tell('sealed', { session, tip, seal })
    },
  }
  setInterval(() => {
    const grown = [...written].filter(([, one]) => !one.told && one.recorder.grown)
    for (const [, one] of grown) one.told = true
    if (grown.length > 0)
      channel().tell(
        'grown',
        grown.map(([session]) => session),
      )
  }, LOOK).unref()

  function end(session: string, ending: Ending): Promise<void> {
    sessions.get(session)?.over.abort(ending)
    // A first process that is gone takes this one with it.
    return channel()
      .call('end', { session, ending })
      .catch(() => undefined)
  }

  return {
    hears: {
      async record({ session, opened }) {
        const onLost = (lost: RecordingLost) => void end(session, recordingLost(lost))
        try {
          const recorder = await openRecorder({ ...seals(), session, opened, clock, heads, log, onLost })
          const [over, dialling] = [new AbortController(), new AbortController()]
          sessions.set(session, { recorder, over, dialling })
          written.set(session, { recorder, told: false })
          return {}
        } catch (error) {
          if (!(error instanceof RecordingLost)) throw error
          return { lost: { why: error.why, cause: String(error.cause) } }
        }
      },
      hide: ({ session, secret }) => sessions.get(session)?.recorder.hide(secret),
      async dial({ protocol, lease, ...at }) {
        const session = opened(at.session)
        const signal = AbortSignal.any([session.over.signal, session.dialling.signal])
        const upstream = await protocols.get(protocol)?.dial({ ...at, lease: arrived(lease), signal })
        if (upstream instanceof Refused) return { refused: upstream.denial }
        session.upstream = upstream
        return {}
      },
      abandon: ({ session }) => sessions.get(session)?.dialling.abort(),
      cut: ({ session, ending }) => sessions.get(session)?.over.abort(ending),
      cancel: ({ session }) => sessions.get(session)?.upstream?.cancel(),
      async dispose({ session }) {
        await sessions.get(session)?.upstream?.[Symbol.asyncDispose]()
      },
      destroy: ({ session }) => sessions.get(session)?.upstream?.destroy(),
      async close({ session, ending }) {
        await sessions.get(session)?.recorder.close(ending)
        sessions.delete(session)
      },
      checkpoint({ session }) {
        const one = written.get(session)
        if (one === undefined) return undefined
        one.told = false
        return one.recorder.checkpoint()
      },
    },
    entered({ session: id, grant, ...facts }) {
      const { recorder, over, upstream } = opened(id)
      if (upstream === undefined) throw new Error(`${id} has no upstream`)
      return {
        id,
        grant,
        scope: grant.scope,
        upstream,
        recorder,
        signal: over.signal,
        ...facts,
        end: ending => end(id, ending),
      }
    },
  }
}
