/**
 * What an sftp client holds open, and what went through it: bytes and, where they went in order from the file's first
 * byte on, their SHA-256. Handles are bounded (attack 119).
 */
import { createHash, type Hash } from 'node:crypto'
import { Bag } from '../../bag.ts'
import type { Recorder, Seq } from '../../recording/record.ts'
import { Malformed } from '../../statement/sftp/fields.ts'

const maxHandles = 128
const maxHandleBytes = 256

/** One way through an open file. */
export class Tally {
  bytes = 0
  /** Most files are only read or only written. */
  #hash: Hash | undefined
  #isSpoilt = false

  add(offset: bigint, data: Buffer): void {
    if (offset !== BigInt(this.bytes)) this.spoil()
    if (!this.#isSpoilt) {
      this.#hash ??= createHash('sha256')
      this.#hash.update(data)
    }
    this.bytes += data.length
  }

  /** Nothing can be said any more of the bytes as a whole. */
  spoil(): void {
    this.#hash = undefined
    this.#isSpoilt = true
  }

  /** Once. */
  digest(): string | undefined {
    if (this.#isSpoilt) return undefined
    const hash = this.#hash ?? createHash('sha256')
    this.spoil()
    return hash.digest('hex')
  }
}

export interface Open {
  /** The host's, each byte one latin1 character. */
  readonly handle: string
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
  readonly #open = new Bag<Open>()
  readonly #closing = new Bag<Open>()
  #opening = 0

  constructor(recorder: Recorder) {
    this.#recorder = recorder
  }

  get(handle: string): Open | undefined {
    return this.#open.find(open => open.handle === handle)
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
    if (handle.length > maxHandleBytes || this.get(key) !== undefined)
      throw new Malformed('a handle of the host')
    const opened = new Set((['read', 'write'] as const).filter(act => how.acts.includes(act)))
    const tallies = { read: new Tally(), written: new Tally() }
    const open: Open = { handle: key, seq, path, file: how.file, opened, ...tallies, owed: 0 }
    // Where its bytes land the host decides, whatever place a write names.
    if (how.appends) open.written.spoil()
    this.#open.add(open)
  }

  /** The handle may not be used again, whatever the host makes of the close. */
  close(handle: string): void {
    const open = this.get(handle)
    if (open === undefined) return
    this.#open.delete(open)
    this.#closing.add(open)
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
    for (const open of [...this.#closing.all(), ...this.#open.all()]) {
      this.#open.delete(open)
      this.closed(open, 'left open')
    }
  }
}
