/**
 * Walks one chain from its first line to its last and says where it stops being what was written. Trusts nothing in the
 * file but what a key's seals vouch for; verify and recovery both stand on it. Constant memory: one line at a time.
 */
import { createHash, type Hash, type KeyObject } from 'node:crypto'
import { genesis, hashLine, type Tip } from './chain.ts'
import { type RawLine, readLines } from './lines.ts'
import { keyId, sealHolds } from './seal.ts'

/** A line as read: the members every line has, and its own. */
export interface Line {
  readonly seq: number
  readonly time: string
  readonly prev: string
  readonly type: string
  readonly [member: string]: unknown
}

export interface Fault {
  /** Counted from 1, as editors do; 0 is the last line of what the chain goes on from. */
  readonly line: number
  readonly what: string
}

export interface Recovery {
  readonly line: number
  readonly time: string
  readonly tornBytes: number
  readonly unsealedFrom: number
}

export interface Walked {
  /** The last good line. */
  readonly tip: Tip
  readonly lines: number
  /** Where the last good line ends, its newline included. */
  readonly end: number
  /** The last good line has its newline. */
  readonly whole: boolean
  /** The number of the last seal that verified, or of what the chain goes on from. */
  readonly sealed: number
  /** Bytes after `end` without a newline: a line that was being written. */
  readonly torn: number
  readonly recoveries: readonly Recovery[]
  readonly fault?: Fault
}

export interface Walk {
  readonly path: string
  /** Relative to `data/`: what seals name. */
  readonly file: string
  /** What the first line goes on from. */
  readonly start?: Tip
  readonly key: KeyObject
  /** Sees each good line; what it returns is a fault at that line. */
  readonly visit?: (line: Line, tip: Tip, number: number) => string | undefined
}

export function parseLine(bytes: Uint8Array): Line | undefined {
  try {
    const line = JSON.parse(
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'),
    ) as Line
    const good =
      typeof line === 'object' &&
      line !== null &&
      Number.isSafeInteger(line.seq) &&
      typeof line.prev === 'string'
    return good && typeof line.type === 'string' && typeof line.time === 'string' ? line : undefined
  } catch {
    return undefined
  }
}

export async function walk(at: Walk): Promise<Walked> {
  const walker = new Walker(at)
  for await (const batch of readLines(at.path)) {
    for (const raw of batch) {
      const walked = walker.see(raw)
      if (walked !== undefined) return walked
    }
  }
  return walker.walked()
}

class Walker {
  readonly #at: Walk
  readonly #id: string
  readonly #recoveries: Recovery[] = []
  #tip: Tip
  /** What the last good line followed from. */
  #before: Tip | undefined
  #number = 0
  #end = 0
  #whole = true
  #sealed: number
  #zone: Zone | undefined

  constructor(at: Walk) {
    this.#at = at
    this.#id = keyId(at.key)
    this.#tip = at.start ?? genesis
    // What this goes on from was sealed, or is nothing.
    this.#sealed = this.#tip.seq
  }

  /** Answers, once, where the walk is over before its last line. */
  see(raw: RawLine): Walked | undefined {
    this.#number++
    return this.#zone === undefined ? this.#follow(raw) : this.#mend(raw, this.#zone)
  }

  walked(): Walked {
    return this.#result(this.#zone?.fault())
  }

  #result(fault?: Fault, torn = 0): Walked {
    return {
      tip: this.#tip,
      lines: this.#number,
      end: this.#end,
      whole: this.#whole,
      sealed: this.#sealed,
      torn,
      recoveries: this.#recoveries,
      ...(fault === undefined ? {} : { fault }),
    }
  }

  #follow(raw: RawLine): Walked | undefined {
    const line = parseLine(raw.bytes)
    const why = misfit(line, this.#tip, this.#before)
    if (line !== undefined && why === undefined) return this.#accept(line, raw)
    // The last line without its newline is one that was being written, and no fault.
    if (!raw.whole) return this.#result(undefined, raw.bytes.length)
    this.#zone = new Zone(raw, { line: this.#number, after: this.#tip, why: why ?? unreadable })
    return undefined
  }

  /** After what does not follow only a recovery may come that fits it. */
  #mend(raw: RawLine, zone: Zone): Walked | undefined {
    const fault = zone.fault(raw)
    const line = mayBeRecovery(raw.bytes) ? parseLine(raw.bytes) : undefined
    if (zone.isMendedBy(line, this.#sealed)) {
      this.#zone = undefined
      return this.#accept(line, raw)
    }
    zone.add(raw)
    return zone.length > longestZone ? this.#result(fault) : undefined
  }

  #accept(line: Line, raw: RawLine): Walked | undefined {
    if (line.type === 'recovered') this.#recoveries.push(recovery(line, this.#number))
    this.#before = this.#tip
    this.#tip = { seq: line.seq, hash: hashLine(raw.bytes) }
    this.#end = raw.offset + raw.bytes.length + (raw.whole ? 1 : 0)
    this.#whole = raw.whole
    const what = this.#seal(line) ?? this.#at.visit?.(line, this.#tip, this.#number)
    return what === undefined ? undefined : this.#result({ line: this.#number, what })
  }

  #seal(line: Line): string | undefined {
    if (line.type !== 'seal') return undefined
    const { key, signature } = line
    if (key !== this.#id) return 'the seal is by another key'
    const at = this.#at
    if (typeof signature !== 'string' || !sealHolds(at.key, at.file, line.seq, line.prev, signature))
      return 'the seal does not verify'
    this.#sealed = line.seq
    return undefined
  }
}

