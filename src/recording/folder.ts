/** Where one session's recording lies: a folder of its own under `data/recordings`, private, and on the disk before the audit speaks of it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { syncFolder } from '../ledger/journal.ts'
import { RecordingLost } from './record.ts'

/** Must not exist yet. Throws {@link RecordingLost}. */
export function makeFolder(data: string, session: string): string {
  // The name becomes a folder's: nothing but what we mint (attack 186).
  if (!/^[a-z]_[A-Za-z0-9]+$/.test(session)) throw new TypeError('not the id of a session')
  const folder = join(data, 'recordings', session)
  try {
    mkdirSync(join(data, 'recordings'), { recursive: true, mode: 0o700 })
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    throw new RecordingLost(error)
  }
  return folder
}

/** Its own name and those in it outlive a loss of power. */
export async function settleFolder(folder: string): Promise<void> {
  await Promise.all([syncFolder(folder), syncFolder(join(folder, '..'))])
}
