/** What runs in a channel, as the recording sees it: its streams, its size, how it ended. */
import { performance } from 'node:perf_hooks'
import type { Seq, StreamRecorder } from '../../recording/record.ts'
import type { RelaySide } from './sides.ts'
import type { Terminal } from './terminal.ts'
import { commandIn, Typed } from './typed.ts'
import { Watch } from './watch.ts'

/** What is started, for its record. */
export interface Started {
  readonly what: 'exec' | 'shell'
  readonly command: string
  readonly pty: Terminal | undefined
}

export class Program {
  /** How it ended, in SSH's words; for a host that says nothing, that. */
  tag = 'no exit status'
  readonly #relay: RelaySide
  readonly #stream: StreamRecorder
  readonly #watches: Readonly<Record<'stdout' | 'stderr' | 'typed', Watch>>
  /** In a terminal what is typed may be a password: at most what the terminal itself has shown is recorded. */
  readonly #typed: Typed | 'never' | undefined
  readonly #startedAt = performance.now()
  #bytes = 0
  #ended = false

  /** `of` is the record of the command or shell itself. */
  constructor(relay: RelaySide, of: Seq, { what, command, pty }: Started) {
    this.#relay = relay
    const { cut_on } = relay.scope
    this.#watches = { stdout: new Watch(cut_on), stderr: new Watch(cut_on), typed: new Watch(cut_on) }
    const title = command === '' ? what : command.slice(0, 200)
    this.#stream = relay.recorder.stream(
      of,
      pty === undefined
        ? { kind: 'digest', what }
        : { kind: 'terminal', cols: pty.cols, rows: pty.rows, term: pty.term, title },
    )
    if (pty !== undefined)
      this.#typed = relay.recordValues ? new Typed(line => this.#shown(of, line)) : 'never'
  }

  /** In the cast every key, in the records what a reader looks for. */
  #shown(of: Seq, line: Buffer): void {
    this.#stream.input(line)
    const command = commandIn(line)
    if (command !== undefined) this.#relay.recorder.echoed(of, command)
  }

  /** Whether it may be passed on: not where `cut_on` has caught it. */
  output(bytes: Buffer, stderr: boolean): boolean {
    const from = stderr ? 'stderr' : 'stdout'
    this.#bytes += bytes.length
    this.#stream.output(bytes, from)
    if (this.#typed instanceof Typed) this.#typed.output(bytes)
    return this.#passes(this.#watches[from].sees(bytes), 'shown')
  }
  /** The same. What is caught never reaches the host, so a line is not run. */
  input(bytes: Buffer): boolean {
    if (this.#typed instanceof Typed) this.#typed.input(bytes)
    else if (this.#typed === undefined) this.#stream.input(bytes)
    return this.#passes(this.#watches.typed.sees(bytes), 'typed')
  }
  #passes(caught: string | undefined, how: 'shown' | 'typed'): boolean {
    if (caught !== undefined) this.#relay.caught(caught, how)
    return caught === undefined
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
