/**
 * Recordings that a crash left open are closed at start: a torn line is fenced, `close` says `gateway_crashed`, the seal
 * follows and enters the audit. A cast's torn line is completed, for players give up on a line that is not JSON.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { genesis, hashLine, type Tip } from '../ledger/chain.ts'
import type { Heads } from '../ledger/heads.ts'
import { type Disk, Journal, syncFolder } from '../ledger/journal.ts'
import { readLines } from '../ledger/lines.ts'
import { recover } from '../ledger/recover.ts'
import type { Seal, SealKey } from '../ledger/seal.ts'
import { members } from '../ledger/text.ts'
import { castName } from '../ledger/verify-recording.ts'
import { parseLine } from '../ledger/walk.ts'
import type { Log } from '../telemetry/log.ts'
import { type CastMark, castHeader } from './cast.ts'
import { completion } from './complete.ts'

export interface RecoveringRecording {
  readonly data: string
  readonly session: string
  readonly key: SealKey
  readonly now: number
  readonly why: string
  readonly text: string
  readonly disk?: Disk
}

/** Closes one recording. Undefined if it was closed already. */
export async function recoverRecording(
  at: RecoveringRecording,
): Promise<{ tip: Tip; seal: Seal } | undefined> {
  const folder = join(at.data, 'recordings', at.session)
  let statements = 0
  // Casts that lines name; true once a line has said what was in them.
  const named = new Map<string, boolean>()
  const noteCast = (said: unknown) => {
    const { cast, digest } = (said ?? {}) as { cast?: unknown; digest?: unknown }
    if (typeof cast !== 'string' || !castName.test(cast)) return
    named.set(cast, named.get(cast) === true || typeof digest === 'string')
  }
  const recovered = await recover({
    path: join(folder, 'session.jsonl'),
    file: `recordings/${at.session}/session.jsonl`,
    start: genesis,
    key: at.key,
    now: at.now,
    ...(at.disk === undefined ? {} : { disk: at.disk }),
    visit: line => {
      if (line.type === 'statement') statements++
      if (line.type === 'output') noteCast(line)
      if (line.type === 'close' && Array.isArray(line['casts'])) line['casts'].forEach(noteCast)
    },
    atRest: ([before, last]) => before === 'close' && last === 'seal',
    more: async () => {
      await makeMissing(folder, named, at.disk)
      const casts = await castsOf(folder, at.now, at.disk)
      return [{ type: 'close', rest: members({ why: at.why, text: at.text, statements, casts }) }]
    },
  })
  recovered.journal.close()
  return recovered.torn === undefined ? undefined : { tip: recovered.tip, seal: recovered.torn.seal }
}

/**
 * A line names a cast before its file exists, and the crash may have fallen between the two: the file is made now. One of
 * which a line has said what was in it was taken away since; it stays missing, and verify says so.
 */
async function makeMissing(
  folder: string,
  named: ReadonlyMap<string, boolean>,
  disk: Disk | undefined,
): Promise<void> {
  const missing = [...named].filter(([cast, marked]) => !marked && !existsSync(join(folder, cast)))
  for (const [cast] of missing) Journal.create(join(folder, cast), disk).close()
  if (missing.length > 0) await syncFolder(folder)
}

/** What a cast needs to be one: its header if the crash came before it, the end of its last event. */
function missingFrom(tornLine: Uint8Array | undefined, bytes: number, now: number): Buffer | undefined {
  if (tornLine !== undefined) return completion(tornLine)
  if (bytes > 0) return undefined
  const header = castHeader(
    { cols: 80, rows: 24, term: '', title: 'nothing was recorded' },
    now,
    text => text,
  )
  return Buffer.from(`${header}\n`)
}

