/**
 * The two ends of one channel: its numbers on both sides, the data both ways under flow control, EOF and CLOSE in their
 * place behind it. What runs in the channel is its owner's affair.
 */
import { type Field, Malformed, message, type Reader } from '../../statement/sftp/fields.ts'
import type { Ending } from '../../words.ts'
import { channelData, channelOpenFailed, channelRequest, maxPacket, msg } from './messages.ts'
import type { Pace } from './pace.ts'
import { Pipe } from './pipe.ts'
import { oneLine } from './refuse.ts'
import type { RelaySide } from './sides.ts'

/** A channel as the relay deals with it: `near` is the client's message, `far` the host's. */
export interface Channel {
  readonly ends: Ends
  nearData(data: Buffer): void
  nearWidens(bytes: number): void
  nearEof(): void
  nearClose(): void
  nearRequest(name: string, wantReply: boolean, fields: Reader): void
  farData(data: Buffer, type: number): void
  farRefused(fields: Reader): void
  farClose(): void
  farRequest(name: string, wantReply: boolean, fields: Reader): void
  farReplies(done: boolean): void
  /** The session is over: the client is told in the channel why. */
  cut(ending: Ending): void
  endRecords(): void
}

/** What a client's CHANNEL_OPEN says, and the number that we give the channel. */
export interface Opening {
  readonly id: number
  readonly near: number
  readonly window: number
  readonly packet: number
}

export class Ends {
  readonly id: number
  readonly near: number
  /** To the host, and to the client. */
  readonly up: Pipe
  readonly down: Pipe
  readonly #relay: RelaySide
  #far: number | undefined
  #nearEof = false
  #nearClosed = false
  #nearEofSent = false
  #nearCloseSent = false
  #farEof = false
  #farClosed = false
  #farCloseSent = false

  constructor(relay: RelaySide, { id, near, window, packet }: Opening) {
    this.id = id
    this.near = near
    this.#relay = relay
    this.down = new Pipe(window, Math.min(packet, maxPacket), {
      send: (data, extended) => relay.toNear(channelData(near, data, extended)),
      grant: bytes => this.toFar(msg.channelWindowAdjust, bytes),
    })
    this.up = new Pipe(0, maxPacket, {
      send: data => this.#far !== undefined && relay.toFar(channelData(this.#far, data, false)),
      grant: bytes => this.toNear(msg.channelWindowAdjust, bytes),
    })
  }

  /** The message that opens the channel on the host. */
  opening(type: 'session' | 'direct-tcpip', ...fields: readonly Field[]): Buffer {
    return message(msg.channelOpen, type, this.id, this.down.opening(), maxPacket, ...fields)
  }

  get pace(): Pace {
    return this.#relay.pace
  }
  get confirmed(): boolean {
    return this.#far !== undefined
  }
  get nearEof(): boolean {
    return this.#nearEof
  }
  get nearClosed(): boolean {
    return this.#nearClosed
  }
  /**
   * Both sides have said EOF, and how it ended is to come. OpenSSH's client closes here and listens on (RFC 4254 section
   * 5.3), so that is no goodbye: the command goes on, and the host's own close is waited for.
   */
  get statusIsLeft(): boolean {
    return this.#nearEof && this.#nearEofSent && !this.#nearCloseSent
  }
  get nearCloseSent(): boolean {
    return this.#nearCloseSent
  }
  get farClosed(): boolean {
    return this.#farClosed
  }
  get farCloseSent(): boolean {
    return this.#farCloseSent
  }

  confirm(far: number, window: number, packet: number): void {
    if (this.#far !== undefined || packet < 1024) throw new Malformed('channel confirmation')
    this.#far = far
    this.up.opened(window, Math.min(packet, maxPacket))
    const credit = this.up.opening()
    this.#relay.toNear(message(msg.channelOpenConfirmation, this.near, this.id, credit, maxPacket))
    // The client has closed it already: it holds no place.
    if (!this.#nearClosed) return
    this.closeFar()
    this.closeNear()
  }

  /** The host opens no channel: the client gets the host's reason, made harmless. */
  refuse(fields: Reader): string {
    if (this.#far !== undefined) throw new Malformed('channel failure')
    const reason = fields.u32()
    const why = oneLine(fields.bytes().toString())
    this.#relay.toNear(channelOpenFailed(this.near, reason, why))
    this.#relay.forget(this)
    return why
  }

  farWidens(bytes: number): void {
    this.up.widen(bytes)
  }

  farEof(): void {
    if (this.#farEof) throw new Malformed('a second EOF')
    this.#farEof = true
    this.down.after(() => {
      this.toNear(msg.channelEof)
      this.#nearEofSent = true
    })
    this.down.settle()
  }

  /** The host is done: the client hears of it behind what it has not yet been sent. */
  closedByFar(): void {
    if (this.#farClosed) throw new Malformed('a second close')
    this.#farClosed = true
    this.closeFar()
    this.down.after(() => this.closeNear())
    this.down.settle()
    this.#forget()
  }

  eofByNear(): void {
    if (this.#nearEof) throw new Malformed('a second EOF')
    this.#nearEof = true
  }

  sendEof(): void {
    this.up.after(() => this.toFar(msg.channelEof))
    this.up.settle()
  }

  /** The client is done, and listens until it has our CLOSE. */
  closingByNear(): void {
    if (this.#nearClosed) throw new Malformed('a second close')
    this.#nearClosed = true
  }

  /** The client is done: what it has not yet been sent is of no use to it. */
  closedByNear(): void {
    this.closingByNear()
    this.down.drop()
    this.closeNear()
    this.#forget()
  }

  closeNear(): void {
    if (this.#nearCloseSent || this.#far === undefined) return
    this.toNear(msg.channelClose)
    this.#nearCloseSent = true
    this.#forget()
  }

  closeFar(): void {
    if (this.#farCloseSent || this.#far === undefined) return
    this.toFar(msg.channelClose)
    this.#farCloseSent = true
  }

  #forget(): void {
    if (this.#nearClosed && this.#nearCloseSent && this.#farClosed) this.#relay.forget(this)
  }

  toNear(type: number, ...fields: readonly number[]): void {
    if (!this.#nearCloseSent) this.#relay.toNear(message(type, this.near, ...fields))
  }

  toFar(type: number, ...fields: readonly number[]): void {
    if (this.#far !== undefined && !this.#farCloseSent) this.#relay.toFar(message(type, this.#far, ...fields))
  }

  /** A request to the host; nothing where it has not opened the channel. */
  request(name: string, wantReply: boolean, ...fields: readonly Field[]): Buffer | undefined {
    if (this.#far === undefined) return undefined
    return channelRequest(this.#far, name, wantReply, ...fields)
  }

  /** A request to the client. */
  tellNear(name: string, ...fields: readonly Field[]): void {
    if (!this.#nearCloseSent) this.#relay.toNear(channelRequest(this.near, name, false, ...fields))
  }
}

/** A host speaks in a channel from its confirmation to its CLOSE: what else it said would reach the client off the record. */
export function checkPlace(type: number, { confirmed, farClosed }: Ends): void {
  const opens = type === msg.channelOpenConfirmation || type === msg.channelOpenFailure
  if (!opens && !confirmed) throw new Malformed('a message before its channel is open')
  const answers = type === msg.channelSuccess || type === msg.channelFailure
  if (farClosed && !answers) throw new Malformed('a message behind a close')
}
