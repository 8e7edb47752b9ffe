/**
 * A stream that is no terminal: SHA-256, count and the first 64 KiB of each way. What there is so far is marked every
 * second, so that a crash leaves more than nothing.
 */

import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Hidden } from './hidden.ts'
import { StreamRedactor } from './redact-stream.ts'

/** How much of each way is kept. */
export const keptBytes = 64 * 1024
/** Read past that, so that a secret which lies across it is known as one: half a secret is one too. */
const readPast = 16 * 1024

/** What a record says of one way so far: `data` goes on from the former record's. */
export interface DigestMark {
  readonly bytes: number
  readonly digest: string
  readonly data?: string
  readonly encoding?: 'base64'
}

export class Digest {
  readonly #hash = createHash('sha256')
  readonly #redactor: StreamRedactor
  #bytes = 0
  #marked = 0
  #kept = 0
  /** Redacted, latin1, not yet in a record. */
  #data = ''
  #open = true

  constructor(hidden: Hidden) {
    this.#redactor = new StreamRedactor(hidden)
  }

  get grown(): boolean {
    return this.#bytes !== this.#marked
  }

  get empty(): boolean {
    return this.#bytes === 0
  }

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes)
    const room = keptBytes + readPast - this.#bytes
    this.#bytes += bytes.length
    if (room <= 0) return
    const kept = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, room))
    this.#keep(this.#redactor.push(kept.toString('latin1')))
  }

  #keep(redacted: string): void {
    const kept = redacted.slice(0, keptBytes - this.#kept)
    this.#kept += kept.length
    this.#data += kept
  }

  end(): void {
    if (this.#open) this.#keep(this.#redactor.end())
    this.#open = false
  }

  mark(): DigestMark {
    this.#marked = this.#bytes
    const data = this.#data
    this.#data = ''
    const so = { bytes: this.#bytes, digest: this.#hash.copy().digest('hex') }
    return data === '' ? so : { ...so, ...textOrBase64(Buffer.from(data, 'latin1')) }
  }
}

/** Text where it is UTF-8; base64, and said so, where it is not: both can be turned back (attack 180). */
export function textOrBase64(bytes: Buffer): { data: string; encoding?: 'base64' } {
  return isUtf8(bytes)
    ? { data: bytes.toString('utf8') }
    : { data: bytes.toString('base64'), encoding: 'base64' }
}
