/**
 * One direction of a session: what the client sends, judged message by message, recorded, and only then sent upstream, all
 * of a turn at once. A message it does not know, or in a state where none may come, ends the session (attack 96).
 */
import type { Seq, StreamRecorder, Verdict } from '../../recording/record.ts'
import * as extended from './extended.ts'
import { type FrameJudge, Frames } from './frames.ts'
import type { Line } from './line.ts'
import { Owed, type Prepared } from './owed.ts'
import * as simple from './simple.ts'
import * as wire from './wire.ts'

/** With masks the whole Bind is needed, for a Describe of ours follows it. */
const BIND_WHOLE = wire.MAX_SQL
/** Answers owed at once: a client that pipelines without end waits. */
const MAX_OWED = 4096
/** No record's number. */
const NEVER = -1

export class ClientTurn implements FrameJudge {
  readonly line: Line
  readonly #frames = new Frames(wire.clientBounds, this)
  /** What this turn sends upstream, in order. */
  #out: Buffer[] = []
  #bytes: Buffer = Buffer.alloc(0)
  /** Start of the stretch of `#bytes` that goes upstream as it is. */
  #from = 0
  /** What is still to come of the last frame is dropped. */
  #dropping = false
  /** The last frame is a CopyData that goes upstream. */
  #copying = false
  /** The last frame is a Bind that goes upstream and is longer than what its statement's record keeps. */
  #bound: StreamRecorder | null = null
  /** Parses of this turn that no Bind has recorded yet. */
  #unrecorded: Prepared[] = []
  /** The newest record that was flushed. */
  #flushed: number
  /** A verdict is being waited for; what follows stays unread in `#rest`. */
  #waiting = false
  #rest: Buffer | null = null
  /** What the first message in `#rest` means depends on an answer that is owed. */
  #early = false
  #congested = false
  #indebted = false
  /** What it was told of ours is not taken. */
  #deaf = false

  constructor(line: Line) {
    this.line = line
    this.#flushed = line.seq
  }