async function castsOf(folder: string, now: number, disk: Disk | undefined): Promise<CastMark[]> {
  const names = readdirSync(folder).filter(name => castName.test(name))
  const marks: CastMark[] = []
  for (const cast of names.sort((a, b) => a.length - b.length || (a < b ? -1 : 1))) {
    const path = join(folder, cast)
    const hash = createHash('sha256')
    let bytes = 0
    let tornLine: Uint8Array | undefined
    for await (const batch of readLines(path)) {
      for (const line of batch) {
        hash.update(line.bytes)
        if (line.whole) hash.update('\n')
        else tornLine = line.bytes
        bytes += line.bytes.length + (line.whole ? 1 : 0)
      }
    }
    const missing = missingFrom(tornLine, bytes, now)
    if (missing !== undefined) {
      const journal = Journal.reopen(path, disk)
      try {
        hash.update(journal.write(missing))
        bytes += missing.length
        await journal.sync()
      } finally {
        journal.close()
      }
    }
    marks.push({ cast, bytes, digest: hash.digest('hex') })
  }
  return marks
}

export interface RecoveringAll {
  readonly data: string
  readonly key: SealKey
  readonly now: number
  readonly heads: Heads
  readonly log: Log
}

/** At start, before any session: closes what is open and enters in the audit what a crash may have kept out of it. */
export async function recoverRecordings(
  at: RecoveringAll,
): Promise<{ readonly recovered: readonly string[] }> {
  const all = join(at.data, 'recordings')
  mkdirSync(all, { recursive: true, mode: 0o700 })
  const recovered: string[] = []
  for (const session of readdirSync(all)) {
    if (!/^[a-z]_[A-Za-z0-9]+$/.test(session)) continue
    try {
      if (await recoverOne(at, session)) recovered.push(session)
    } catch (error) {
      // One that cannot be read keeps nobody from working; `postern audit verify` names it.
      at.log.error({ err: error, session }, 'a recording that was left open cannot be recovered')
    }
  }
  return { recovered }
}

/** Whether it was open. */
async function recoverOne(at: RecoveringAll, session: string): Promise<boolean> {
  const folder = join(at.data, 'recordings', session)
  const path = join(folder, 'session.jsonl')
  if (!existsSync(path)) {
    // The crash fell between the folder and its first record.
    if (readdirSync(folder).length === 0) rmdirSync(folder)
    return false
  }
  const closed = closedTip(path)
  if (closed !== undefined) {
    // Sealed, but perhaps a moment before the audit could say so. To say it twice does no harm.
    const since = at.heads.interruptedAt
    if (since !== undefined && statSync(path).mtimeMs >= since - justBefore)
      at.heads.closed(session, closed.tip, closed.seal)
    return false
  }
  const { data, key, now } = at
  const text = 'the gateway stopped without closing this session'
  const mended = await recoverRecording({ data, session, key, now, why: 'gateway_crashed', text })
  if (mended === undefined) return false
  at.heads.closed(session, mended.tip, mended.seal)
  at.log.warn({ session }, 'a recording was left open: recovered')
  return true
}

/** How long before the audit's last line a recording may have been sealed and not be in it. */
const justBefore = 60 * 1000

/** Longer than a `close` and its seal, but for hundreds of terminals; those are then read whole. */
const tailBytes = 16 * 1024

/** The seal of a recording that is closed. Synchronous and short: there may be very many. */
export function closedTip(path: string): { tip: Tip; seal: Seal } | undefined {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  let tail: Buffer
  try {
    const { size } = fstatSync(file)
    const length = Math.min(tailBytes, size)
    tail = Buffer.alloc(length)
    readSync(file, tail, 0, length, size - length)
  } finally {
    closeSync(file)
  }
  if (tail.at(-1) !== 10) return undefined
  const last = tail.lastIndexOf(10, -2)
  const before = last <= 0 ? -1 : tail.lastIndexOf(10, last - 1)
  if (before < 0) return undefined
  const bytes = tail.subarray(last + 1, -1)
  const seal = parseLine(bytes)
  if (seal?.type !== 'seal' || parseLine(tail.subarray(before + 1, last))?.type !== 'close') return undefined
  const { seq, key, signature } = seal
  return { tip: { seq, hash: hashLine(bytes) }, seal: { key: String(key), signature: String(signature) } }
}
