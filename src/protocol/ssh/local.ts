/**
 * A client without a wire: the house itself, for one-shots. It speaks the same messages as any client to the same relay,
 * so that what is judged, recorded and cut is the same, and holds as much of the answers as it was told to.
 */
import type { Denial } from '../../denial.ts'
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import type { Session } from '../protocol.ts'
import { channelData, channelRequest, maxPacket, msg, whole } from './messages.ts'
import { Relay } from './relay.ts'
import type { SshScope } from './scope.ts'
import type { NearSide, Payload } from './sides.ts'
import type { SshUpstream } from './upstream.ts'

const window = 1024 * 1024

/** How a command ended, or why it was never begun. */
export type Ran =
  | {
      readonly ran: true
      readonly stdout: Buffer
      readonly stderr: Buffer
      readonly status: number | undefined
      readonly signal: string | undefined
      readonly truncated: boolean
      readonly timedOut: boolean
    }
  | { readonly ran: false; readonly denial: Denial }
  /** The host did not open a channel or start a command; or the session is over, whose signal says why. */
  | { readonly ran: false; readonly why: string }

export interface Running {
  readonly command: string
  readonly stdin: Uint8Array
  readonly millis: number
  /** Of each stream; the rest is recorded and thrown away. */
  readonly maxBytes: number
}

/** OpenSSH's sshd allows ten: one is the guardian's, and as many as begin anew may still be on their way out. */
const maxAtOnce = 4
const maxWaiting = 32
const tooMany: Denial = {
  code: 'limit_exceeded',
  detail: `${maxWaiting} commands of one grant wait already`,
  say: `${maxAtOnce} commands of this grant run and ${maxWaiting} wait already`,
}

/** HUP first; what ignores it is killed this much later. */
const patienceMillis = 200

export class LocalClient implements NearSide {
  readonly blocked = false
  ended = false
  readonly #relay: Relay
  readonly #session: Session<SshScope, SshUpstream>
  readonly #commands = new Map<number, Command>()
  readonly #waiting: { readonly running: Running; readonly resolve: (ran: Ran) => void }[] = []
  #next = 0
  #turning = false

