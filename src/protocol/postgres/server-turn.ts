/**
 * The other direction: what the server answers, matched with what it owes, counted, masked, and passed on uncopied wherever
 * nothing has to change. A message that is not owed ends the session: the upstream is hostile too (attack 98).
 */
import { performance } from 'node:perf_hooks'
import { Copied } from './copied.ts'
import { copyOutOf } from './copy-out.ts'
import { type FrameJudge, Frames } from './frames.ts'
import type { Line } from './line.ts'
import { maskRow } from './mask.ts'
import type { Owed } from './owed.ts'
import { breaksJudgement, readParameter, visibleParameter } from './parameters.ts'
import { truncated } from './refuse.ts'
import { LastShape } from './shape.ts'
import { Tally } from './tally.ts'
import * as wire from './wire.ts'
import { type Withhold, withholdUnder } from './withhold.ts'
import { writeAll } from './write-all.ts'

/** A masked row is held whole while it is rewritten. */
const MAX_MASKED_ROW = 16 * 1024 * 1024
/** Length of the CopyData that ends a binary COPY, and of a row without columns. */
const TRAILER = 7

export class ServerTurn implements FrameJudge {
  readonly #line: Line
  readonly #frames = new Frames(wire.serverBounds, this)
  #out: Buffer[] = []
  #bytes: Buffer = Buffer.alloc(0)
  #from = 0
  #dropping = false
  /** Start of a run of row frames in `#bytes` that passes as it is; its digest is taken in one go. */
  #run = -1
  #tally: Tally | null = null
  readonly #last: LastShape
  readonly #withhold: Withhold
  #atBorder: (() => void) | null = null

  constructor(line: Line) {
    this.#line = line
    this.#last = new LastShape(line.upstream.masks)
    this.#withhold = withholdUnder(line.scope)
  }

