/** What runs in a channel, as the recording sees it: its streams, its size, how it ended. */
import { performance } from 'node:perf_hooks'
import type { Recorder, Seq, StreamRecorder } from '../../recording/record.ts'
import type { Terminal } from './terminal.ts'

export class Program {
  /** How it ended, in SSH's words; for a host that says nothing, that. */
  tag = 'no exit status'
  readonly #stream: StreamRecorder
  readonly #typed: boolean
  readonly #startedAt = performance.now()
  #bytes = 0
  #ended = false

  /** `of` is the record of the command or shell itself. */
  constructor(
    recorder: Recorder,
    of: Seq,
    what: 'exec' | 'shell',
    command: string,
    pty: Terminal | undefined,
  ) {
    this.#typed = pty !== undefined
    const title = command === '' ? what : command.slice(0, 200)
    this.#stream = recorder.stream(
      of,
      pty === undefined
        ? { kind: 'digest', what }
        : { kind: 'terminal', cols: pty.cols, rows: pty.rows, term: pty.term, title },
    )
  }

  output(bytes: Buffer, stderr: boolean): void {
    this.#bytes += bytes.length
    this.#stream.output(bytes, stderr ? 'stderr' : 'stdout')
  }
  /** What is typed in a terminal is not recorded: it may be a password, and what is not shows in the output anyway. */
  input(bytes: Buffer): void {
    if (!this.#typed) this.#stream.input(bytes)
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