interface Misfit {
  readonly what: string
  /** The line itself is sound but does not follow from the one before: which of the two was changed is seen later. */
  readonly unlinked?: boolean
  /** The line before is at fault for certain. */
  readonly before?: boolean
}

const unreadable: Misfit = { what: 'is not a line of this ledger' }

function misfit(line: Line | undefined, tip: Tip, before: Tip | undefined): Misfit | undefined {
  if (line === undefined) return unreadable
  if (line.seq === tip.seq + 1 && line.prev === tip.hash) return undefined
  if (before !== undefined && line.prev === before.hash && line.seq === before.seq + 1)
    return { what: 'was added', before: true }
  if (line.seq === tip.seq + 1) return { what: 'does not follow from the line before', unlinked: true }
  if (line.seq > tip.seq + 1)
    return { what: `has seq ${line.seq} where ${tip.seq + 1} was due: lines are missing or were moved` }
  return { what: `has seq ${line.seq} where ${tip.seq + 1} was due: it was repeated, moved or restarted` }
}

interface ZoneAt {
  /** Its first line. */
  readonly line: number
  /** The last line that was good. */
  readonly after: Tip
  readonly why: Misfit
}

/** Bytes that do not follow. They are a torn write if a `recovered` line fits them exactly, and a fault otherwise. */
class Zone {
  readonly #at: ZoneAt
  readonly #firstHash: string
  readonly #bytes: Hash
  #lastHash: string
  #fault: Fault | undefined
  length: number

  constructor({ bytes }: RawLine, at: ZoneAt) {
    this.#at = at
    this.#firstHash = this.#lastHash = hashLine(bytes)
    this.#bytes = createHash('sha256').update(bytes)
    this.length = bytes.length
  }

  add({ bytes }: RawLine): void {
    this.#bytes.update('\n').update(bytes)
    this.length += 1 + bytes.length
    this.#lastHash = hashLine(bytes)
  }

  /** Whose fault it is: found once, with the line after its first. */
  fault(next?: RawLine): Fault {
    this.#fault ??= this.#blame(next)
    return this.#fault
  }

  isMendedBy(line: Line | undefined, sealed: number): line is Line {
    return (
      line?.type === 'recovered' &&
      line.seq === this.#at.after.seq + 1 &&
      line.prev === this.#lastHash &&
      line['torn_bytes'] === this.length &&
      line['torn_digest'] === this.#bytes.copy().digest('hex') &&
      line['unsealed_from'] === sealed + 1
    )
  }

  #blame(next: RawLine | undefined): Fault {
    const { line, after, why } = this.#at
    if (why.before === true) return { line: line - 1, what: why.what }
    // The line after vouches for the one that does not follow, so it is the line before that was changed.
    const vouched = next === undefined || parseLine(next.bytes)?.prev === this.#firstHash
    return why.unlinked === true && after.seq !== 0 && vouched
      ? { line: line - 1, what: 'was changed: the line after it does not follow from it' }
      : { line, what: why.what }
  }
}

/** A crash tears what was not sealed yet: a second's writes. */
const longestZone = 64 * 1024 * 1024

const recoveredMark = Buffer.from('"type":"recovered"')

function mayBeRecovery(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(recoveredMark)
}

const recovery = (line: Line, number: number): Recovery => ({
  line: number,
  time: line.time,
  tornBytes: Number(line['torn_bytes']),
  unsealedFrom: Number(line['unsealed_from']),
})
