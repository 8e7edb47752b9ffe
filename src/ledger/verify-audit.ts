/** Verifies the audit: every writer's files in order, as one chain each, against the signed heads. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { genesis, type Tip } from './chain.ts'
import type { Book, Verifying } from './report.ts'
import { type Head, readHead } from './seal.ts'
import { type Line, walk } from './walk.ts'

/** How far the audit knows a recording. */
export interface Known {
  readonly seq: number
  readonly hash: string
  /** Its seal is in the audit: nothing may follow. */
  readonly closed: boolean
  /** The audit's line that says so. */
  readonly where: string
  /** The last that it knew before the seal: what recovery sealed after a crash must still hold it. */
  readonly head?: Known
}

/** A line that was signed: it must be there. */
interface Signed extends Head {
  /** Where the head was read. */
  readonly from: string
  seen: boolean
}

const auditFile = /^([a-z][a-z0-9]*)-([1-9][0-9]*)\.jsonl$/

/** Lines that are no events. */
const ledgerLines: ReadonlySet<string> = new Set(['seal', 'heads', 'recovered', 'recording.sealed'])

/** How far the audit goes. */
export interface Audited {
  readonly events: number
  /** The time of its last line. */
  readonly until: number
  /** Every writer stopped in good order: what it does not know by then was never there. */
  readonly stopped: boolean
}

/** What recordings the audit knows goes into `known`. */
export async function verifyAudit(at: Verifying, book: Book, known: Map<string, Known>): Promise<Audited> {
  const folder = join(at.data, 'audit')
  const names = existsSync(folder) ? readdirSync(folder).sort() : []
  const writers = new Map<string, number[]>()
  for (const name of names) {
    const [, writer, n] = auditFile.exec(name) ?? []
    if (writer !== undefined) writers.set(writer, [...(writers.get(writer) ?? []), Number(n)])
    else if (!/^(?:head(?:-[a-z0-9]+)?\.json|\..*)$/.test(name))
      book.faults.push({ where: `audit/${name}`, what: 'is no file of the audit' })
  }
  const heads = readHeads(at, names, writers, book)
  if (at.head !== undefined) addHead(heads, at.head, '--head', at, book)
  if (writers.size === 0) book.faults.push({ where: 'audit', what: 'has no files' })
  const chains: Audited[] = []
  for (const [writer, numbers] of writers)
    chains.push(
      await verifyWriter(
        at,
        writer,
        numbers.sort((a, b) => a - b),
        heads,
        book,
        known,
      ),
    )
  for (const head of heads) {
    if (!head.seen && !names.includes(head.file.slice('audit/'.length))) {
      book.faults.push({
        where: head.file,
        what: `is missing: ${head.from} has seq ${head.seq} of it signed`,
      })
    }
  }
  return {
    events: chains.reduce((sum, { events }) => sum + events, 0),
    until: Math.max(0, ...chains.map(({ until }) => until)),
    stopped: chains.every(({ stopped }) => stopped),
  }
}

function readHeads(
  at: Verifying,
  names: readonly string[],
  writers: ReadonlyMap<string, number[]>,
  book: Book,
): Signed[] {
  const heads: Signed[] = []
  for (const writer of new Set(['gw', ...writers.keys()])) {
    const name = writer === 'gw' ? 'head.json' : `head-${writer}.json`
    if (names.includes(name))
      addHead(heads, readFileSync(join(at.data, 'audit', name), 'utf8'), `audit/${name}`, at, book)
    else if (writers.has(writer))
      book.faults.push({ where: `audit/${name}`, what: 'is missing: the end of the audit cannot be known' })
  }
  return heads
}

function addHead(heads: Signed[], text: string, from: string, at: Verifying, book: Book): void {
  const head = readHead(text, at.key)
  if (typeof head === 'string') book.faults.push({ where: from, what: head })
  else heads.push({ ...head, from, seen: false })
}

