/**
 * A terminal as an asciicast. Version 2, for every player that was ever made reads it, and its absolute times survive a
 * torn line. Codes: o output, i input, r resize, x exit status, bare (players that do not know `x` pass over it).
 *
 * A program that prints a line which looks like an event (attack 181) prints a JSON string: it stays inside its event.
 */
import { createHash } from 'node:crypto'
import { StringDecoder } from 'node:string_decoder'
import type { Disk } from '../ledger/journal.ts'
import { Journal } from '../ledger/journal.ts'
import { json } from '../ledger/text.ts'
import type { Hidden } from './hidden.ts'
import { StreamRedactor } from './redact-stream.ts'

export interface Terminal {
  readonly cols: number
  readonly rows: number
  readonly term: string
  readonly title: string
}

/** What a cast's file holds so far. */
export interface CastMark {
  readonly cast: string
  readonly bytes: number
  readonly digest: string
}

const sides = ['o', 'i'] as const
type Side = (typeof sides)[number]

export class Cast {
  /** The file's name: `terminal.cast`, `terminal-2.cast` ... */
  readonly name: string
  readonly #journal: Journal
  readonly #started: number
  readonly #hash = createHash('sha256')
  readonly #redactors: Readonly<Record<Side, StreamRedactor>>
  readonly #decoders = { o: new StringDecoder('utf8'), i: new StringDecoder('utf8') }
  #marked = 0

  constructor(
    folder: string,
    name: string,
    terminal: Terminal,
    now: number,
    mono: number,
    hidden: Hidden,
    disk?: Disk,
  ) {
    this.name = name
    this.#journal = Journal.create(`${folder}/${name}`, disk)
    this.#started = mono
    this.#redactors = { o: new StreamRedactor(hidden), i: new StreamRedactor(hidden) }
    this.#journal.gather(castHeader(terminal, now, text => hidden.redact(text)))
  }

  get grown(): boolean {
    return this.#journal.gathered > 0 || this.#journal.size !== this.#marked
  }

  get size(): number {
    return this.#journal.size
  }

  get gathered(): number {
    return this.#journal.gathered
  }

  /** True if the bytes were no UTF-8 and the cast shows U+FFFD in their place. */
  data(side: Side, bytes: Uint8Array, mono: number): boolean {
    const plain = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
    return this.#give(side, this.#redactors[side].push(plain), mono)
  }

  resize(cols: number, rows: number, mono: number): void {
    this.#event('r', `${size(cols)}x${size(rows)}`, mono)
  }

  /** What was held back, then the exit status. */
  end(status: string | undefined, mono: number): void {
    for (const side of sides) {
      this.#give(side, this.#redactors[side].end(), mono)
      const rest = this.#decoders[side].end()
      if (rest !== '') this.#event(side, rest, mono)
    }
    if (status !== undefined) this.#event('x', status, mono)
  }

  flush(): void {
    if (this.#journal.gathered > 0) this.#hash.update(this.#journal.flush())
  }

  sync(): Promise<void> {
    return this.#journal.sync()
  }

  mark(): CastMark {
    this.#marked = this.#journal.size
    return { cast: this.name, bytes: this.#journal.size, digest: this.#hash.copy().digest('hex') }
  }

  close(): void {
    this.#journal.close()
  }

  #give(side: Side, redacted: string, mono: number): boolean {
    if (redacted === '') return false
    const text = this.#decoders[side].write(Buffer.from(redacted, 'latin1'))
    if (text !== '') this.#event(side, text, mono)
    return text.includes('\ufffd')
  }

  #event(code: string, data: string, mono: number): void {
    this.#journal.gather(`[${(Math.max(0, mono - this.#started) / 1000).toFixed(6)},"${code}",${json(data)}]`)
  }
}

/** Sizes come from the client (attack 130: 2^32 columns). */
const size = (n: number) => (Number.isFinite(n) ? Math.min(Math.max(Math.trunc(n), 1), 1000) : 80)

export function castHeader(terminal: Terminal, now: number, redact: (text: string) => string): string {
  return json({
    version: 2,
    width: size(terminal.cols),
    height: size(terminal.rows),
    timestamp: Math.floor(now / 1000),
    title: redact(terminal.title.slice(0, 500)),
    env: { TERM: redact(terminal.term.slice(0, 100)) },
  })
}
