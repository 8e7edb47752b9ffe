/**
 * Recordings that a crash left open are closed at start: a torn line is fenced, `close` says `gateway_crashed`, the seal
 * follows and enters the audit. A cast's torn line is completed, for players give up on a line that is not JSON.
 */
import { createHash } from 'node:crypto'
import { constants, existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { genesis, hashLine, type Tip } from '../ledger/chain.ts'
import type { Heads } from '../ledger/heads.ts'
import { type Disk, Journal } from '../ledger/journal.ts'
import { readLines, readLinesBack } from '../ledger/lines.ts'
import { recover } from '../ledger/recover.ts'
import type { Seal, SealKey } from '../ledger/seal.ts'
import { members } from '../ledger/text.ts'
import { castName } from '../ledger/verify-recording.ts'
import { type Line, parseLine } from '../ledger/walk.ts'
import type { Log } from '../telemetry/log.ts'
import type { CastMark } from './cast.ts'
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
  const recovered = await recover({
    path: join(folder, 'session.jsonl'),
    file: `recordings/${at.session}/session.jsonl`,
    start: genesis,
    key: at.key,
    now: at.now,
    ...(at.disk === undefined ? {} : { disk: at.disk }),
    visit: line => {
      if (line.type === 'statement') statements++
    },
    atRest: ([before, last]) => before === 'close' && last === 'seal',
    more: async () => [
      {
        type: 'close',
        rest: members({ why: at.why, text: at.text, statements, casts: await castsOf(folder, at.disk) }),
      },
    ],
  })
  recovered.journal.close()
  return recovered.torn === undefined ? undefined : { tip: recovered.tip, seal: recovered.torn.seal }
}

async function castsOf(folder: string, disk: Disk | undefined): Promise<CastMark[]> {
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
    if (tornLine !== undefined) {
      const journal = Journal.reopen(path, disk)
      try {
        const added = journal.write(completion(tornLine))
        hash.update(added)
        bytes += added.length
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
    const folder = join(all, session)
    const path = join(folder, 'session.jsonl')
    if (!/^[a-z]_[A-Za-z0-9]+$/.test(session)) continue
    if (!existsSync(path)) {
      // The crash fell between the folder and its first record.
      if (readdirSync(folder).length === 0) rmdirSync(folder)
      continue
    }
    const closed = await closedTip(path)
    if (closed !== undefined) {
      // Sealed, but perhaps a moment before the audit could say so. To say it twice does no harm.
      if (at.now - statSync(path).mtimeMs < justClosed) at.heads.closed(session, closed.tip, closed.seal)
      continue
    }
    const text = 'the gateway stopped without closing this session'
    const mended = await recoverRecording({
      data: at.data,
      session,
      key: at.key,
      now: at.now,
      why: 'gateway_crashed',
      text,
    })
    if (mended !== undefined) at.heads.closed(session, mended.tip, mended.seal)
    recovered.push(session)
    at.log.warn({ session }, 'a recording was left open: recovered')
  }
  return { recovered }
}

const justClosed = 24 * 60 * 60 * 1000

async function closedTip(path: string): Promise<{ tip: Tip; seal: Seal } | undefined> {
  const last: { line: Line | undefined; hash: string }[] = []
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  const { size } = await file.stat()
  const ending = Buffer.alloc(1)
  await file.read(ending, 0, 1, Math.max(0, size - 1))
  await file.close()
  if (ending[0] !== 10) return undefined
  for await (const batch of readLinesBack(path, size)) {
    for (const raw of batch) {
      last.push({ line: parseLine(raw.bytes), hash: hashLine(raw.bytes) })
      if (last.length < 2) continue
      const seal = last[0]
      if (seal?.line?.type !== 'seal' || last[1]?.line?.type !== 'close') return undefined
      const { seq, key, signature } = seal.line
      return { tip: { seq, hash: seal.hash }, seal: { key: String(key), signature: String(signature) } }
    }
  }
  return undefined
}
