/** Reads the audit back: pages for people, and the events after a cursor for a store that has lost its last commits. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readLines, readLinesBack } from '../ledger/lines.ts'
import { type Line, parseLine } from '../ledger/walk.ts'
import type { Cursor } from './event.ts'
import { fileNumbers } from './file.ts'

export interface Query {
  readonly writer?: string
  /** Older than this, newest first. Without either cursor, from the newest. */
  readonly before?: Cursor
  /** Younger than this, oldest first. */
  readonly after?: Cursor
  /** At most 1,000; 100 if unsaid. */
  readonly limit?: number
  readonly type?: string
  readonly reason?: string
  readonly grant?: string
  readonly session?: string
  readonly connection?: string
  readonly rule?: string
  readonly subject?: string
  readonly client?: string
}

export interface Page {
  readonly events: readonly Line[]
  /** The file of the youngest event in it. */
  readonly file?: string
  /** For the next page's `before` or `after`; absent when there is nothing more. */
  readonly next?: Cursor
}

/** A filter that matches nothing must not read the whole audit in one call. */
const mostRead = 64 * 1024 * 1024

/** The ledger's own lines, which are no events. */
const ledgerTypes: ReadonlySet<string> = new Set(['seal', 'heads', 'recovered', 'recording.sealed'])

export async function readPage(data: string, query: Query): Promise<Page> {
  const limit = Math.min(Math.max(query.limit ?? 100, 1), 1000)
  const forward = query.after !== undefined
  const from = query.after ?? query.before
  const events: Line[] = []
  let read = 0
  let last: Cursor | undefined
  let youngest: string | undefined
  const page = (next?: Cursor): Page => ({
    events,
    ...(youngest === undefined ? {} : { file: youngest }),
    ...(next === undefined ? {} : { next }),
  })
  const writer = query.writer ?? 'gw'
  for await (const found of forward ? ahead(data, writer, from) : back(data, writer, from)) {
    if (events.length >= limit || read > mostRead) return page(last)
    const { file, line, bytes } = found
    read += bytes
    last = { file, seq: line.seq }
    if (!matches(line, query)) continue
    events.push(line)
    if (forward || youngest === undefined) youngest = file
  }
  return page()
}

export async function* replay(
  data: string,
  writer: string,
  since: Cursor | undefined,
): AsyncGenerator<{ cursor: Cursor; event: Line }, void> {
  for await (const { file, line } of ahead(data, writer, since)) {
    if (!ledgerTypes.has(line.type)) yield { cursor: { file, seq: line.seq }, event: line }
  }
}

interface Found {
  readonly file: string
  readonly line: Line
  readonly bytes: number
}

async function* ahead(data: string, writer: string, after: Cursor | undefined): AsyncGenerator<Found, void> {
  const first = after === undefined ? 1 : numberOf(after)
  for (const n of fileNumbers(join(data, 'audit'), writer)) {
    if (n < first) continue
    const file = `audit/${writer}-${n}.jsonl`
    for await (const batch of readLines(join(data, file))) {
      for (const raw of batch) {
        const line = raw.whole ? parseLine(raw.bytes) : undefined
        if (line !== undefined && line.seq > (after?.seq ?? 0)) yield { file, line, bytes: raw.bytes.length }
      }
    }
  }
}

async function* back(data: string, writer: string, before: Cursor | undefined): AsyncGenerator<Found, void> {
  const last = before === undefined ? Number.POSITIVE_INFINITY : numberOf(before)
  for (const n of fileNumbers(join(data, 'audit'), writer).reverse()) {
    if (n > last) continue
    const file = `audit/${writer}-${n}.jsonl`
    const { size } = await stat(join(data, file))
    for await (const batch of readLinesBack(join(data, file), size)) {
      for (const raw of batch) {
        const line = parseLine(raw.bytes)
        if (line !== undefined && line.seq < (before?.seq ?? Number.POSITIVE_INFINITY))
          yield { file, line, bytes: raw.bytes.length }
      }
    }
  }
}

function numberOf(cursor: Cursor): number {
  const n = /-([1-9][0-9]*)\.jsonl$/.exec(cursor.file)?.[1]
  return n === undefined ? 1 : Number(n)
}

function matches(line: Line, query: Query): boolean {
  if (query.type === undefined ? ledgerTypes.has(line.type) : line.type !== query.type) return false
  for (const member of ['reason', 'grant', 'session', 'connection', 'rule'] as const) {
    if (query[member] !== undefined && line[member] !== query[member]) return false
  }
  const identity = line['identity'] as { subject?: unknown; client?: unknown } | undefined
  if (query.subject !== undefined && identity?.subject !== query.subject) return false
  return query.client === undefined || identity?.client === query.client
}
