/** Verifies one recording: its chain, its seal, what the audit knows of it, and its casts. */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { genesis } from './chain.ts'
import type { Book, Verifying } from './report.ts'
import type { Audited, Known } from './verify-audit.ts'
import { type Line, walk } from './walk.ts'

export const castName = /^terminal(?:-[1-9][0-9]*)?\.cast$/

/**
 * A recording is created a moment before the audit speaks of it, and a crash may fall into that moment. It is measured by
 * the audit's own clock: how long ago the crash was does not matter.
 */
const unknownFor = 5000

interface Mark {
  readonly bytes: number
  readonly digest: string
}

export async function verifyRecording(
  at: Verifying,
  session: string,
  known: Known | undefined,
  book: Book,
  audited: Audited | undefined,
): Promise<{ readonly sealed: boolean }> {
  const name = `recordings/${session}`
  const file = `${name}/session.jsonl`
  const path = join(at.data, file)
  const fail = (where: string, what: string) => {
    book.faults.push({ where, what })
    return { sealed: true }
  }
  const noted = (what: string) => {
    book.notes.push({ where: name, what })
    return { sealed: false }
  }
  const young = (opened: number) =>
    audited === undefined || (!audited.stopped && audited.until - opened < unknownFor)
  if (!existsSync(path)) {
    if (known !== undefined) return fail(file, `is missing: ${known.where} knows it`)
    // A folder that was just made holds nothing, and nothing but itself can say when that was.
    const folder = statSync(join(at.data, name))
    const empty = folder.isDirectory() && readdirSync(join(at.data, name)).length === 0
    return empty && young(folder.mtimeMs) ? noted('is not a recording yet') : fail(name, 'is no recording')
  }

  // Names before lines: a cast is named by a line before it exists.
  const names = readdirSync(join(at.data, name)).filter(entry => entry !== 'session.jsonl')
  const casts = new Map<string, Mark>()
  let opened = ''
  let headSeen = known?.head === undefined
  let closed = 'no' as 'no' | 'closed' | 'sealed'
  const visit = (line: Line, tip: { seq: number; hash: string }): string | undefined => {
    if (closed === 'sealed') return 'was added after the seal'
    if (line.seq === 1) {
      opened = line.time
      if (line.type !== 'open' && line.type !== 'recovered') return 'is not how a recording begins'
    }
    if (line.type === 'close') closed = 'closed'
    else if (closed === 'closed') closed = line.type === 'seal' ? 'sealed' : 'no'
    noteCasts(line, casts)
    if (known?.head?.seq === line.seq) headSeen = known.head.hash === tip.hash
    if (known?.seq === line.seq && known.hash !== tip.hash) return `is not the line that ${known.where} knows`
    return undefined
  }
  const walked = await walk({ path, file, start: genesis, key: at.key, visit })
  book.recoveries.push(...walked.recoveries.map(recovery => ({ ...recovery, file })))
  if (walked.fault !== undefined) return fail(`${file}:${walked.fault.line}`, walked.fault.what)
  const end = `${file}:${walked.lines}`
  if (
    known !== undefined &&
    (walked.tip.seq < known.seq || (walked.tip.seq === known.seq && !walked.whole))
  ) {
    return fail(
      end,
      `the end is missing: the file stops at seq ${walked.tip.seq}, ${known.where} knows seq ${known.seq}`,
    )
  }
  // Whoever changes an open recording after a crash has it sealed by the recovery; the audit knew it as it was.
  if (!headSeen)
    return fail(
      end,
      `was changed before it was sealed: it has not what ${known?.head?.where} knows at seq ${known?.head?.seq}`,
    )
  if (known?.closed === true && (walked.tip.seq > known.seq || walked.torn > 0)) {
    return fail(end, `was added after the seal that ${known.where} knows`)
  }
  // An audit that is broken may have known it, on a line that was not reached.
  if (known === undefined && audited !== undefined) {
    if (!young(opened === '' ? statSync(path).mtimeMs : Date.parse(opened)))
      return fail(name, 'is not in the audit: it was put there by others')
    noted('is not in the audit yet')
  }

  const sealed = walked.sealed === walked.tip.seq && walked.tip.seq > 0 && closed === 'sealed'
  for (const entry of names) {
    if (!casts.has(entry)) return fail(`${name}/${entry}`, 'is no file of this recording')
  }
  for (const [cast, mark] of casts) {
    const what = await castFault(join(at.data, name, cast), mark, sealed)
    if (what !== undefined) return fail(`${name}/${cast}`, what)
  }
  return { sealed }
}

function noteCasts(line: Line, casts: Map<string, Mark>): void {
  if (line.type === 'output') noteCast(line, casts)
  const list = line.type === 'close' ? line['casts'] : undefined
  if (Array.isArray(list)) for (const mark of list as unknown[]) noteCast(mark, casts)
}

function noteCast(said: unknown, casts: Map<string, Mark>): void {
  const { cast, bytes, digest } = (said ?? {}) as { cast?: unknown; bytes?: unknown; digest?: unknown }
  if (typeof cast !== 'string' || !castName.test(cast)) return
  casts.set(
    cast,
    typeof bytes === 'number' && typeof digest === 'string' ? { bytes, digest } : { bytes: 0, digest: '' },
  )
}

async function castFault(path: string, mark: Mark, whole: boolean): Promise<string | undefined> {
  if (mark.bytes === 0 && !existsSync(path)) return whole ? 'is missing' : undefined
  if (!existsSync(path)) return 'is missing'
  const { hash, size } = await hashOf(path, mark.bytes)
  if (size < mark.bytes) return `the end is missing: it has ${size} bytes of ${mark.bytes}`
  if (mark.digest !== '' && hash.digest('hex') !== mark.digest)
    return `was changed within its first ${mark.bytes} bytes`
  if (whole && size > mark.bytes) return `has ${size - mark.bytes} bytes more than when it was sealed`
  return undefined
}

/** The hash of the first `bytes`, and the size of the file. */
async function hashOf(path: string, bytes: number): Promise<{ hash: Hash; size: number }> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    if (size < bytes) hash.update(chunk.subarray(0, bytes - size))
    size += chunk.length
  }
  return { hash, size }
}
