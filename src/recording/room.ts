/**
 * What recordings leave free on the disk that the audit is on. An agent that fills it would take the audit's place too, and
 * with it every lock, revocation and grant of anybody else (attacks 176, 179): sessions end while there is still room for
 * those.
 */
import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../telemetry/log.ts'

/** Or a twentieth of a small disk. What is written within a second must fit. */
const most = { bytes: 256 * 1024 * 1024, files: 10_000 }
const share = 20

const lookEvery = 1000

export interface Room {
  /** No recording may be begun. */
  readonly isShort: boolean
  look(): Promise<void>
  [Symbol.dispose](): void
}

/** What may still be written there, and how much that is in all: 0 where a file system does not count them. */
export interface Free {
  readonly free: number
  readonly total: number
}

export interface Disks {
  /** A disk may have no place for one more file while nearly all of its bytes are free: sessions are small. */
  free(path: string): Promise<{ readonly bytes: Free; readonly files: Free }>
  /** Which disk a path is on. */
  device(path: string): Promise<number>
}

const system: Disks = {
  async free(path) {
    const { bavail, blocks, bsize, ffree, files } = await statfs(path)
    return {
      bytes: { free: bavail * bsize, total: blocks * bsize },
      files: { free: ffree, total: files },
    }
  },
  async device(path) {
    return (await stat(path)).dev
  },
}

export interface RoomOptions {
  /** The data folder. */
  readonly data: string
  /** Told each time that it has become short: what is running must end. */
  readonly onShort: () => void
  readonly log: Log
  readonly disks?: Disks
}

/**
 * Looks every second. Resolves when it has looked once. A disk that does not answer is not asked again meanwhile: each
 * question holds one of the few threads that files and names are looked up with.
 */
export async function watchRoom({ data, onShort, log, disks = system }: RoomOptions): Promise<Room> {
  let isShort = false
  let isBlind = false
  let isOver = false
  let timer: NodeJS.Timeout | undefined
  // Who cannot see goes on as before: neither does a failed look end anybody's session, nor is it taken for room.
  const blind = (error: unknown) => {
    if (!isBlind) log.warn({ err: error, data }, 'how full the disk is cannot be seen')
    isBlind = true
    return 'blind' as const
  }
  const look = async (): Promise<void> => {
    const left = await shortOf(data, disks).catch(blind)
    if (left === 'blind') return
    isBlind = false
    const was = isShort
    isShort = left !== undefined
    if (isShort === was) return
    if (left === undefined) return log.info({ data }, 'there is room for recordings again')
    log.error(
      { data, ...left },
      'the disk is nearly full: sessions end, and what is left is kept for the audit',
    )
    onShort()
  }
  const lookOn = async (): Promise<void> => {
    await look()
    if (!isOver) timer = setTimeout(lookOn, lookEvery).unref()
  }
  await lookOn()
  return {
    get isShort() {
      return isShort
    },
    look,
    [Symbol.dispose]() {
      isOver = true
      clearTimeout(timer)
    },
  }
}

/** Undefined where there is room, and where recordings have a disk of their own: they take nothing from the audit there. */
async function shortOf(data: string, disks: Disks): Promise<Short | undefined> {
  const recordings = join(data, 'recordings')
  const [own, audit] = await Promise.all([
    disks.device(recordings).catch(() => disks.device(data)),
    disks.device(join(data, 'audit')),
  ])
  if (own !== audit) return undefined
  const left = await disks.free(data)
  return short('bytes', left) ?? short('files', left)
}

interface Short {
  readonly of: 'bytes' | 'files'
  readonly free: number
  readonly least: number
}

function short(of: Short['of'], { [of]: { free, total } }: Record<Short['of'], Free>): Short | undefined {
  const least = Math.min(most[of], total / share)
  return free < least ? { of, free, least } : undefined
}
