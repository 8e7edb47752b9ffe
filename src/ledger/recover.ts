/**
 * After a crash or a failed write: a torn last line gets its newline and a `recovered` line that says how much was torn
 * and from where the file was not sealed, sealed at once. Bytes are only ever appended, so what stood there can still
 * be read. It refuses to go on from a file that ends before what was signed (attack 178, attack 210).
 */
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { Unfit } from '../unfit.ts'
import { hashLine, link, type Tip } from './chain.ts'
import { type Disk, Journal } from './journal.ts'
import { readLines } from './lines.ts'
import { type Seal, type SealKey, sealHolds, sealMembers, sealOf } from './seal.ts'
import { iso, members } from './text.ts'
import { type Line, parseLine, walk } from './walk.ts'

/** What stands on the disk is not what was signed. */
export class LedgerBroken extends Unfit {
  readonly file: string
  constructor(file: string, what: string) {
    super(`${file}: ${what}`)
    this.name = 'LedgerBroken'
    this.file = file
  }
}

export interface Recovering {
  readonly path: string
  readonly file: string
  readonly start: Tip
  readonly key: SealKey
  readonly now: number
  readonly disk?: Disk
  /** A line that is known to have been signed: it must still be there. */
  readonly signed?: Tip
  /** Lines that follow `recovered`, before its seal: a recording's `close`. Asked only if the file is not at rest. */
  readonly more?: () => Promise<readonly { readonly type: string; readonly rest: string }[]>
  /** Members for the `recovered` line. */
  readonly facts?: Readonly<Record<string, unknown>>
  readonly visit?: (line: Line) => void
  /** By the types of the last two lines; as it stands, a file whose last line is a seal. */
  readonly atRest?: (lastTypes: readonly [string, string]) => boolean
}

export interface Recovered {
  readonly journal: Journal
  readonly tip: Tip
  /** What was mended; absent for a file that was at rest. */
  readonly torn?: { readonly bytes: number; readonly unsealedFrom: number; readonly seal: Seal }
}

export async function recover(at: Recovering): Promise<Recovered> {
  let signedSeen = at.signed === undefined || at.signed.seq <= at.start.seq
  let types: readonly [string, string] = ['', '']
  const walked = await walk({
    path: at.path,
    file: at.file,
    start: at.start,
    key: at.key.publicKey,
    visit: (line, tip) => {
      if (at.signed !== undefined && line.seq === at.signed.seq) signedSeen = tip.hash === at.signed.hash
      types = [types[1], line.type]
      at.visit?.(line)
      return undefined
    },
  })
  if (!signedSeen) {
    const found =
      walked.fault === undefined
        ? `ends at seq ${walked.tip.seq}`
        : `line ${walked.fault.line} ${walked.fault.what}`
    throw new LedgerBroken(
      at.file,
      `${found}, but seq ${at.signed?.seq} was signed: it was cut off, changed or rolled back`,
    )
  }
  const size = statSync(at.path).size
  const atRest = at.atRest?.(types) ?? (types[1] === 'seal' || size === 0)
  if (size === walked.end && walked.whole && atRest)
    return { journal: Journal.reopen(at.path, at.disk), tip: walked.tip }

  const zone = await readZone(at, walked.end, size)
  const unsealedFrom = walked.sealed + 1
  const before: Tip = { seq: walked.tip.seq, hash: zone.lastHash === '' ? walked.tip.hash : zone.lastHash }
  const torn = { torn_bytes: zone.bytes, torn_digest: zone.digest, unsealed_from: unsealedFrom }
  const journal = Journal.reopen(at.path, at.disk)
  const time = iso(at.now)
  try {
    // An empty line is a newline: the torn line's own.
    if (zone.open || !walked.whole) journal.gather('')
    let { line, tip } = link(before, time, 'recovered', members({ ...torn, ...at.facts }))
    journal.gather(line)
    for (const { type, rest } of (await at.more?.()) ?? []) {
      ;({ line, tip } = link(tip, time, type, rest))
      journal.gather(line)
    }
    const seal = sealOf(at.key, at.file, tip)
    ;({ line, tip } = link(tip, time, 'seal', sealMembers(seal)))
    journal.gather(line)
    journal.flush()
    await journal.sync()
    return { journal, tip, torn: { bytes: zone.bytes, unsealedFrom, seal } }
  } catch (error) {
    journal.close()
    throw error
  }
}

interface Zone {
  /** Without the newline that fences it. */
  readonly bytes: number
  readonly digest: string
  readonly lastHash: string
  /** The fence is not there yet. */
  readonly open: boolean
}

async function readZone(at: Recovering, from: number, size: number): Promise<Zone> {
  let seals = 0
  const digest = createHash('sha256')
  let bytes = 0
  let lastHash = ''
  let open = false
  if (from < size) {
    let first = true
    for await (const batch of readLines(at.path, from)) {
      for (const line of batch) {
        if (!first) digest.update('\n')
        digest.update(line.bytes)
        bytes += line.bytes.length + (first ? 0 : 1)
        lastHash = hashLine(line.bytes)
        open = !line.whole
        first = false
        if (isSeal(at, line.bytes)) seals++
        // A seal is written once the one before it is on the disk with all that it covers: no crash tears that.
        if (seals > 1)
          throw new LedgerBroken(
            at.file,
            'lines that were sealed do not follow from those before: they were changed',
          )
      }
    }
  }
  return { bytes, digest: digest.digest('hex'), lastHash, open }
}

function isSeal(at: Recovering, bytes: Uint8Array): boolean {
  const line = parseLine(bytes)
  if (line?.type !== 'seal') return false
  return sealHolds(at.key.publicKey, at.file, line.seq, line.prev, String(line['signature']))
}

/** Is this line in the file? */
export async function holds(path: string, signed: Tip): Promise<boolean> {
  for await (const batch of readLines(path)) {
    for (const raw of batch) {
      if (raw.whole && parseLine(raw.bytes)?.seq === signed.seq) return hashLine(raw.bytes) === signed.hash
    }
  }
  return false
}

/** The last line of a file that is at rest. */
export async function lastTip(path: string, file: string): Promise<Tip> {
  let tip: Tip | undefined
  for await (const batch of readLines(path, Math.max(0, statSync(path).size - tailBytes))) {
    const last = batch.at(-1)
    const seq =
      last === undefined ? undefined : /^\{"seq":(\d+),/.exec(Buffer.from(last.bytes).toString('latin1'))?.[1]
    if (last?.whole === true && seq !== undefined) tip = { seq: Number(seq), hash: hashLine(last.bytes) }
  }
  if (tip === undefined) throw new LedgerBroken(file, 'has no last line to go on from')
  return tip
}

/** Seals are short; the last line of a file at rest is one. */
const tailBytes = 64 * 1024
