/** One statement's result while it is relayed: rows, bytes and digest of what the client was given. */
import { createHash, hash } from 'node:crypto'
import type { Result } from '../../recording/record.ts'
import type { CopyOut } from './copy-out.ts'
import type { MaskPlan } from './mask.ts'
import type { PostgresScope } from './scope.ts'

/** What a client was given of one result so far, held against the scope's limits. */
export class Given {
  rows = 0
  bytes = 0
  #full = false

  /** Whether one more row of so many bytes may be given. After the first that may not, none may. */
  takes(bytes: number, { max_rows, max_bytes }: Pick<PostgresScope, 'max_rows' | 'max_bytes'>): boolean {
    if (max_rows !== null && this.rows >= max_rows) this.#full = true
    if (max_bytes !== null && this.bytes + bytes > max_bytes) this.#full = true
    if (this.#full) return false
    this.rows++
    this.bytes += bytes
    return true
  }
}

export class Tally {
  /** Rows that were relayed. */
  rows = 0
  readonly given = new Given()
  bytes = 0
  truncated = false
  binaryCopy = false
  /** Of a COPY TO STDOUT with masked columns. */
  copy: CopyOut | null = null
  plan: MaskPlan | null = null
  columns: readonly string[] | undefined
  #digest: ReturnType<typeof createHash> | null = null
  /** The only stretch so far: most results are one, and one call hashes it. */
  #only: Buffer | null = null

  /** Bytes relayed to the client. They may be overwritten after {@link settle}. */
  relayed(bytes: Buffer): void {
    this.bytes += bytes.length
    if (this.#digest === null && this.#only === null) {
      this.#only = bytes
      return
    }
    this.settle()
    this.#digest?.update(bytes)
  }

  /** The read buffer is about to be used again. */
  settle(): void {
    if (this.#only === null) return
    this.#digest ??= createHash('sha256')
    this.#digest.update(this.#only)
    this.#only = null
  }

  result(end: Pick<Result, 'tag' | 'error'>, since: number, now: number): Result {
    const digest =
      this.#digest?.digest('hex') ?? (this.#only === null ? undefined : hash('sha256', this.#only, 'hex'))
    return {
      rows: this.rows,
      bytes: this.bytes,
      ms: now - since,
      columns: this.columns,
      digest,
      truncated: this.truncated || undefined,
      tag: end.tag,
      error: end.error,
    }
  }
}