  /** False asks to stop reading upstream until the client has drained. */
  take(chunk: Buffer): boolean {
    const passed = this.#frames.pass(chunk)
    if (passed > 0 && !this.#dropping) {
      const rest = chunk.subarray(0, passed)
      this.#out.push(rest)
      this.#tally?.relayed(rest)
    }
    const bytes = passed > 0 ? chunk.subarray(passed) : this.#frames.join(chunk)
    if (bytes !== null) this.#walk(bytes)
    this.#tally?.settle()
    if (this.#line.owed.length === 0 || this.#line.copy === 'in') this.#line.watch?.answered()
    return this.#write()
  }

  /** Calls back once the client's stream stands between two messages: a goodbye can follow only there. */
  atBorder(then: () => void): void {
    if (this.#frames.passing === 0 || this.#dropping) then()
    else this.#atBorder = then
  }

  /** The session is over: only the message that is on its way to the client goes on to its end. */
  finish(chunk: Buffer): void {
    const passed = this.#frames.pass(chunk)
    if (passed === 0 || this.#atBorder === null) return
    this.#line.client.write(Buffer.from(chunk.subarray(0, passed)))
    if (this.#frames.passing === 0) this.#atBorder()
  }

  needs(type: number, total: number): number {
    const copies = type === wire.COPY_DATA
    if (!copies && type !== wire.DATA_ROW) return total
    const masks = copies ? this.#tally?.copy : this.#planOf(this.#line.owed.head)
    if (!masks) return copies && total === TRAILER ? total : 5
    if (total > MAX_MASKED_ROW) throw new wire.Violation('a row with masked columns is larger than 16 MiB')
    return total
  }

  judge(type: number, bytes: Buffer, at: number, total: number): boolean {
    this.#dropping = false
    if (type === wire.DATA_ROW || type === wire.COPY_DATA) {
      if (type === wire.DATA_ROW) this.#row(bytes, at, total)
      else this.#copyRow(bytes, at, total)
      return true
    }
    this.#endRun(at)
    if (!this.#message(type, bytes, at, total)) throw unexpected(type)
    return !this.#line.over
  }

  // ---- rows: the hot path ---------------------------------------------------------------------------------------

  #row(bytes: Buffer, at: number, total: number): void {
    const head = this.#line.owed.head
    if (head === undefined || (head.kind !== 'query' && head.kind !== 'execute'))
      throw unexpected(wire.DATA_ROW)
    this.#tally ??= new Tally()
    const tally = this.#tally
    const given = head.portal === null ? tally.given : head.portal.given
    const plan = this.#planOf(head)
    const masked = plan === null ? null : maskRow(bytes.subarray(at + 5, at + total), plan)
    // What is masked has no length either: where the limit cuts would tell it.
    if (!given.takes(masked?.length ?? total, this.#line.scope)) {
      tally.truncated = true
      this.#drop(at, total)
      return
    }
    tally.rows++
    if (masked === null) {
      if (this.#run < 0) this.#run = at
      return
    }
    tally.relayed(masked)
    this.#replace(at, total, masked)
  }

  #planOf(head: Owed | undefined) {
    if (head === undefined) return null
    return head.portal === null ? (this.#tally?.plan ?? null) : head.portal.plan
  }

  #copyRow(bytes: Buffer, at: number, total: number): void {
    const tally = this.#tally
    if (tally === null) throw unexpected(wire.COPY_DATA)
    const rewritten = tally.copy?.row(bytes.subarray(at + 5, at + total))
    // The two bytes that end a binary COPY are not a row. Two others are one that has no columns, and counts.
    const trailer = rewritten
      ? !rewritten.counts
      : tally.binaryCopy && total === TRAILER && bytes.readInt16BE(at + 5) === -1
    if (!trailer && !tally.given.takes(rewritten?.masked.length ?? total, this.#line.scope)) {
      tally.truncated = true
      this.#drop(at, total)
      return
    }
    if (!trailer) tally.rows++
    if (rewritten !== undefined) {
      tally.relayed(rewritten.masked)
      this.#replace(at, total, rewritten.masked)
    } else if (this.#run < 0) this.#run = at
  }

  #endRun(at: number): void {
    if (this.#run < 0) return
    this.#tally?.relayed(this.#bytes.subarray(this.#run, Math.min(at, this.#bytes.length)))
    this.#run = -1
  }

  // ---- everything else --------------------------------------------------------------------------------------------

  /** False where the message was not owed. */
  #message(type: number, bytes: Buffer, at: number, total: number): boolean {
    switch (type) {
      case wire.NOTICE:
        this.#report(type, bytes, at, total)
        return true
      case wire.NOTIFICATION:
        return true
      case wire.PARAMETER_STATUS:
        return this.#parameter(bytes, at, total)
      case wire.ERROR:
        return this.#error(bytes, at, total)
    }
    const head = this.#line.owed.head
    return head !== undefined && this.#answer(type, bytes, at, total, head)
  }

  #answer(type: number, bytes: Buffer, at: number, total: number, head: Owed): boolean {
    const { owed } = this.#line
    const runs = head.kind === 'query' || head.kind === 'execute'
    switch (type) {
      case wire.READY:
        return this.#ready(bytes[at + 5] as number, head)
      case wire.COMMAND_COMPLETE:
        return runs && this.#complete(bytes, at, total, head)
      case wire.EMPTY_QUERY:
        return runs && this.#ended(head, { tag: '' })
      case wire.SUSPENDED:
        return head.kind === 'execute' && this.#ended(head, { tag: 'SUSPENDED' })
      case wire.ROW_DESCRIPTION:
        return this.#described(bytes, at, total, head)
      case wire.PARSE_COMPLETE:
        return head.kind === 'parse' && this.#settled(head)
      case wire.BIND_COMPLETE:
        return head.kind === 'bind' && this.#settled(head)
      case wire.CLOSE_COMPLETE:
        return head.kind === 'close' && owed.shift()
      case wire.PARAMETERS:
        return head.kind === 'describe' && head.portal === null
      case wire.NO_DATA:
        if (head.quiet) this.#drop(at, total)
        return head.kind === 'describe' && owed.shift()
      case wire.COPY_IN:
        this.#line.copy = 'in'
        this.#line.copied = new Copied()
        return runs && owed.dropSyncs()
      case wire.COPY_OUT:
        this.#tally = new Tally()
        this.#tally.binaryCopy = bytes[at + 5] === 1
        this.#tally.copy = copyOutOf(head, this.#line.upstream.masks, bytes.subarray(at + 5, at + total))
        return runs
      case wire.COPY_DONE:
        return this.#tally !== null
      default:
        return false
    }
  }

  #settled(head: Owed): true {
    if (head.settles !== null) head.settles.sure = true
    return this.#line.owed.shift()
  }

  #parameter(bytes: Buffer, at: number, total: number): true {
    const [name, value] = readParameter(bytes.subarray(at + 5, at + total))
    // Attack 81: with another encoding or other quoting the server reads another statement than was judged.
    if (breaksJudgement(name, value)) throw new wire.Violation(`the session's ${name} was changed`)
    if (!visibleParameter(name)) this.#drop(at, total)
    return true
  }

  /** Passes a report on as far as the client may see it, and answers its fields as it then reads them. */
  #report(type: typeof wire.ERROR | typeof wire.NOTICE, bytes: Buffer, at: number, total: number): Buffer {
    const fields = bytes.subarray(at + 5, at + total)
    const told = this.#withhold(type, fields)
    if (told === null) return fields
    this.#replace(at, total, told)
    return told.subarray(5)
  }

  #error(bytes: Buffer, at: number, total: number): true {
    const line = this.#line
    const head = line.owed.head
    if (head === undefined) {
      this.#report(wire.ERROR, bytes, at, total)
      return true
    }
    if (head.refusal === null) {
      // What a mask withholds from the client is not to be read in the recording either.
      const { C = '', M = '' } = wire.errorFields(this.#report(wire.ERROR, bytes, at, total))
      this.#record(head, { error: { code: C, message: M } })
    } else this.#replace(at, total, head.refusal)
    this.#tally = null
    // Also where it has not begun: its rows may be on their way already.
    if (line.copy === 'in' || head.kind === 'query') line.copy = 'failed'
    if (head.kind !== 'query' && head.kind !== 'sync' && !line.owed.fail()) line.skipping = true
    return true
  }

  #ready(state: number, head: Owed): boolean {
    const line = this.#line
    const known = state === wire.IDLE || state === wire.IN_TRANSACTION || state === wire.FAILED_TRANSACTION
    if ((head.kind !== 'query' && head.kind !== 'sync') || !known) return false
    line.transaction = state
    line.owed.shift()
    this.#tally = null
    if (line.quiet) line.rests(state)
    return true
  }

  #described(bytes: Buffer, at: number, total: number, head: Owed): boolean {
    if (head.kind !== 'query' && head.kind !== 'describe') return false
    const line = this.#line
    const { columns, plan } = this.#last.shapeOf(bytes, at + 5, at + total, head)
    if (head.kind === 'query') {
      this.#tally = new Tally()
      this.#tally.columns = columns
      this.#tally.plan = plan
      return true
    }
    if (head.prepared !== null) head.prepared.columns = columns
    if (head.portal !== null) head.portal.plan = plan
    if (head.quiet) this.#drop(at, total)
    return line.owed.shift()
  }

