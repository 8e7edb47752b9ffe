/** The streams of a recording: terminals go to casts, everything else to digests. */
import type { Disk } from '../ledger/journal.ts'
import { members } from '../ledger/text.ts'
import { Cast, type CastMark } from './cast.ts'
import { Digest } from './digest.ts'
import type { Hidden } from './hidden.ts'
import type { Result, Seq, StreamForm, StreamRecorder } from './record.ts'

/** The recorder, as its streams see it. */
export interface Tracks {
  readonly hidden: Hidden
  now(): number
  mono(): number
  append(type: string, rest: string): Seq
  result(of: Seq, result: Result): void
  gathered(characters: number): void
  ended(stream: Stream): void
}

/** A record that says how far a stream has come. */
export interface Mark {
  readonly type: 'input' | 'output'
  readonly rest: string
  /** Must be synced before the record is written. */
  readonly cast?: TerminalRecorder
}

export interface Stream extends StreamRecorder {
  readonly grown: boolean
  marks(): Mark[]
}

/** The tag of what ended by itself. An `x` event holds a status alone; a signal, or a host that says nothing, has none. */
const exited = /^exit ([0-9]+)$/

export class TerminalRecorder implements Stream {
  readonly #tracks: Tracks
  readonly #of: Seq
  readonly #cast: Cast
  #open = true

  constructor(
    tracks: Tracks,
    of: Seq,
    form: StreamForm & { kind: 'terminal' },
    folder: string,
    name: string,
    disk: Disk | undefined,
  ) {
    this.#tracks = tracks
    this.#of = of
    this.#cast = new Cast(folder, name, form, tracks.now(), tracks.mono(), tracks.hidden, disk)
  }

  get grown(): boolean {
    return this.#cast.grown
  }

  get size(): number {
    return this.#cast.size
  }

  output(bytes: Uint8Array): void {
    this.#data('o', bytes)
  }

  input(bytes: Uint8Array): void {
    this.#data('i', bytes)
  }

  resize(cols: number, rows: number): void {
    if (this.#open) this.#cast.resize(cols, rows, this.#tracks.mono())
  }

  end(result: Result): void {
    if (!this.#open) return
    this.#finish(exited.exec(result.tag ?? '')?.[1])
    this.#tracks.result(this.#of, result)
    // It stays among the recorder's casts, whose digests the close repeats.
    this.#tracks.ended(this)
  }

  finish(): void {
    if (!this.#open) return
    this.#finish(undefined)
    this.#tracks.ended(this)
  }

  marks(): Mark[] {
    return [{ type: 'output', rest: members({ of: this.#of, ...this.#cast.mark() }), cast: this }]
  }

  mark(): CastMark {
    return this.#cast.mark()
  }

  flush(): void {
    this.#cast.flush()
  }

  sync(): Promise<void> {
    return this.#cast.sync()
  }

  close(): void {
    this.#open = false
    this.#cast.close()
  }

  #finish(status: string | undefined): void {
    this.#open = false
    this.#cast.end(status, this.#tracks.mono())
  }

  #data(side: 'o' | 'i', bytes: Uint8Array): void {
    if (!this.#open) return
    if (this.#cast.data(side, bytes, this.#tracks.mono())) {
      // A cast is UTF-8: what is not stands here as it was, so that nothing is lost (attack 180).
      const data = this.#tracks.hidden.redactBytes(bytes).toString('base64')
      this.#tracks.append(
        side === 'o' ? 'output' : 'input',
        members({ of: this.#of, beside: this.#cast.name, data, encoding: 'base64' }),
      )
    }
    this.#tracks.gathered(this.#cast.gathered)
  }
}

export class DigestRecorder implements Stream {
  readonly #tracks: Tracks
  readonly #of: Seq
  readonly #what: string
  readonly #ways: Readonly<Record<'stdin' | 'stdout' | 'stderr', Digest>>
  #open = true

  constructor(tracks: Tracks, of: Seq, what: string) {
    this.#tracks = tracks
    this.#of = of
    this.#what = what
    this.#ways = {
      stdin: new Digest(tracks.hidden),
      stdout: new Digest(tracks.hidden),
      stderr: new Digest(tracks.hidden),
    }
  }

  get grown(): boolean {
    return this.#ways.stdin.grown || this.#ways.stdout.grown || this.#ways.stderr.grown
  }

  output(bytes: Uint8Array, from: 'stdout' | 'stderr' = 'stdout'): void {
    if (this.#open) this.#ways[from].add(bytes)
  }

  input(bytes: Uint8Array): void {
    if (this.#open) this.#ways.stdin.add(bytes)
  }

  resize(): void {
    // It has no size.
  }

  end(result: Result): void {
    if (!this.#open) return
    this.finish()
    this.#tracks.result(this.#of, result)
  }

  finish(): void {
    if (!this.#open) return
    this.#open = false
    for (const digest of Object.values(this.#ways)) digest.end()
    for (const { type, rest } of this.marks()) this.#tracks.append(type, rest)
    this.#tracks.ended(this)
  }

  marks(): Mark[] {
    const marks: Mark[] = []
    for (const [from, digest] of Object.entries(this.#ways)) {
      // At the end each way that was used has its last word, though nothing came since the mark before.
      if (this.#open ? !digest.grown : digest.empty) continue
      const type = from === 'stdin' ? 'input' : 'output'
      marks.push({
        type,
        rest: this.#tracks.hidden.redact(members({ of: this.#of, what: this.#what, from, ...digest.mark() })),
      })
    }
    return marks
  }
}

/** What a recording that cannot be written gives out: the session ends before anything of it is relayed. */
export class InertStream implements StreamRecorder {
  output(): void {
    // lost
  }
  input(): void {
    // lost
  }
  resize(): void {
    // lost
  }
  end(): void {
    // lost
  }
  finish(): void {
    // lost
  }
}
