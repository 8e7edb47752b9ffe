/**
 * `idle_timeout`: a session in which nothing is passed on for so long ends: no data of a channel either way, no channel, no
 * request. Keep-alives, and whatever else is answered here, are not passed on, and windows that are adjusted let nothing
 * happen: clients and hosts send both by themselves (ServerAliveInterval), and would keep each session open.
 */
import { endedIdle } from '../../ending.ts'
import type { Ending } from '../../words.ts'
import { msg, type Payload } from './messages.ts'

const acting: ReadonlySet<number | undefined> = new Set([msg.channelOpen, msg.channelRequest])

export class Idle {
  readonly #timer: NodeJS.Timeout | undefined

  constructor(limit: number | null, end: (ending: Ending) => void) {
    if (limit !== null) this.#timer = setTimeout(() => end(endedIdle(limit)), limit).unref()
  }

  passes(payload: Payload): void {
    const isData = !(payload instanceof Uint8Array)
    if (isData || acting.has(payload[0])) this.#timer?.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