  constructor(session: Session<SshScope, SshUpstream>) {
    this.#session = session
    this.#relay = new Relay(session, this)
    // Told by the call that it ends: `fault`.
    this.#relay.over.catch(() => undefined)
    session.signal.addEventListener('abort', () => this.#over('the session is over'), { once: true })
  }

  /** A fault of ours that ended the session. */
  get fault(): { readonly error: unknown } | undefined {
    return this.#relay.fault
  }

  run(running: Running): Promise<Ran> {
    if (this.ended || this.#session.signal.aborted)
      return Promise.resolve({ ran: false, why: 'the session is over' })
    if (this.#waiting.length >= maxWaiting) return Promise.resolve({ ran: false, denial: tooMany })
    return new Promise(resolve => {
      if (this.#commands.size < maxAtOnce) this.#start(running, resolve)
      else this.#waiting.push({ running, resolve })
    })
  }

  #start(running: Running, resolve: (ran: Ran) => void): void {
    const id = this.#next++
    this.#commands.set(
      id,
      new Command(running, {
        say: payload => this.#say(payload),
        answered: resolve,
        closed: () => this.#closed(id),
      }),
    )
    this.#say(message(msg.channelOpen, 'session', id, window, maxPacket))
  }

  #closed(id: number): void {
    this.#commands.delete(id)
    const next = this.ended ? undefined : this.#waiting.shift()
    if (next !== undefined) this.#start(next.running, next.resolve)
  }

  #say(payload: Payload): void {
    const bytes = Buffer.from(whole(payload))
    try {
      this.#relay.onNear(bytes[0] ?? 0, bytes)
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      this.#relay.onNearEnd(error)
    }
    if (this.#turning) return
    this.#turning = true
    queueMicrotask(() => {
      this.#turning = false
      this.#relay.onTurn()
    })
  }

  // ---- what the relay says

  send(payload: Payload): void {
    // At the cut each command has the same answer: why.
    if (this.#session.signal.aborted) return
    const bytes = Buffer.from(whole(payload))
    const fields = new Reader(bytes, 1)
    if (bytes[0] === msg.requestSuccess || bytes[0] === msg.requestFailure) return
    this.#commands.get(fields.u32())?.hear(bytes[0] ?? 0, fields)
  }

  refused(near: number, denial: Denial): void {
    this.#commands.get(near)?.refused(denial)
  }

  pause(): void {
    // Nothing comes but what we say ourselves.
  }
  resume(): void {
    // As above.
  }

  fail(error: Error): void {
    this.#relay.onNearEnd(error)
  }

  disconnect(_reason: number, why: string): void {
    this.#over(why)
  }

  #over(why: string): void {
    this.ended = true
    for (const command of [...this.#commands.values()]) command.end({ ran: false, why })
    for (const { resolve } of this.#waiting.splice(0)) resolve({ ran: false, why })
  }
}

interface Around {
  say(payload: Payload): void
  answered(ran: Ran): void
  /** Nothing more is heard of the channel. */
  closed(): void
}

/** One channel, from the client's side. */
class Command {
  readonly #at: Running
  readonly #around: Around
  readonly #timer: NodeJS.Timeout
  readonly #kept = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  readonly #size = { stdout: 0, stderr: 0 }
  #channel: number | undefined
  #room = 0
  #sent = 0
  #eof = false
  #status: number | undefined
  #signal: string | undefined
  #truncated = false
  #timedOut = false
  #closeSent = false
  #over = false

  constructor(at: Running, around: Around) {
    this.#at = at
    this.#around = around
    this.#timer = setTimeout(() => this.#late(), at.millis)
  }

  hear(type: number, fields: Reader): void {
    if (type === msg.channelClose) {
      this.#closed()
      this.#around.closed()
    } else if (this.#over) return
    else if (type === msg.channelOpenConfirmation) {
      this.#channel = fields.u32()
      this.#room = fields.u32()
      this.#around.say(channelRequest(this.#channel, 'exec', true, this.#at.command))
    } else if (type === msg.channelOpenFailure) {
      fields.u32()
      this.end({ ran: false, why: fields.text() })
      this.#around.closed()
    } else if (type === msg.channelFailure) {
      this.end({ ran: false, why: 'the host did not start the command' })
      this.#closed()
    } else if (type === msg.channelSuccess) this.#feed()
    else if (type === msg.channelWindowAdjust) {
      this.#room += fields.u32()
      this.#feed()
    } else if (type === msg.channelData) this.#keep('stdout', fields.bytes())
    else if (type === msg.channelExtendedData) {
      fields.u32()
      this.#keep('stderr', fields.bytes())
    } else if (type === msg.channelRequest) this.#told(fields)
  }

  refused(denial: Denial): void {
    this.#answer({ ran: false, denial })
  }

  #told(fields: Reader): void {
    const name = fields.text()
    fields.bool()
    if (name === 'exit-status') this.#status = fields.u32()
    else if (name === 'exit-signal') this.#signal = fields.text()
  }

  #keep(from: 'stdout' | 'stderr', bytes: Buffer): void {
    const left = this.#at.maxBytes - this.#size[from]
    if (bytes.length > left) this.#truncated = true
    if (left > 0) this.#kept[from].push(Buffer.from(bytes.subarray(0, left)))
    this.#size[from] += Math.min(left, bytes.length)
    if (this.#channel !== undefined)
      this.#around.say(message(msg.channelWindowAdjust, this.#channel, bytes.length))
  }

  /** As much of stdin as the host takes. */
  #feed(): void {
    const { stdin } = this.#at
    if (this.#channel === undefined || this.#eof) return
    while (this.#sent < stdin.length && this.#room > 0) {
      const bytes = Math.min(stdin.length - this.#sent, this.#room, maxPacket)
      this.#around.say(channelData(this.#channel, stdin.subarray(this.#sent, this.#sent + bytes), false))
      this.#sent += bytes
      this.#room -= bytes
    }
    if (this.#sent < stdin.length) return
    this.#eof = true
    this.#around.say(message(msg.channelEof, this.#channel))
  }

  /** Its time is up: it is told to stop, and what it said so far is the answer. */
  #late(): void {
    this.#timedOut = true
    if (this.#channel === undefined) {
      this.end({ ran: false, why: 'the host opened no channel in time' })
      return
    }
    const channel = this.#channel
    this.#around.say(channelRequest(channel, 'signal', false, 'HUP'))
    setTimeout(() => {
      if (this.#over) return
      this.#around.say(channelRequest(channel, 'signal', false, 'KILL'))
      this.#closed()
    }, patienceMillis).unref()
  }

  #closed(): void {
    if (this.#channel !== undefined && !this.#closeSent) {
      this.#closeSent = true
      this.#around.say(message(msg.channelClose, this.#channel))
    }
    this.#answer({
      ran: true,
      stdout: Buffer.concat(this.#kept.stdout),
      stderr: Buffer.concat(this.#kept.stderr),
      status: this.#status,
      signal: this.#signal,
      truncated: this.#truncated,
      timedOut: this.#timedOut,
    })
  }

  end(ran: Ran): void {
    this.#answer(ran)
  }

  #answer(ran: Ran): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    this.#around.answered(ran)
  }
}