  #complete(bytes: Buffer, at: number, total: number, head: Owed): true {
    const line = this.#line
    const tag = this.#last.tagOf(bytes, at + 5, at + total - 1)
    const tally = this.#tally
    if (tally?.truncated) {
      // The tag says what was sent; the recording holds the server's own.
      const said = /^(SELECT|FETCH|COPY) [0-9]+$/.test(tag) ? tag.replace(/[0-9]+$/, String(tally.rows)) : tag
      const told = [truncated(line.scope), wire.frame(wire.COMMAND_COMPLETE, `${said}\0`)]
      this.#replace(at, total, Buffer.concat(told))
    }
    head.done++
    return this.#ended(head, { tag })
  }

  #ended(head: Owed, end: { tag: string }): true {
    this.#record(head, end)
    if (head.kind === 'execute') this.#line.owed.shift()
    return true
  }

  #record(head: Owed, end: { tag?: string; error?: { code: string; message: string } }): void {
    const tally = this.#tally ?? new Tally()
    this.#tally = null
    const prepared = head.portal?.prepared ?? head.prepared
    tally.columns ??= prepared?.columns
    const seq = head.kind === 'parse' ? (prepared?.seq ?? head.seq) : head.seq
    const line = this.#line
    const result = tally.result(end, head.since, performance.now())
    line.recorder.result(seq, line.copied === null ? result : line.copied.result(result))
    line.copied = null
  }

  // ---- the turn -----------------------------------------------------------------------------------------------------

  #walk(bytes: Buffer): void {
    this.#bytes = bytes
    this.#from = 0
    this.#run = -1
    const at = this.#frames.walk(bytes)
    this.#endRun(at)
    this.#stretch(at)
    if (at < bytes.length) this.#frames.hold(bytes.subarray(at))
  }

  #stretch(to: number): void {
    const end = Math.min(to, this.#bytes.length)
    const whole = this.#from === 0 && end === this.#bytes.length
    if (end > this.#from) this.#out.push(whole ? this.#bytes : this.#bytes.subarray(this.#from, end))
    this.#from = to
  }

  #drop(at: number, total: number): void {
    this.#endRun(at)
    this.#stretch(at)
    this.#from = at + total
    this.#dropping = true
  }

  #replace(at: number, total: number, by: Buffer): void {
    this.#drop(at, total)
    this.#out.push(by)
  }

  #write(): boolean {
    const out = this.#out
    if (out.length === 0) return true
    this.#out = []
    return writeAll(this.#line.client, out)
  }
}

const unexpected = (type: number): wire.Violation =>
  new wire.Violation(`the target sent message ${wire.nameOf(type)}, which was not asked for`)