async function verifyWriter(
  at: Verifying,
  writer: string,
  numbers: readonly number[],
  heads: Signed[],
  book: Book,
  known: Map<string, Known>,
): Promise<Audited> {
  let tip: Tip = genesis
  let former = ''
  let [events, until, stopped] = [0, 0, false]
  for (const [place, n] of numbers.entries()) {
    const file = `audit/${writer}-${n}.jsonl`
    if (n !== place + 1) {
      book.faults.push({ where: `audit/${writer}-${place + 1}.jsonl`, what: 'is missing' })
      return { events, until, stopped }
    }
    const mine = heads.filter(head => head.file === file)
    const visit = (line: Line, at: Tip, number: number): string | undefined => {
      until = Date.parse(line.time)
      if (!ledgerLines.has(line.type)) {
        events++
        stopped = line.type === 'gateway.stopped'
      }
      const strange = learn(line, known, `${file}:${number}`)
      if (strange !== undefined) return strange
      for (const head of mine) {
        if (head.seq !== at.seq) continue
        head.seen = true
        if (head.hash !== at.hash) return `is not the line that ${head.from} has signed`
        if (head.time !== line.time) return `is not of the time that ${head.from} says`
      }
      return undefined
    }
    const walked = await walk({ path: join(at.data, file), file, start: tip, key: at.key, visit })
    book.recoveries.push(...walked.recoveries.map(recovery => ({ ...recovery, file })))
    if (walked.fault !== undefined) {
      const { line, what } = walked.fault
      book.faults.push({ where: line === 0 ? former : `${file}:${line}`, what })
      return { events, until, stopped }
    }
    const last = place === numbers.length - 1
    const end = `${file}:${walked.lines}`
    const cut = mine.find(head => !head.seen || (head.seq === walked.tip.seq && !walked.whole))
    if (cut !== undefined) {
      book.faults.push({
        where: end,
        what: `the end is missing: the file stops at seq ${walked.tip.seq}, ${cut.from} has seq ${cut.seq} signed`,
      })
      return { events, until, stopped }
    }
    if (!last && (walked.sealed !== walked.tip.seq || walked.torn > 0 || !walked.whole)) {
      book.faults.push({
        where: end,
        what: 'the end is missing: a file that another follows ends with a seal',
      })
      return { events, until, stopped }
    }
    if (walked.torn > 0 || !walked.whole)
      book.notes.push({ where: end, what: 'is being written, or was torn by a crash' })
    const unsealed = walked.tip.seq - walked.sealed
    if (unsealed > 0)
      book.notes.push({
        where: file,
        what: `${unsealed} lines from seq ${walked.sealed + 1} on are not sealed yet`,
      })
    tip = walked.tip
    former = end
  }
  return { events, until, stopped }
}

/** Notes what a line says of recordings. The line may be anybody's: it is looked at before it is believed. */
function learn(line: Line, known: Map<string, Known>, where: string): string | undefined {
  if (line.type === 'recording.sealed') {
    const tip = line['recording']
    if (!isTip(tip)) return 'does not say which seal'
    const session = String(line['session'])
    const before = known.get(session)
    if (before !== undefined && tip.seq < before.seq)
      return `seals less of ${session} than ${before.where} knows: its end was cut off before it was sealed`
    const head = before?.closed === true ? before.head : before
    known.set(session, { seq: tip.seq, hash: tip.hash, closed: true, where, ...(head && { head }) })
  }
  if (line.type !== 'heads') return undefined
  const heads: unknown = line['heads']
  if (!Array.isArray(heads)) return 'does not say which heads'
  for (const head of heads as unknown[]) {
    if (!isTip(head)) return 'does not say which heads'
    const { session, seq, hash } = head as Tip & { session?: unknown }
    const before = known.get(String(session))
    // A checkpoint may be overtaken by the close of its recording.
    if (before === undefined || before.seq < seq)
      known.set(String(session), { seq, hash, closed: before?.closed ?? false, where })
  }
  return undefined
}

function isTip(value: unknown): value is Tip {
  if (typeof value !== 'object' || value === null) return false
  const { seq, hash } = value as { seq?: unknown; hash?: unknown }
  return Number.isSafeInteger(seq) && typeof hash === 'string'
}
