/**
 * The two-way loop of one session: the client's messages and the host's, channel by channel, and the cut.
 *
 * Nothing is sent while messages are read. When a turn is over the recorder is flushed, then what gathered goes out to
 * both sides; if the record cannot be written, what gathered is thrown away and the session ends (invariant 7).
 */
import { setTimeout as wait } from 'node:timers/promises'
import { endings, recordingLost } from '../../ending.ts'
import { type Recorder, RecordingLost, type Seq, type Verdict } from '../../recording/record.ts'
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import type { Ending } from '../../words.ts'
import type { Session } from '../protocol.ts'
import { SessionChannel } from './channel.ts'
import { type Channel, checkPlace } from './ends.ts'
import { Flow } from './flow.ts'
import { ForwardChannel } from './forward.ts'
import { judgeCaught, judgeForward, judgeOther } from './guard.ts'
import { channelOpenFailed, dataOf, disconnectReason, msg, openFailure } from './messages.ts'
import type { Pace } from './pace.ts'
import { oneLine } from './refuse.ts'
import { execWords, type SshScope } from './scope.ts'
import type { NearSide, Payload, RelaySide } from './sides.ts'
import { Turnstile } from './turnstile.ts'
import type { FarSide, SshUpstream } from './upstream.ts'
import type { Wire } from './wire.ts'

/** sshd's own MaxSessions (attack 121). */
const maxChannels = 10
/** Forwarded connections take no place of sshd's. */
const maxForwards = 32
/** Each refusal is a line in the recording; a client that only knocks is not let fill the disk. */
const maxRefusals = 1000
const minPacket = 1024
/** OpenSSH's client drops what it has not yet shown when a DISCONNECT comes with it. */
const lastWordsMillis = 80

export class Relay implements RelaySide, FarSide {
  readonly scope: SshScope
  readonly recordValues: boolean
  readonly recorder: Recorder
  readonly host: SshUpstream
  readonly turnstile = new Turnstile()
  readonly pace: Pace
  readonly #over = Promise.withResolvers<void>()
  /** Resolves when the client has been told and the host has been cancelled. */
  readonly over = this.#over.promise
  readonly #session: Session<SshScope, SshUpstream>
  readonly #near: NearSide
  readonly #far: Wire
  readonly #flow: Flow
  readonly #channels = new Map<number, Channel>()
  #next = 0
  #refusals = 0
  #noMoreSessions = false
  #lost = false
  fault: { readonly error: unknown } | undefined
  #toNear: Payload[] = []
  #toFar: Payload[] = []
  #ending: Ending | undefined

