/**
 * Calls and remarks over a child's IPC channel, the same at both ends. In order: what is said first is heard first. What is
 * open and how much is said at once is capped, so that a fault at one end cannot fill the other's memory.
 */
import type { Socket } from 'node:net'
import type { Vocabulary } from './messages.ts'

/** A child process, or in it the process itself. */
export interface Peer {
  send?:
    | ((message: Message, socket: Socket | undefined, sent: (error: Error | null) => void) => unknown)
    | undefined
  on(event: 'message', heard: (message: Message, socket?: Socket) => void): unknown
}

type Message =
  | { readonly what: string; readonly said: unknown; readonly id?: number }
  | { readonly re: number; readonly answer?: unknown; readonly failed?: string }

type Said<Of> = Of extends (said: infer What) => unknown ? What : undefined
type Answered<Of> = Of extends (said: never) => infer What ? What : never

export type Handlers<In extends Vocabulary> = {
  readonly [What in keyof In]: (
    said: Said<In[What]>,
    socket?: Socket,
  ) => Answered<In[What]> | Promise<Answered<In[What]>>
}

interface Waiting {
  resolve(answer: unknown): void
  reject(error: Error): void
}

const mostOpen = 20_000
/** A grant with a long scope, or a token, is some kilobytes. */
const mostSaid = 1024 * 1024

/** The other process is gone, or is about to be. */
export class ChannelClosed extends Error {}

export class Channel<Out extends Vocabulary, In extends Vocabulary> {
  readonly #peer: Peer
  readonly #handlers: Handlers<In>
  /** A remark that could not be dealt with. */
  readonly #failed: (what: string, error: unknown) => void
  readonly #open = new Map<number, Waiting>()
  #last = 0
  #closed: ChannelClosed | undefined

  constructor(peer: Peer, handlers: Handlers<In>, failed: (what: string, error: unknown) => void) {
    this.#peer = peer
    this.#handlers = handlers
    this.#failed = failed
    peer.on('message', (message, socket) => this.#heard(message, socket))
  }

  get closed(): boolean {
    return this.#closed !== undefined
  }

  /** Whoever waits is told so; nothing is said any more. */
  close(why: string): void {
    this.#closed ??= new ChannelClosed(why)
    for (const waiting of this.#open.values()) waiting.reject(this.#closed)
    this.#open.clear()
  }

  /** Says it and waits for nothing. Where nobody hears any more, nothing is left to be done. */
  tell<What extends keyof Out & string>(what: What, said: Said<Out[What]>, socket?: Socket): void {
    if (this.#closed === undefined) this.#send({ what, said }, socket)
  }

  /** Rejects where the other end fails or is gone: {@link ChannelClosed}. */
  call<What extends keyof Out & string>(what: What, said: Said<Out[What]>): Promise<Answered<Out[What]>> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    if (this.#open.size >= mostOpen) return Promise.reject(new RangeError('too much is asked at once'))
    const id = ++this.#last
    return new Promise((resolve, reject) => {
      // Throws before anybody waits for it.
      this.#send({ what, said, id })
      this.#open.set(id, { resolve: answer => resolve(answer as Answered<Out[What]>), reject })
    })
  }

  #send(message: Message, socket?: Socket): void {
    if (weigh(message) > mostSaid) throw new RangeError('more than is said at once')
    // A failure means that the other process is going: its end is told to whoever started it, and that closes us.
    this.#peer.send?.(message, socket, error => {
      if (error !== null && 'id' in message)
        this.#settle(message.id, wait => wait.reject(new ChannelClosed(error.message)))
    })
  }

  #heard(message: Message, socket?: Socket): void {
    if ('re' in message) {
      const { re, answer, failed } = message
      this.#settle(re, wait => (failed === undefined ? wait.resolve(answer) : wait.reject(new Error(failed))))
      return
    }
    const { what, said, id } = message
    const fail = (error: unknown) => {
      if (id === undefined) this.#failed(what, error)
      else this.#answer({ re: id, failed: error instanceof Error ? error.message : String(error) })
    }
    try {
      const answered = (this.#handlers[what] as (said: unknown, socket?: Socket) => unknown)(said, socket)
      Promise.resolve(answered).then(answer => id !== undefined && this.#answer({ re: id, answer }), fail)
    } catch (error) {
      fail(error)
    }
  }

  #answer(message: Message): void {
    if (this.#closed === undefined) this.#send(message)
  }

  #settle(id: number | undefined, how: (waiting: Waiting) => void): void {
    const waiting = this.#open.get(id ?? 0)
    this.#open.delete(id ?? 0)
    if (waiting !== undefined) how(waiting)
  }
}

/** About as many bytes. */
function weigh(value: unknown): number {
  if (typeof value === 'string') return value.length
  if (ArrayBuffer.isView(value)) return value.byteLength
  if (typeof value !== 'object' || value === null) return 8
  return Object.values(value).reduce((sum: number, each) => sum + weigh(each), 8)
}
