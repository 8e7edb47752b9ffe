/**
 * What an sftp client holds open, and what went through it: bytes and, where they went in order from the file's first
 * byte on, their SHA-256. Handles are bounded (attack 119).
 */
import { createHash, type Hash } from 'node:crypto'
import type { Recorder, Seq } from '../../recording/record.ts'
import { Malformed } from '../../statement/sftp/fields.ts'

const maxHandles = 128
const maxHandleBytes = 256

/** One way through an open file. */
export class Tally {
  bytes = 0
  #hash: Hash | undefined = createHash('sha256')

  add(offset: bigint, data: Buffer): void {
    if (offset === BigInt(this.bytes)) this.#hash?.update(data)
    else this.spoil()
    this.bytes += data.length
  }

  /** Nothing can be said any more of the bytes as a whole. */
  spoil(): void {
    this.#hash = undefined
  }

  digest(): string | undefined {
    const hash = this.#hash
    this.#hash = undefined
    return hash?.digest('hex')
  }
}

export interface Open {
  readonly seq: Seq
  /** Where paths are limited, as the host resolved it. */
  readonly path: string
  readonly file: boolean
  readonly opened: ReadonlySet<'read' | 'write'>
  readonly read: Tally
  readonly written: Tally
  /** Requests on it that the host has not yet answered. */
  owed: number
}

interface Opened {
  readonly file: boolean
  readonly acts: readonly string[]
  readonly appends: boolean
}

export class OpenFiles {
  readonly #recorder: Recorder
  readonly #open = new Map<string, Open>()
  readonly #closing = new Set<Open>()
  #opening = 0

  constructor(recorder: Recorder) {
    this.#recorder = recorder
  }

  get(handle: string): Open | undefined {
    return this.#open.get(handle)
  }

  /** A place for one more; given back by {@link notOpened} or taken by {@link opened}. */
  reserve(): boolean {
    if (this.#open.size + this.#opening >= maxHandles) return false
    this.#opening++
    return true
  }

  notOpened(): void {
    this.#opening--
  }

  opened(handle: Buffer, seq: Seq, path: string, how: Opened): void {
    this.#opening--
    const key = handle.toString('latin1')
    if (handle.length > maxHandleBytes || this.#open.has(key)) throw new Malformed('a handle of the host')
    const opened = new Set((['read', 'write'] as const).filter(act => how.acts.includes(act)))
    const open = { seq, path, file: how.file, opened, read: new Tally(), written: new Tally(), owed: 0 }
    // Where its bytes land the host decides, whatever place a write names.
    if (how.appends) open.written.spoil()
    this.#open.set(key, open)
  }

  /** The handle may not be used again, whatever the host makes of the close. */
  close(handle: string): void {
    const open = this.#open.get(handle)
    this.#open.delete(handle)
    if (open !== undefined) this.#closing.add(open)
  }

  /** What was still under way when the client closed it has arrived by now. */
  closed(open: Open, error?: string): void {
    this.#closing.delete(open)
    if (!open.file) return
    for (const act of open.opened) {
      const tally = act === 'read' ? open.read : open.written
      const digest = tally.digest()
      this.#recorder.file(open.seq, {
        ...{ act, path: open.path, bytes: tally.bytes },
        ...(digest === undefined ? {} : { digest }),
        ...(error === undefined ? {} : { error }),
      })
    }
  }

  /** The channel is over: what was still open is recorded as far as it went. */
  end(): void {
    for (const open of [...this.#closing, ...this.#open.values()]) this.closed(open, 'left open')
    this.#open.clear()
  }
}
