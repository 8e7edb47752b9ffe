/** What runs in a channel, as the recording sees it: its streams, its size, how it ended. */
import { performance } from 'node:perf_hooks'
import type { Recorder, Seq, StreamRecorder } from '../../recording/record.ts'
import type { Terminal } from './terminal.ts'
import { Typed } from './typed.ts'

/** What is started, for its record. */
export interface Started {
  readonly what: 'exec' | 'shell'
  readonly command: string
  readonly pty: Terminal | undefined
  /** The rule says `record: values`. */
  readonly recordValues: boolean
}

export class Program {
  /** How it ended, in SSH's words; for a host that says nothing, that. */
  tag = 'no exit status'
  readonly #stream: StreamRecorder
  /** In a terminal what is typed may be a password: at most what the terminal itself has shown is recorded. */
  readonly #typed: Typed | 'never' | undefined
  readonly #startedAt = performance.now()
  #bytes = 0
  #ended = false

  /** `of` is the record of the command or shell itself. */
  constructor(recorder: Recorder, of: Seq, { what, command, pty, recordValues }: Started) {
    const title = command === '' ? what : command.slice(0, 200)
    this.#stream = recorder.stream(
      of,
      pty === undefined
        ? { kind: 'digest', what }
        : { kind: 'terminal', cols: pty.cols, rows: pty.rows, term: pty.term, title },
    )
    if (pty !== undefined) this.#typed = recordValues ? new Typed(line => this.#stream.input(line)) : 'never'
  }

  output(bytes: Buffer, stderr: boolean): void {
    this.#bytes += bytes.length
    this.#stream.output(bytes, stderr ? 'stderr' : 'stdout')
    if (this.#typed instanceof Typed) this.#typed.output(bytes)
  }
  input(bytes: Buffer): void {
    if (this.#typed instanceof Typed) this.#typed.input(bytes)
    else if (this.#typed === undefined) this.#stream.input(bytes)
  }
  resize(cols: number, rows: number): void {
    this.#stream.resize(cols, rows)
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#stream.end({
      tag: this.tag,
      bytes: this.#bytes,
      ms: Math.round(performance.now() - this.#startedAt),
    })
  }
}
