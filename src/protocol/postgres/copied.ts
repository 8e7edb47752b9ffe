/**
 * What a client sent of one COPY FROM STDIN: for a write of any size the statement's text says nothing, so the recording has
 * the data's length and digest.
 */
import { createHash } from 'node:crypto'
import type { Result } from '../../recording/record.ts'

export class Copied {
  #bytes = 0
  readonly #digest = createHash('sha256')

  /** Data as it goes upstream, without the headers of messages: how a client cuts it is its own affair. */
  sent(data: Buffer): void {
    this.#bytes += data.length
    this.#digest.update(data)
  }

  /** Rows are those that the server says it took: none where it failed. */
  result(result: Result): Result {
    const rows = Number(/^COPY ([0-9]+)$/.exec(result.tag ?? '')?.[1] ?? 0)
    return { ...result, rows, bytes: this.#bytes, digest: this.#digest.digest('hex') }
  }
}
