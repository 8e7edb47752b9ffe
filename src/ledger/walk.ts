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

/** Bytes that do not follow. They are a torn write if a `recovered` line fits them exactly, and a fault otherwise. */
interface Zone {
  readonly line: number
  readonly offset: number
  readonly why: Misfit
  readonly firstHash: string
  readonly bytes: Hash
  length: number
  lastHash: string
  fault: Fault | undefined
}

interface Misfit {
  readonly what: string
  /** The line itself is sound but does not follow from the one before: which of the two was changed is seen later. */
  readonly unlinked?: boolean
  /** The line before is at fault for certain. */
  readonly before?: boolean
}

/** A crash tears what was not sealed yet: a second's writes. */
const longestZone = 64 * 1024 * 1024

const recoveredMark = Buffer.from('"type":"recovered"')

function mayBeRecovery(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(recoveredMark)
}

export async function walk(at: Walk): Promise<Walked> {
  const id = keyId(at.key)
  const recoveries: Recovery[] = []
  let tip = at.start ?? genesis
  let before: Tip | undefined
  let number = 0
  let end = 0
  let whole = true
  // What this goes on from was sealed, or is nothing.
  let sealed = tip.seq
  let zone: Zone | undefined

  const accept = (line: Line, raw: RawLine, hash: string): Fault | undefined => {
    before = tip
    tip = { seq: line.seq, hash }
    end = raw.offset + raw.bytes.length + (raw.whole ? 1 : 0)
    whole = raw.whole
    if (line.type === 'seal') {
      const { key, signature } = line
      if (key !== id) return { line: number, what: 'the seal is by another key' }
      if (typeof signature !== 'string' || !sealHolds(at.key, at.file, line.seq, line.prev, signature)) {
        return { line: number, what: 'the seal does not verify' }
      }
      sealed = line.seq
    }
    const what = at.visit?.(line, tip, number)
    return what === undefined ? undefined : { line: number, what }
  }

  const misfit = (line: Line | undefined): Misfit | undefined => {
    if (line === undefined) return { what: 'is not a line of this ledger' }
    if (line.seq === tip.seq + 1 && line.prev === tip.hash) return undefined
    if (before !== undefined && line.prev === before.hash && line.seq === before.seq + 1)
      return { what: 'was added', before: true }
    if (line.seq === tip.seq + 1) return { what: 'does not follow from the line before', unlinked: true }
    if (line.seq > tip.seq + 1)
      return { what: `has seq ${line.seq} where ${tip.seq + 1} was due: lines are missing or were moved` }
    return { what: `has seq ${line.seq} where ${tip.seq + 1} was due: it was repeated, moved or restarted` }
  }

  const blame = (found: Zone, next: RawLine | undefined): Fault => {
    const first = { line: found.line, what: found.why.what }
    if (found.why.before === true) return { line: found.line - 1, what: found.why.what }
    if (found.why.unlinked !== true || tip.seq === 0) return first
    // The line after vouches for the one that does not follow, so it is the line before that was changed.
    const vouched = next === undefined || parseLine(next.bytes)?.prev === found.firstHash
    return vouched
      ? { line: found.line - 1, what: 'was changed: the line after it does not follow from it' }
      : first
  }

  const fitsRecovery = (found: Zone, line: Line | undefined): line is Line =>
    line?.type === 'recovered' &&
    line.seq === tip.seq + 1 &&
    line.prev === found.lastHash &&
    line['torn_bytes'] === found.length &&
    line['torn_digest'] === found.bytes.copy().digest('hex') &&
    line['unsealed_from'] === sealed + 1

  const result = (fault?: Fault, torn = 0): Walked => {
    return {
      tip,
      lines: number,
      end,
      whole,
      sealed,
      torn,
      recoveries,
      ...(fault === undefined ? {} : { fault }),
    }
  }

  const recovered = (line: Line) =>
    recoveries.push({
      line: number,
      time: line.time,
      tornBytes: Number(line['torn_bytes']),
      unsealedFrom: Number(line['unsealed_from']),
    })

  for await (const batch of readLines(at.path)) {
    for (const raw of batch) {
      number++
      if (zone !== undefined) {
        zone.fault ??= blame(zone, raw)
        const line = mayBeRecovery(raw.bytes) ? parseLine(raw.bytes) : undefined
        if (fitsRecovery(zone, line)) {
          zone = undefined
          recovered(line)
          const fault = accept(line, raw, hashLine(raw.bytes))
          if (fault !== undefined) return result(fault)
          continue
        }
        zone.bytes.update('\n').update(raw.bytes)
        zone.length += 1 + raw.bytes.length
        zone.lastHash = hashLine(raw.bytes)
        if (zone.length > longestZone) return result(zone.fault)
        continue
      }
      const line = parseLine(raw.bytes)
      const why = misfit(line)
      if (why === undefined && line !== undefined) {
        if (line.type === 'recovered') recovered(line)
        const fault = accept(line, raw, hashLine(raw.bytes))
        if (fault !== undefined) return result(fault)
        continue
      }
      const firstHash = hashLine(raw.bytes)
      const bytes = createHash('sha256').update(raw.bytes)
      zone = {
        line: number,
        offset: raw.offset,
        why: why ?? { what: 'is not a line of this ledger' },
        firstHash,
        bytes,
        length: raw.bytes.length,
        lastHash: firstHash,
        fault: undefined,
      }
      if (!raw.whole) return result(undefined, raw.bytes.length)
    }
  }
  if (zone === undefined) return result()
  return result(zone.fault ?? blame(zone, undefined))
}
