/**
 * What recordings leave free on the disk that the audit is on. An agent that fills it would take the audit's place too, and
 * with it every lock, revocation and grant of anybody else (attacks 176, 179): sessions end while there is still room for
 * those.
 */
import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../telemetry/log.ts'

/** Bytes, or a twentieth of a small disk. What is written within a second must fit. */
const most = 256 * 1024 * 1024
const share = 20

const lookEvery = 1000

export interface Room {
  /** No recording may be begun. */
  readonly isShort: boolean
  look(): Promise<void>
  [Symbol.dispose](): void
}

export interface Disks {
  /** Bytes that may still be written there, and bytes in all. */
  free(path: string): Promise<{ readonly free: number; readonly total: number }>
  /** Which disk a path is on. */
  device(path: string): Promise<number>
}

const system: Disks = {
  async free(path) {
    const { bavail, blocks, bsize } = await statfs(path)
    return { free: bavail * bsize, total: blocks * bsize }
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
async function shortOf(data: string, disks: Disks): Promise<{ free: number; least: number } | undefined> {
  const recordings = join(data, 'recordings')
  const [own, audit] = await Promise.all([
    disks.device(recordings).catch(() => disks.device(data)),
    disks.device(join(data, 'audit')),
  ])
  if (own !== audit) return undefined
  const { free, total } = await disks.free(data)
  const least = Math.min(most, total / share)
  return free < least ? { free, least } : undefined
}
