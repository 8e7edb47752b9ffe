/** A recorder that keeps everything in memory, in order, and can be broken. */
import {
  type FileRecord,
  type Recorder,
  RecordingLost,
  type Result,
  type Seq,
  type StreamForm,
  type Verdict,
} from '../../recording/record.ts'

/** Everything that a session was asked to write, in order. */
export class MemoryRecorder implements Recorder {
  readonly lines: { readonly what: string; readonly of: number; readonly value: unknown }[] = []
  flushed = 0
  broken = false
  #seq = 0
  statement(verdict: Verdict): Seq {
    this.lines.push({
      what: verdict.allow ? 'allowed' : 'refused',
      of: ++this.#seq,
      value: verdict.statement,
    })
    return this.#seq as Seq
  }
  result(of: Seq, value: Result): void {
    this.lines.push({ what: 'result', of, value })
  }
  file(of: Seq, value: FileRecord): void {
    this.lines.push({ what: 'file', of, value })
  }
  echoed(of: Seq, line: Uint8Array): void {
    this.lines.push({ what: 'echoed', of, value: Buffer.from(line).toString() })
  }
  stream(of: Seq, form: StreamForm) {
    const sums = { output: 0, stderr: 0, input: 0, text: '', typed: '' }
    this.lines.push({ what: 'stream', of, value: form })
    return {
      output: (bytes: Uint8Array, from: 'stdout' | 'stderr' = 'stdout') => {
        sums[from === 'stderr' ? 'stderr' : 'output'] += bytes.length
        if (sums.text.length < 10_000) sums.text += Buffer.from(bytes).toString()
      },
      input: (bytes: Uint8Array) => {
        sums.input += bytes.length
        if (sums.typed.length < 10_000) sums.typed += Buffer.from(bytes).toString()
      },
      resize: (cols: number, rows: number) => {
        this.lines.push({ what: 'resize', of, value: { cols, rows } })
      },
      end: (result: Result) => {
        this.lines.push({ what: 'end', of, value: { ...result, ...sums } })
      },
      finish: () => {
        this.lines.push({ what: 'end', of, value: sums })
      },
    }
  }
  hide(): void {
    this.lines.push({ what: 'hide', of: 0, value: undefined })
  }
  flush(): void {
    if (this.broken) throw new RecordingLost(new Error('ENOSPC'))
    this.flushed = this.lines.length
  }
  close(): Promise<void> {
    return Promise.resolve()
  }
  of(what: string): readonly unknown[] {
    return this.lines.filter(line => line.what === what).map(line => line.value)
  }
}
