/** The recordings that a worker writes: begun and ended by the first process, whose audit follows them. */
import type { Admitted } from '../broker/open.ts'
import type { LiveSession } from '../broker/session.ts'
import { openedRecord } from '../build.ts'
import { endings } from '../ending.ts'
import type { House } from '../house.ts'
import type { Heads } from '../ledger/heads.ts'
import type { SealKey } from '../ledger/seal.ts'
import { type Recorder, RecordingLost } from '../recording/record.ts'
import type { Channel, Handlers } from './channel.ts'
import { Checkpoints } from './checkpoints.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import { RemoteRecording } from './recording.ts'

export interface Recordings {
  readonly hears: Pick<Handlers<FromWorker>, 'end' | 'placed' | 'grown' | 'sealed'>
  record(session: LiveSession, at: Admitted): Promise<Recorder>
  /** The worker is dead. */
  gone(): void
}

export interface RecordingsAt {
  readonly house: House
  readonly key: SealKey
  readonly channel: () => Channel<ToWorker, FromWorker>
  /** What was said last is heard soon, or the worker is killed. */
  readonly mustHear: () => void
}

export function createRecordings({ house, key, channel: of, mustHear }: RecordingsAt): Recordings {
  const recordings = new Map<string, RemoteRecording>()
  const checkpoints = new Checkpoints(of)
  const heads: Heads = {
    opened: (recording, tip) => house.audit.opened(recording, tip),
    closed(session, tip, seal) {
      recordings.delete(session)
      house.audit.closed(session, tip, seal)
    },
  }

  return {
    hears: {
      async end({ session, ending }) {
        // A worker ends its own sessions, and no others.
        if (recordings.has(session)) await house.broker.live.get(session)?.end(ending)
      },
      placed({ session, tip }) {
        const recording = recordings.get(session)
        if (recording !== undefined) heads.opened(recording, tip)
      },
      grown(sessions) {
        for (const session of sessions) {
          const recording = recordings.get(session)
          if (recording !== undefined) recording.grown = true
        }
      },
      sealed: ({ session, tip, seal }) => heads.closed(session, tip, seal),
    },
    async record(session, at) {
      const { id } = session
      const { data } = house.config()
      const { clock, log } = house
      const channel = of()
      const recording = new RemoteRecording({
        session: id,
        channel,
        checkpoints,
        data,
        key,
        heads,
        clock,
        log,
      })
      recordings.set(id, recording)
      const cut = () => {
        channel.tell('cut', { session: id, ending: session.signal.reason })
        mustHear()
      }
      session.signal.addEventListener('abort', cut, { once: true })
      try {
        const { lost } = await channel.call('record', { session: id, opened: openedRecord(session, at) })
        if (lost === undefined) return recording
        recordings.delete(id)
        throw new RecordingLost(new Error(lost.cause), lost.why)
      } catch (error) {
        // Begun perhaps by a worker that died before it could say so.
        if (channel.closed) await recording.close(endings.failed)
        throw error
      }
    },
    gone() {
      for (const recording of recordings.values()) recording.orphaned()
    },
  }
}
