/**
 * One session's recording: `data/recordings/<session>/session.jsonl` and its terminals. Records are gathered and written
 * once a turn, before the turn's bytes go upstream (invariant 7); a record costs one serialised text, one hash and its
 * share of one write(2). Nothing here waits for the disk but {@link SessionRecorder.close}.
 */
import { rmdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { genesis, link, type Tip } from '../ledger/chain.ts'
import type { Followed, Heads } from '../ledger/heads.ts'
import { type Disk, Journal } from '../ledger/journal.ts'
import { type SealKey, sealMembers, sealOf } from '../ledger/seal.ts'
import { iso, members } from '../ledger/text.ts'
import type { Log } from '../telemetry/log.ts'
import type { Clock, Ending } from '../words.ts'
import { makeFolder, settleFolder } from './folder.ts'
import { Hidden } from './hidden.ts'
import {
  type FileRecord,
  type Recorder,
  RecordingLost,
  type Result,
  type Seq,
  type StreamForm,
  type StreamRecorder,
  type Verdict,
} from './record.ts'
import { echoedMembers, parameterMembers, statementMembers } from './records.ts'
import { recoverRecording } from './recover.ts'
import { redactTokens } from './redact.ts'
import { Results } from './results.ts'
import { DigestRecorder, InertStream, type Stream, TerminalRecorder, type Tracks } from './stream.ts'

export interface RecorderOptions {
  /** The data folder. */
  readonly data: string
  /** `s_` and letters and digits. */
  readonly session: string
  /** The `open` record: grant, identity, connection ...; plain JSON, no secrets. */
  readonly opened: Readonly<Record<string, unknown>>
  readonly clock: Clock
  readonly key: SealKey
  /** The audit. */
  readonly heads: Heads
  readonly log: Log
  /** Bytes of a whole recording: an agent must not fill the disk (attack 179). */
  readonly limits?: { readonly bytes: number }
  /** A write between turns failed: end the session. A failure within a turn is thrown by `flush`. */
  readonly onLost?: (lost: RecordingLost) => void
  readonly disk?: Disk
}

const defaultLimit = 512 * 1024 * 1024
/** Gathered characters after which a turn is written before it ends. */
const longestTurn = 256 * 1024

/** Opens the recording; its first record is written when this resolves. Rejects with {@link RecordingLost}. */
export async function openRecorder(options: RecorderOptions): Promise<SessionRecorder> {
  // A second `seq` in a line would be read in place of the first.
  if (['seq', 'time', 'prev', 'type'].some(member => member in options.opened))
    throw new TypeError('a member of every line')
  const folder = makeFolder(options.data, options.session)
  const path = join(folder, 'session.jsonl')
  let journal: Journal | undefined
  try {
    journal = Journal.create(path, options.disk)
    return new SessionRecorder(options, folder, journal)
  } catch (error) {
    // Nothing was promised yet: an empty folder would only look like a recording that was taken away.
    journal?.close()
    if (journal !== undefined) unlinkSync(path)
    rmdirSync(folder)
    throw new RecordingLost(error)
  }
}

export class SessionRecorder implements Recorder, Followed, Tracks {
  readonly session: string
  readonly hidden = new Hidden()
  readonly #options: RecorderOptions
  readonly #folder: string
  readonly #file: string
  readonly #journal: Journal
  readonly #limit: number
  /** The recording is safe in its folder, and the audit follows it. Nobody need wait for it but `close`. */
  readonly placed: Promise<void>
  readonly #streams = new Set<Stream>()
  readonly #casts: TerminalRecorder[] = []
  #tip: Tip = genesis
  readonly #results = new Results(this.hidden)
  #known = 0
  #statements = 0
  #lost: RecordingLost | undefined
  #full = false
  #sealed = false
  #ending: Ending | undefined
  #closing: Promise<void> | undefined
  #checkpoint: Promise<Tip | undefined> = Promise.resolve(undefined)

  constructor(options: RecorderOptions, folder: string, journal: Journal) {
    this.#options = options
    this.session = options.session
    this.#folder = folder
    this.#file = `recordings/${options.session}/session.jsonl`
    this.#journal = journal
    this.#limit = options.limits?.bytes ?? defaultLimit
    // An agent's reason and task are words of its own, and may hold its token.
    this.append('open', redactTokens(members({ session: options.session, ...options.opened })))
    journal.flush()
    this.placed = this.#place(this.#tip)
  }

  get grown(): boolean {
    if (this.#lost !== undefined) return this.#ending !== undefined && !this.#sealed
    return (
      this.#closing === undefined &&
      (this.#tip.seq !== this.#known || this.#results.any || [...this.#streams].some(stream => stream.grown))
    )
  }

  now(): number {
    return this.#options.clock.now()
  }

  mono(): number {
    return this.#options.clock.mono()
  }

  statement(verdict: Verdict, parameters?: Uint8Array): Seq {
    const rest = statementMembers(verdict, this.hidden)
    this.#statements++
    return this.append(
      'statement',
      parameters === undefined ? rest : `${rest},${parameterMembers(parameters, this.hidden)}`,
    )
  }

  result(of: Seq, result: Result): void {
    this.#results.note(of, result, this.now())
  }

  file(of: Seq, file: FileRecord): void {
    this.append('file', `"of":${of},${this.hidden.redact(members({ ...file }))}`)
  }

  echoed(of: Seq, line: Uint8Array): void {
    this.append('echoed', `"of":${of},${echoedMembers(line, this.hidden)}`)
  }

  stream(of: Seq, form: StreamForm): StreamRecorder {
    if (this.#lost !== undefined || this.#full) return new InertStream()
    try {
      const stream =
        form.kind === 'digest' ? new DigestRecorder(this, of, form.what) : this.#terminal(of, form)
      this.#streams.add(stream)
      return stream
    } catch (error) {
      // No file to be had (attack 189): the next flush refuses, before anything is relayed.
      this.lose(error)
      return new InertStream()
    }
  }

  hide(secret: string): void {
    this.#results.forget()
    this.hidden.hide(secret)
  }

  flush(): void {
    this.#write()
    if (this.#lost !== undefined) throw this.#lost
    if (this.#full) throw this.#tooLong()
  }

  #tooLong(): RecordingLost {
    return new RecordingLost(new Error(`${this.#limit} bytes`), 'limit_exceeded')
  }

  close(ending: Ending): Promise<void> {
    this.#ending ??= ending
    this.#closing ??= this.#closeNow(ending)
    return this.#closing
  }

  /** For streams: one record, gathered. */
  append(type: string, rest: string): Seq {
    this.#writeResults()
    return this.#append(type, rest, this.now())
  }

  #writeResults(): void {
    if (this.#results.any) this.#results.write((rest, time) => this.#append('result', rest, time))
  }

  #append(type: string, rest: string, time: number): Seq {
    const { line, tip } = link(this.#tip, iso(time), type, rest)
    if (this.#lost === undefined && !this.#full) {
      this.#tip = tip
      this.#journal.gather(line)
      if (this.#journal.gathered > longestTurn) this.#write()
    }
    return tip.seq as Seq
  }

  /** For streams: written early if much has been gathered. */
  gathered(characters: number): void {
    if (characters > longestTurn) this.#write()
  }

  ended(stream: Stream): void {
    this.#streams.delete(stream)
  }

  lose(cause: unknown): void {
    if (this.#lost !== undefined || this.#sealed) return
    this.#lost = cause instanceof RecordingLost ? cause : new RecordingLost(cause)
    this.#journal.close()
    for (const cast of this.#casts) cast.close()
    this.#options.log.error(
      { err: cause, session: this.session },
      'the recording cannot be written: the session ends',
    )
  }

  checkpoint(): Promise<Tip | undefined> {
    this.#checkpoint = this.#checkpoint.then(() => this.#mark())
    return this.#checkpoint
  }

  #terminal(of: Seq, form: StreamForm & { kind: 'terminal' }): TerminalRecorder {
    const n = this.#casts.length + 1
    const name = n === 1 ? 'terminal.cast' : `terminal-${n}.cast`
    this.append('output', `"of":${of},"cast":"${name}"`)
    // The line is on its way to the disk before the file exists: a cast that no line names was put there by others.
    this.#write()
    if (this.#lost !== undefined) throw this.#lost
    const cast = new TerminalRecorder(this, of, form, this.#folder, name, this.#options.disk)
    this.#casts.push(cast)
    return cast
  }

  #write(): void {
    if (this.#lost !== undefined) return
    this.#writeResults()
    try {
      if (this.#journal.gathered > 0) this.#journal.flush()
      let size = this.#journal.size
      for (const cast of this.#casts) {
        cast.flush()
        size += cast.size
      }
      if (size > this.#limit && this.#ending === undefined) this.#full = true
    } catch (error) {
      this.lose(error)
    }
  }

  /** The folder's names are safe too, and only then does the audit speak of the recording. */
  async #place(tip: Tip): Promise<void> {
    try {
      await Promise.all([this.#journal.sync(), settleFolder(this.#folder)])
      this.#known = tip.seq
      this.#options.heads.opened(this, tip)
    } catch (error) {
      this.#loseBetween(error)
    }
  }

  async #mark(): Promise<Tip | undefined> {
    if (this.#lost !== undefined) return this.#mend()
    if (this.#closing !== undefined) return undefined
    try {
      this.#write()
      // A host may go on for hours to a client that sends nothing more, so that no turn would ever say it.
      if (this.#full) this.#options.onLost?.(this.#tooLong())
      const marks = [...this.#streams].flatMap(stream => (stream.grown ? stream.marks() : []))
      // What a line says of a cast must be on the disk before the line is.
      await Promise.all(
        this.#casts.filter(cast => marks.some(mark => mark.cast === cast)).map(cast => cast.sync()),
      )
      for (const { type, rest } of marks) this.append(type, rest)
      this.#write()
      if (this.#lost !== undefined) throw this.#lost
      const tip = this.#tip
      await this.#journal.sync()
      this.#known = tip.seq
      return tip
    } catch (error) {
      this.#loseBetween(error)
      return undefined
    }
  }

  #loseBetween(error: unknown): void {
    this.lose(error)
    if (this.#lost !== undefined && this.#closing === undefined) this.#options.onLost?.(this.#lost)
  }

  async #closeNow(ending: Ending): Promise<void> {
    // A full recording has room for its end.
    this.#full = false
    for (const stream of [...this.#streams]) stream.finish()
    await this.placed
    await this.#checkpoint
    this.#write()
    if (this.#lost !== undefined) return void (await this.#mend())
    try {
      await Promise.all(this.#casts.map(cast => cast.sync()))
      if (ending.how === 'cut') this.append('cut', members({ why: ending.why, text: ending.text }))
      const casts = this.#casts.map(cast => cast.mark())
      this.append(
        'close',
        members({ why: ending.why, text: ending.text, statements: this.#statements, casts }),
      )
      const seal = sealOf(this.#options.key, this.#file, this.#tip)
      this.append('seal', sealMembers(seal))
      this.#write()
      if (this.#lost !== undefined) throw this.#lost
      await this.#journal.sync()
      this.#sealed = true
      this.#options.heads.closed(this.session, this.#tip, seal)
      this.#journal.close()
      for (const cast of this.#casts) cast.close()
    } catch (error) {
      this.lose(error)
      await this.#mend()
    }
  }

  /** After a lost write: once the session is over, the same recovery as after a crash; asked again every second until it works. */
  async #mend(): Promise<undefined> {
    if (this.#ending === undefined || this.#sealed) return undefined
    try {
      const { data, key, clock, disk } = this.#options
      const { why, text } = this.#ending
      const mended = await recoverRecording({
        data,
        session: this.session,
        key,
        now: clock.now(),
        why,
        text,
        ...(disk === undefined ? {} : { disk }),
      })
      this.#sealed = true
      if (mended !== undefined) this.#options.heads.closed(this.session, mended.tip, mended.seal)
    } catch (error) {
      this.#options.log.warn({ err: error, session: this.session }, 'the recording still cannot be closed')
    }
    return undefined
  }
}
