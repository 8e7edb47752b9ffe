/**
 * What a session writes down, as the protocols see it (DESIGN.md section 9). `recorder.ts` implements it.
 *
 * The order that invariant 7 asks for is in the types: only {@link Recorder.statement} mints a {@link Seq}, and an
 * upstream's `send` needs one, so bytes that were not recorded cannot be relayed by mistake.
 */
import { type Denial, GatewayError } from '../denial.ts'
import type { Ending } from '../words.ts'

/** The number of a statement's record. Minted by the recorder alone. */
export type Seq = number & { readonly [recorded]: true }
declare const recorded: unique symbol

/** One thing a statement does to one thing: `{ act: 'read', on: 'public.orders' }`. */
export interface Touch {
  readonly act: string
  readonly on: string
}

/** One unit that policy judges: a SQL statement, a command, a file operation. */
export interface Statement {
  /** The protocol's word for it: `select`, `exec`, `shell`, `sftp.open`. */
  readonly kind: string
  readonly text: string
  readonly touches: readonly Touch[]
}

/**
 * A guard's answer. `again`: a cache holds this very object, or what its statement touches, and will give it again; the
 * recorder then keeps what it has written of that, so that the hot path serialises nothing twice.
 */
export type Verdict<Mask = unknown> =
  | {
      readonly allow: true
      readonly statement: Statement
      readonly mask?: Mask
      readonly again?: 'whole' | 'touches'
    }
  | { readonly allow: false; readonly statement: Statement; readonly denial: Denial }

/** What came back. Shape, counts, time and digest; values only where the rule says `record: values`. */
export interface Result {
  readonly rows?: number | undefined
  readonly bytes?: number | undefined
  /** Milliseconds from the statement's record to the result's end. */
  readonly ms?: number | undefined
  readonly columns?: readonly string[] | undefined
  /** SHA-256 of the result's bytes as relayed, hex. */
  readonly digest?: string | undefined
  readonly truncated?: boolean | undefined
  /** The protocol's own word for how it ended: a command tag, an exit status. */
  readonly tag?: string | undefined
  readonly error?: { readonly code: string; readonly message: string } | undefined
}

/** One file operation, `type: file` (sftp, scp). */
export interface FileRecord {
  readonly act: string
  readonly path: string
  readonly bytes?: number
  readonly digest?: string
  readonly error?: string
}

export interface Recorder {
  /** Synchronous, into the turn's buffer. Both allowed and refused statements are recorded. */
  statement(verdict: Verdict, parameters?: Uint8Array): Seq
  result(of: Seq, result: Result): void
  file(of: Seq, file: FileRecord): void
  /** A line that was typed in a terminal and shown by it: likely a command. Best effort, and the record says so. */
  echoed(of: Seq, line: Uint8Array): void
  /** A terminal becomes an asciicast; a digest stream SHA-256, count and the first 64 KiB each way. */
  stream(of: Seq, form: StreamForm): StreamRecorder
  /** From now on this value is replaced by a mark with its length, also where it is split over chunks. */
  hide(secret: string): void
  /** write(2) of everything gathered this turn. Throws {@link RecordingLost}; then nothing more may be relayed. */
  flush(): void
  /** Writes `close` and the seal, and syncs. Idempotent. */
  close(ending: Ending): Promise<void>
}

export type StreamForm =
  | {
      readonly kind: 'terminal'
      readonly cols: number
      readonly rows: number
      readonly term: string
      readonly title: string
    }
  | { readonly kind: 'digest'; readonly what: string }

export interface StreamRecorder {
  output(bytes: Uint8Array, from?: 'stdout' | 'stderr'): void
  input(bytes: Uint8Array): void
  resize(cols: number, rows: number): void
  /** The stream is over; writes its digests. */
  end(result: Result): void
  /** The same where the statement's result is told elsewhere. */
  finish(): void
}

/** A record could not be written: full disk, lost device. The session ends with `recording_unavailable`. */
export class RecordingLost extends GatewayError {
  /** How the session ends for it. */
  readonly why: 'recording_unavailable' | 'limit_exceeded'
  constructor(cause: unknown, why: 'recording_unavailable' | 'limit_exceeded' = 'recording_unavailable') {
    const detail =
      why === 'limit_exceeded' ? 'the recording is as long as it may be' : 'the recording cannot be written'
    super({ code: why, detail }, cause)
    this.name = 'RecordingLost'
    this.why = why
  }
}