  take(chunk: Buffer): void {
    this.line.time = performance.now()
    const passed = this.#frames.pass(chunk)
    if (passed > 0 && !this.#dropping) {
      const rest = chunk.subarray(0, passed)
      this.#out.push(rest)
      if (this.#copying) this.line.copied?.sent(rest)
      this.#bound?.input(rest)
      if (this.#frames.passing === 0) this.#endBound()
    }
    const bytes = passed > 0 ? chunk.subarray(passed) : this.#frames.join(chunk)
    if (bytes !== null) this.#walk(bytes)
    this.#send()
  }

  /** Part of what was taken waits here, in the bytes that were given. */
  get waiting(): boolean {
    return this.#waiting
  }

  /** Answers came: a client that had too many outstanding, or sent too early, may be read again. */
  relieve(): void {
    if (this.#early) {
      this.#early = false
      this.#waiting = false
      this.#goOn()
    }
    if (!this.#indebted || this.line.owed.length > MAX_OWED / 2) return
    this.#indebted = false
    this.#read()
  }

  /** Tells the client something that nobody owes: who repeats what is refused and never reads is not read either. */
  tell(bytes: Buffer): void {
    const { line } = this
    if (line.client.write(bytes)) return
    this.#deaf = true
    line.client.pause()
    line.stalled()
  }

  /** The client took all it was told. */
  drained(): void {
    if (!this.#deaf) return
    this.#deaf = false
    this.#read()
  }

  needs(type: number, total: number): number {
    switch (type) {
      case wire.BIND:
        if (!this.line.masking) return Math.min(total, extended.BIND_READ)
        if (total > BIND_WHOLE)
          throw new wire.Violation('parameters above 1 MiB cannot be bound where columns are masked')
        return total
      case wire.COPY_DATA:
      case wire.FUNCTION_CALL:
        return 5
      default:
        return total
    }
  }

  judge(type: number, bytes: Buffer, at: number, total: number): boolean | 'again' {
    const { line } = this
    this.#dropping = false
    this.#copying = false
    if (line.copy !== 'none' && !this.#duringCopy(type)) return this.drop(at, total)
    if (line.skipping && type !== wire.SYNC && type !== wire.TERMINATE) return this.drop(at, total)
    switch (type) {
      case wire.QUERY:
        return simple.query(this, bytes, at, total)
      case wire.PARSE:
        return extended.parse(this, bytes, at, total)
      case wire.BIND:
        return extended.bind(this, bytes, at, total)
      case wire.DESCRIBE:
        return extended.describe(this, bytes, at, total)
      case wire.EXECUTE:
        return extended.execute(this, bytes, at, total)
      case wire.CLOSE:
        return extended.close(this, bytes, at, total)
      case wire.SYNC:
        line.skipping = false
        line.unsynced = false
        line.batch++
        line.owed.push(new Owed('sync', line.seq, line.time))
        return true
      case wire.FLUSH:
        return true
      case wire.FUNCTION_CALL:
        return simple.functionCall(this, at, total)
      case wire.TERMINATE:
        this.drop(at, total)
        line.end({ how: 'close', why: 'client_closed', text: 'the client said goodbye' })
        return false
      case wire.COPY_DATA:
      case wire.COPY_DONE:
      case wire.COPY_FAIL:
        if (line.copy === 'none') {
          // pgx sends a COPY's rows right behind its statement, before anybody has said yes to it.
          if (line.owed.length === 0) break
          return this.awaitAnswer()
        }
        if (type === wire.COPY_DATA) {
          this.#copying = true
          line.copied?.sent(bytes.subarray(at + 5, at + total))
        } else line.copy = 'none'
        return true
    }
    throw new wire.Violation(`message type ${wire.nameOf(type)} in the wrong place`)
  }

  /** Whether the message means something while a COPY FROM STDIN runs or has just failed. */
  #duringCopy(type: number): boolean {
    const { line } = this
    const copying = type === wire.COPY_DATA || type === wire.COPY_DONE || type === wire.COPY_FAIL
    if (line.copy === 'failed') {
      // What was under way when the server gave up, or when a COPY was refused, is ignored, as the server would.
      if (copying) return false
      line.copy = 'none'
      return true
    }
    if (copying || type === wire.TERMINATE) return true
    // The server ignores them during the copy; the client sends a Sync of its own after it.
    if (type === wire.SYNC || type === wire.FLUSH) return false
    throw new wire.Violation(`message type ${wire.nameOf(type)} in the middle of a COPY`)
  }

  /** What lies before `to` and was not dropped goes upstream. */
  stretch(to: number): void {
    const end = Math.min(to, this.#bytes.length)
    const whole = this.#from === 0 && end === this.#bytes.length
    if (end > this.#from) this.#out.push(whole ? this.#bytes : this.#bytes.subarray(this.#from, end))
    this.#from = to
  }

  /** The message does not go upstream. */
  drop(at: number, total: number): true {
    this.stretch(at)
    this.#from = at + total
    this.#dropping = true
    return true
  }

  /** Sends bytes of ours at this place. */
  insert(bytes: Buffer): void {
    this.#out.push(bytes)
  }

  /** Parameters too long for their statement's record, and how many bytes of them are still to pass. */
  recordBound(seq: Seq, parameters: Buffer, left: number): void {
    this.#bound = this.line.recorder.stream(seq, { kind: 'digest', what: 'parameters' })
    this.#bound.input(parameters)
    if (left === 0) this.#endBound()
  }

  /** The server can run it once its last byte is there: by then the record must be. */
  #endBound(): void {
    if (this.#bound === null) return
    this.#bound.finish()
    this.#bound = null
    this.#flushed = NEVER
  }

  /** A Parse that must be recorded before the turn ends, by a Bind or by itself. */
  recordLater(prepared: Prepared): void {
    this.#unrecorded.push(prepared)
  }

  /** A cache miss: the client is not read until the verdict is there; the message waits with it. */
  wait(verdict: Promise<Verdict>, then: (verdict: Verdict) => void): false {
    const { line } = this
    this.#waiting = true
    line.client.pause()
    verdict.then(
      judged => {
        if (line.over) return
        this.#waiting = false
        try {
          // Meanwhile the server may have failed, and skips what comes; or have begun a COPY, where no statement may come.
          if (line.copy === 'in') throw new wire.Violation('a statement in the middle of a COPY')
          if (!line.skipping) then(judged)
          this.#goOn()
        } catch (error) {
          line.fails(error)
        }
      },
      error => line.fails(error),
    )
    return false
  }

  /** The message is judged again when the server has answered more of what it owes. */
  awaitAnswer(): 'again' {
    this.#early = true
    this.#waiting = true
    this.line.client.pause()
    return 'again'
  }

  /** So many statements were taken. False where the session has had its statements of this second: what follows waits. */
  paced(count = 1): boolean {
    const { line } = this
    const wait = line.pace?.take(performance.now(), count) ?? 0
    if (wait === 0) return true
    this.#waiting = true
    line.client.pause()
    setTimeout(() => {
      if (line.over) return
      this.#waiting = false
      try {
        this.#goOn()
      } catch (error) {
        line.fails(error)
      }
    }, wait).unref()
    return false
  }

  /** With what waited behind a verdict, or for its time. */
  #goOn(): void {
    const rest = this.#rest
    if (!this.#waiting && rest !== null) {
      this.#rest = null
      this.line.time = performance.now()
      this.#walk(rest)
    }
    this.#send()
    this.#read()
  }

  #walk(bytes: Buffer): void {
    this.#bytes = bytes
    this.#from = 0
    const at = this.#frames.walk(bytes)
    this.stretch(at)
    if (this.#waiting) this.#rest = bytes.subarray(at)
    else if (at < bytes.length) this.#frames.hold(bytes.subarray(at))
  }

  /** Recorded before relayed (invariant 7): a turn's records are written before its bytes go upstream. */
  #send(): void {
    const { line } = this
    if (line.over) return
    if (this.#unrecorded.length > 0) this.#recordParses()
    if (line.seq !== this.#flushed) {
      line.recorder.flush()
      this.#flushed = line.seq
    }
    if (this.#out.length === 0) return
    const bytes = this.#out.length === 1 ? (this.#out[0] as Buffer) : Buffer.concat(this.#out)
    this.#out = []
    const room = line.upstream.send(line.seq, bytes)
    // A Flush owes nothing, and would else keep an idle session open for good; so would a COPY that gets no rows.
    if (line.copy === 'in' && room) line.watch?.copied()
    else if (line.owed.length > 0) line.watch?.sent()
    if (!room) {
      this.#congested = true
      line.client.pause()
      line.upstream.drained(() => {
        this.#congested = false
        if (line.copy === 'in') line.watch?.answered()
        this.#read()
      })
    }
    if (line.owed.length > MAX_OWED) {
      this.#indebted = true
      line.client.pause()
    }
  }

  #recordParses(): void {
    const { line } = this
    for (const prepared of this.#unrecorded) {
      if (prepared.seq !== null) continue
      prepared.seq = line.recorder.statement(prepared.verdict)
      line.seq = prepared.seq
    }
    this.#unrecorded = []
  }

  #read(): void {
    if (this.line.over || this.#waiting || this.#congested || this.#indebted || this.#deaf) return
    this.line.client.resume()
  }
}
