/**
 * An open PostgreSQL session: what the relay may do with it. `send` needs the number of a record, so that nothing that
 * was not recorded can be relayed (invariant 7). Holds no secret; the upstream's cancel key stays in here.
 */
import type { Seq } from '../../recording/record.ts'
import type { OwnFunctions } from '../../statement/sql/analysis.ts'
import type { Narrowed } from '../../words.ts'
import type { Upstream } from '../protocol.ts'
import { Inbox } from './inbox.ts'
import { type Link, openLink, type Reader } from './link.ts'
import type { MaskedColumns } from './mask.ts'
import { visibleParameter } from './parameters.ts'
import type { PostgresScope } from './scope.ts'
import { type Answer, run } from './session-setup.ts'
import type { PostgresTarget } from './target.ts'
import { frame, int32, TERMINATE } from './wire.ts'

const CANCEL_REQUEST = 80877102
const CANCEL_TIMEOUT = 2000
const GOODBYE = 400

export interface Opened {
  readonly target: PostgresTarget
  readonly link: Link
  readonly key: Buffer
  readonly parameters: ReadonlyMap<string, string>
  readonly scope: Narrowed<PostgresScope>
  readonly masks: MaskedColumns
  readonly own: OwnFunctions
}

export class PostgresUpstream implements Upstream {
  readonly database: string
  /** The session's scope as this database has it, for the guard. */
  readonly scope: Narrowed<PostgresScope>
  readonly masks: MaskedColumns
  /** For the guard: what names may call here. */
  readonly own: OwnFunctions
  readonly #parameters: Map<string, string>
  readonly #target: PostgresTarget
  readonly #link: Link
  readonly #key: Buffer
  #attached = false

  constructor(opened: Opened) {
    this.database = opened.target.database
    this.#parameters = new Map(opened.parameters)
    this.scope = opened.scope
    this.masks = opened.masks
    this.own = opened.own
    this.#target = opened.target
    this.#link = opened.link
    this.#key = opened.key
  }

  /** ParameterStatus as the server reported it, filtered. */
  get parameters(): ReadonlyMap<string, string> {
    return this.#parameters
  }

  /** From now on `reader` gets what the server sends. */
  attach(reader: Reader): void {
    this.#attached = true
    this.#link.reader = reader
    this.#link.resume()
  }

  /** Writes; false asks to wait for `drained`. */
  send(_of: Seq, bytes: Buffer): boolean {
    return this.#link.wire.write(bytes)
  }

  /** Bytes of the last {@link send} have not left yet. */
  get writing(): boolean {
    return this.#link.wire.writableLength > 0
  }

  drained(then: () => void): void {
    this.#link.wire.once('drain', then)
  }

  pause(): void {
    this.#link.pause()
  }

  resume(): void {
    this.#link.resume()
  }

  /** Runs one statement of ours while nothing else is under way: before the relay takes over, or between one-shots. */
  async ask(_of: Seq, sql: string): Promise<Answer> {
    const link = this.#link
    const { reader } = link
    const inbox = new Inbox(1024 * 1024)
    link.reader = readInto(inbox)
    link.resume()
    try {
      const answer = await run(link, inbox, sql)
      for (const [name, value] of answer.reported)
        if (visibleParameter(name)) this.#parameters.set(name, value)
      return answer
    } finally {
      link.reader = reader
      if (!this.#attached) link.pause()
    }
  }

  /** A CancelRequest over a connection of its own, encrypted as the session's. Never throws. */
  async cancel(): Promise<void> {
    try {
      const link = await openLink(this.#target, AbortSignal.timeout(CANCEL_TIMEOUT))
      const over = new Promise<void>(resolve => {
        setTimeout(resolve, CANCEL_TIMEOUT).unref()
        link.wire.once('close', resolve)
      })
      link.resume()
      link.wire.end(Buffer.concat([int32(8 + this.#key.length), int32(CANCEL_REQUEST), this.#key]))
      await over
      link.destroy()
    } catch {
      // The target is gone or too busy: `client_connection_check_interval` ends there what runs there.
    }
  }

  destroy(): void {
    this.#link.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { wire } = this.#link
    if (wire.destroyed) return
    await new Promise<void>(resolve => {
      setTimeout(resolve, GOODBYE).unref()
      wire.once('close', resolve)
      this.#link.resume()
      wire.end(frame(TERMINATE))
    })
    this.#link.destroy()
  }
}

export function readInto(inbox: Inbox): Reader {
  return { take: inbox.feed, over: error => inbox.close(error) }
}
