/**
 * One forwarded connection (direct-tcpip) to a destination that the scope lists. The gateway looks nothing up and dials
 * nothing: the host connects, to the rule's own text. Both ways are recorded as a digest with their bytes.
 */
import { performance } from 'node:perf_hooks'
import type { Recorder, Seq, StreamRecorder, Verdict } from '../../recording/record.ts'
import { Malformed, type Reader } from '../../statement/sftp/fields.ts'
import type { Ending } from '../../words.ts'
import { type Channel, Ends, type Opening } from './ends.ts'
import type { Destination } from './forwards.ts'
import { msg } from './messages.ts'
import type { RelaySide } from './sides.ts'

export class ForwardChannel implements Channel {
  readonly ends: Ends
  readonly #recorder: Recorder
  readonly #of: Seq
  readonly #startedAt = performance.now()
  readonly #bytes = { out: 0, back: 0 }
  #stream: StreamRecorder | undefined
  #ended = false

  /** Its record is written before the host hears of it (invariant 7). */
  constructor(relay: RelaySide, opening: Opening, verdict: Verdict, { host, port }: Destination) {
    this.ends = new Ends(relay, opening)
    this.#recorder = relay.recorder
    this.#of = relay.recorder.statement(verdict)
    // Where the client's own connection came from is nobody's business but ours.
    relay.run(this.#of, this.ends.opening('direct-tcpip', host, port, '127.0.0.1', 0))
  }

  nearData(data: Buffer): void {
    const { ends } = this
    ends.up.spend(data.length)
    if (ends.nearEof) throw new Malformed('data after EOF')
    if (ends.farCloseSent) return
    this.#bytes.out += data.length
    this.#record().input(data)
    ends.up.push(data, false)
    ends.up.settle()
  }

  nearWidens(bytes: number): void {
    this.ends.down.widen(bytes)
  }

  nearEof(): void {
    this.ends.eofByNear()
    this.ends.sendEof()
  }

  nearClose(): void {
    this.ends.closedByNear()
    // What the client sent before it went still belongs to the other end.
    this.ends.up.after(() => this.ends.closeFar())
    this.ends.up.settle()
  }

  nearRequest(_name: string, wantReply: boolean): void {
    if (wantReply) this.ends.toNear(msg.channelFailure)
  }

  farData(data: Buffer, type: number): void {
    const { ends } = this
    ends.down.spend(data.length)
    if (type === 0 && !ends.nearClosed) {
      this.#bytes.back += data.length
      this.#record().output(data)
      ends.down.push(data, false)
    }
    ends.down.settle()
  }

  farRefused(fields: Reader): void {
    const why = this.ends.refuse(fields)
    this.#end({ error: { code: 'connect_failed', message: why } })
  }

  farClose(): void {
    this.ends.closedByFar()
    this.endRecords()
  }

  farRequest(_name: string, wantReply: boolean): void {
    if (wantReply) this.ends.toFar(msg.channelFailure)
  }

  farReplies(): void {
    throw new Malformed('an answer to nothing')
  }

  cut(_ending: Ending): void {
    this.ends.down.drop()
    this.ends.closeNear()
  }

  endRecords(): void {
    this.#end({})
  }

  /** Opened with the first byte: what was never connected has no stream. */
  #record(): StreamRecorder {
    this.#stream ??= this.#recorder.stream(this.#of, { kind: 'digest', what: 'forward' })
    return this.#stream
  }

  #end(how: { error?: { code: string; message: string } }): void {
    if (this.#ended) return
    this.#ended = true
    const { out, back } = this.#bytes
    const result = {
      tag: how.error === undefined ? `sent ${out}, received ${back}` : 'not connected',
      bytes: out + back,
      ms: Math.round(performance.now() - this.#startedAt),
      ...how,
    }
    if (this.#stream === undefined) this.#recorder.result(this.#of, result)
    else this.#stream.end(result)
  }
}
