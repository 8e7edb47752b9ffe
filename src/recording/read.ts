/** Reads recordings back, for the API and for replay. Names come from callers: each is checked before it is a path (attack 186). */
import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { readLines } from '../ledger/lines.ts'
import { castName } from '../ledger/verify-recording.ts'
import { type Line, parseLine } from '../ledger/walk.ts'

export type CastCode = 'o' | 'i' | 'r' | 'x' | 'm'

export interface CastEvent {
  /** Seconds since the beginning. */
  readonly time: number
  readonly code: CastCode
  readonly data: string
}

export const isSessionId = (text: string) => /^[a-z]_[A-Za-z0-9]{1,64}$/.test(text)

/** The recording's files, `session.jsonl` first. Undefined if there is no such recording. */
export async function recordingFiles(data: string, session: string): Promise<string[] | undefined> {
  if (!isSessionId(session)) return undefined
  try {
    const names = await readdir(join(data, 'recordings', session))
    const casts = names
      .filter(name => castName.test(name))
      .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
    return names.includes('session.jsonl') ? ['session.jsonl', ...casts] : undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** One file as it stands, and its size. Undefined if the recording has no such file. */
export async function openRecordingFile(
  data: string,
  session: string,
  name: string,
): Promise<{ readonly size: number; readonly stream: Readable } | undefined> {
  const names = await recordingFiles(data, session)
  if (names?.includes(name) !== true) return undefined
  const file = await open(join(data, 'recordings', session, name), constants.O_RDONLY | constants.O_NOFOLLOW)
  const { size } = await file.stat()
  if (size > 0) return { size, stream: file.createReadStream({ start: 0, end: size - 1 }) }
  // An `end` before `start` is refused, and an empty file has no other.
  return { size, stream: file.createReadStream() }
}

/** The records, in order. A torn line is passed over; `postern audit verify` is who judges. */
export async function* readRecords(data: string, session: string): AsyncGenerator<Line, void> {
  if (!isSessionId(session)) return
  for await (const batch of readLines(join(data, 'recordings', session, 'session.jsonl'))) {
    for (const raw of batch) {
      const line = parseLine(raw.bytes)
      if (line !== undefined) yield line
    }
  }
}

/** The events of one cast. */
export async function* readCast(
  data: string,
  session: string,
  name: string,
): AsyncGenerator<CastEvent, void> {
  if (!isSessionId(session) || !castName.test(name)) return
  for await (const batch of readLines(join(data, 'recordings', session, name))) {
    for (const raw of batch) {
      const event = castEvent(raw.bytes)
      if (event !== undefined) yield event
    }
  }
}

function castEvent(bytes: Uint8Array): CastEvent | undefined {
  try {
    const event: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (!Array.isArray(event) || event.length !== 3) return undefined
    const [time, code, data] = event as unknown[]
    if (typeof time !== 'number' || typeof code !== 'string' || typeof data !== 'string') return undefined
    return 'oirxm'.includes(code) ? { time, code: code as CastCode, data } : undefined
  } catch {
    return undefined
  }
}