  constructor(session: Session<SshScope, SshUpstream>, near: NearSide) {
    this.#session = session
    this.scope = session.scope
    this.recordValues = session.recordValues
    this.recorder = session.recorder
    this.host = session.upstream
    this.#near = near
    this.#far = session.upstream.wire
    this.#flow = new Flow(near, this.#far, session.scope.idle_timeout, {
      end: ending => this.#end(ending),
      goOn: act => this.#goOn(act),
    })
    this.pace = this.#flow.pace
    const cut = () => void this.#cut(session.signal.reason as Ending)
    if (session.signal.aborted) cut()
    else session.signal.addEventListener('abort', cut, { once: true })
    session.upstream.attach(this)
  }

  // ---- from the client

  onNear(type: number, payload: Buffer): void {
    if (this.#ending !== undefined) return
    this.#recorded(() => this.#nearMessage(type, payload))
  }

  #nearMessage(type: number, payload: Buffer): void {
    const fields = new Reader(payload, 1)
    if (type === msg.globalRequest) this.#nearGlobal(fields)
    else if (type === msg.channelOpen) this.#open(fields)
    else if (type === msg.channelData) this.#unclosed(fields).nearData(dataOf(fields))
    else if (type === msg.channelWindowAdjust) this.#channel(fields).nearWidens(fields.u32())
    else if (type === msg.channelRequest)
      this.#unclosed(fields).nearRequest(fields.text(), fields.bool(), fields)
    else if (type === msg.channelEof) this.#unclosed(fields).nearEof()
    else if (type === msg.channelClose) this.#unclosed(fields).nearClose()
    // Answers to the keep-alives that we never ask for, and what only a server sends: not taken (attack 124).
    else throw new Malformed(`message ${type} from a client`)
  }

  #channel(fields: Reader): Channel {
    const channel = this.#channels.get(fields.u32())
    if (channel === undefined) throw new Malformed('no such channel')
    return channel
  }

  /** Behind its CLOSE a client says nothing, and starts nothing whose output would go nowhere. */
  #unclosed(fields: Reader): Channel {
    const channel = this.#channel(fields)
    if (channel.ends.nearClosed) throw new Malformed('a message behind a close')
    return channel
  }

  #nearGlobal(fields: Reader): void {
    const name = fields.text()
    const wantReply = fields.bool()
    const noMore = name === 'no-more-sessions@openssh.com'
    if (noMore) this.#noMoreSessions = true
    else if (name.includes('forward')) this.refused(judgeOther('forward', name, 'forward is not in scope'))
    // OpenSSH takes a failure for a sign of life as well.
    if (wantReply) this.toNear(message(noMore ? msg.requestSuccess : msg.requestFailure))
  }

  #open(fields: Reader): void {
    const type = fields.text()
    const near = fields.u32()
    const window = fields.u32()
    const packet = fields.u32()
    if (packet === 0) throw new Malformed('a packet size of zero')
    const no = (reason: number, why: string) => this.toNear(channelOpenFailed(near, reason, why))
    const forwards = [...this.#channels.values()].filter(one => one instanceof ForwardChannel).length
    const opening = { id: this.#next, near, window, packet }
    const add = (channel: Channel) => {
      this.#next++
      this.#channels.set(channel.ends.id, channel)
    }
    if (packet < minPacket) no(openFailure.resourceShortage, 'the packets are too small')
    else if (type === 'session') {
      if (this.#noMoreSessions) no(openFailure.prohibited, 'no more sessions were wanted')
      else if (this.#channels.size - forwards >= maxChannels)
        no(openFailure.resourceShortage, `at most ${maxChannels} channels at once`)
      else {
        add(new SessionChannel(this, opening))
        this.#openGuardian()
      }
    } else if (type === 'direct-tcpip') {
      const { verdict, to } = judgeForward(this.scope, fields.text(), fields.u32())
      if (to === undefined) {
        this.refused(verdict)
        no(openFailure.prohibited, 'forward is not in scope')
      } else if (forwards >= maxForwards)
        no(openFailure.resourceShortage, `at most ${maxForwards} forwarded connections at once`)
      else add(new ForwardChannel(this, opening, verdict, to))
    } else {
      this.refused(judgeOther('forward', oneLine(type), 'forward is not in scope'))
      no(openFailure.prohibited, 'forward is not in scope')
    }
  }

  /** Behind the client's own channel: a host that opens only one opens that one. */
  #openGuardian(): void {
    if (!this.scope.shell && execWords(this.scope.exec) === undefined) return
    const opening = this.#session.upstream.guardian()
    if (opening !== undefined) this.toFar(opening)
  }

  // ---- from the host

  onMessage(type: number, payload: Buffer): void {
    this.#recorded(() => this.#farMessage(type, payload))
  }

  #farMessage(type: number, payload: Buffer): void {
    const fields = new Reader(payload, 1)
    if (type === msg.globalRequest) this.#farGlobal(fields)
    else if (type === msg.channelOpen) this.#farOpens(fields)
    else if (type >= msg.channelOpenConfirmation && type <= msg.channelFailure) this.#fromFar(type, fields)
    else if (type !== msg.requestSuccess && type !== msg.requestFailure && type !== msg.extInfo)
      throw new Malformed(`message ${type} from a host`)
  }

  #fromFar(type: number, fields: Reader): void {
    const id = fields.u32()
    const channel = this.#channels.get(id)
    if (channel === undefined) throw new Malformed('no such channel')
    checkPlace(type, channel.ends)
    if (type === msg.channelSuccess || type === msg.channelFailure)
      channel.farReplies(type === msg.channelSuccess)
    else if (type === msg.channelClose) channel.farClose()
    // After the cut nothing else of the host's is of interest.
    else if (this.#ending !== undefined) return
    else if (type === msg.channelData || type === msg.channelExtendedData) {
      const kind = type === msg.channelData ? 0 : fields.u32()
      channel.farData(dataOf(fields), kind)
    } else if (type === msg.channelWindowAdjust) channel.ends.farWidens(fields.u32())
    else if (type === msg.channelRequest) channel.farRequest(fields.text(), fields.bool(), fields)
    else if (type === msg.channelEof) channel.ends.farEof()
    else if (type === msg.channelOpenConfirmation)
      channel.ends.confirm(fields.u32(), fields.u32(), fields.u32())
    else if (type === msg.channelOpenFailure) channel.farRefused(fields)
  }

  #farGlobal(fields: Reader): void {
    fields.text()
    if (fields.bool()) this.toFar(message(msg.requestFailure))
  }

  /** A hostile host asks for the client's agent, display or network: never (attack 110). */
  #farOpens(fields: Reader): void {
    fields.text()
    this.toFar(channelOpenFailed(fields.u32(), openFailure.prohibited, 'not here'))
  }

  // ---- for the channels

  toNear(payload: Payload): void {
    this.#flow.toNear(payload)
    this.#toNear.push(payload)
  }
  toFar(payload: Payload): void {
    this.#flow.toFar(payload)
    this.#toFar.push(payload)
  }
  run(_of: Seq, payload: Payload): void {
    this.toFar(payload)
  }
  urgent(payload: Payload): void {
    this.#far.send(payload)
  }
  refused(verdict: Verdict, near?: number): void {
    this.recorder.statement(verdict)
    if (near !== undefined && !verdict.allow) this.#near.refused?.(near, verdict.denial)
    if (++this.#refusals === maxRefusals) this.#limit(`${maxRefusals} refused requests`)
  }
  caught(pattern: string, how: 'shown' | 'typed'): void {
    this.recorder.statement(judgeCaught(pattern, how))
    this.#limit(`what was ${how} is named by cut_on in the grant's scope; session ended`)
  }
  forget({ id }: { readonly id: number }): void {
    this.#channels.delete(id)
  }

  // ---- turns

  onTurn(): void {
    if (this.#ending !== undefined) return
    this.#recorded(() => this.recorder.flush())
    this.#sendAll()
    this.#flow.onTurn()
  }

  /** What could not be recorded is not sent: what has gathered is thrown away, and the session ends. */
  #recorded(act: () => void): void {
    if (this.#lost) return
    try {
      act()
    } catch (error) {
      if (error instanceof Malformed) throw error
      this.#lost = true
      this.#toNear = []
      this.#toFar = []
      const isLost = error instanceof RecordingLost
      // A fault of ours, of which neither side is to be told that it was its own. Whoever serves us writes it down.
      if (!isLost) this.fault ??= { error }
      this.#end(isLost ? recordingLost(error) : endings.failed)
    }
  }

  /** What waited for its turn. What it throws is the client's, as if it were read now. */
  #goOn(act: () => void): void {
    if (this.#ending !== undefined) return
    try {
      this.#recorded(act)
    } catch (error) {
      this.#near.fail(error as Error)
    }
    this.onTurn()
  }

  #sendAll(): void {
    const [near, far] = [this.#toNear, this.#toFar]
    this.#toNear = []
    this.#toFar = []
    for (const payload of far) this.#far.send(payload)
    for (const payload of near) this.#near.send(payload)
  }

  onDrain(): void {
    if (this.#ending === undefined) this.#flow.onDrain()
  }

  // ---- the end

  /** The host's connection is over. */
  onEnd(error?: Error): void {
    const text = `the host closed the connection${error instanceof Malformed ? ': it broke the protocol' : ''}`
    this.#end({ how: 'close', why: 'upstream_closed', text })
  }

  /** The client's connection is over. */
  onNearEnd(error?: Error): void {
    if (error === undefined || !(error instanceof Malformed))
      this.#end({ how: 'close', why: 'client_closed', text: 'the client closed the connection' })
    else this.#end({ how: 'cut', why: 'protocol_violation', text: 'the client broke the protocol' })
  }

  #limit(text: string): void {
    this.#end({ how: 'cut', why: 'limit_exceeded', text })
  }

  #end(ending: Ending): void {
    if (this.#ending === undefined) void this.#session.end(ending)
  }

  /** Invariant 6, in its order. The broker destroys both sockets after 500 ms, whatever becomes of this. */
  async #cut(ending: Ending): Promise<void> {
    if (this.#ending !== undefined) return
    this.#ending = ending
    this.#flow.end()
    this.#near.pause()
    this.#toNear = []
    this.#toFar = []
    for (const channel of this.#channels.values()) {
      this.#recorded(() => channel.endRecords())
      channel.cut(ending)
    }
    this.#recorded(() => this.recorder.flush())
    // What the client is told of its channels; to the host nothing goes any more but the cancelling.
    this.#toFar = []
    this.#sendAll()
    await Promise.all([this.#goodbye(ending), this.#session.upstream.cancel(ending.how)])
    if (this.fault === undefined) this.#over.resolve()
    else this.#over.reject(this.fault.error)
  }

  async #goodbye(ending: Ending): Promise<void> {
    if (this.#near.ended) return
    if (this.#channels.size > 0) await wait(lastWordsMillis)
    this.#near.disconnect(disconnectReason.byApplication, oneLine(ending.text))
  }
}
