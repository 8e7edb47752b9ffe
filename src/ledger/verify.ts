/**
 * Verifies a whole data folder with the public key alone: every audit chain, its signed head, every recording and its
 * casts. Reads only; the gateway may be running. Memory grows with the number of recordings, never with their length.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Book, Report, Verifying } from './report.ts'
import { type Known, verifyAudit } from './verify-audit.ts'
import { verifyRecording } from './verify-recording.ts'

export async function verifyData(at: Verifying): Promise<Report> {
  const book: Book = { faults: [], notes: [], recoveries: [] }
  // Listed before the audit is read, so that what is listed is in the audit by then.
  const folders = entries(join(at.data, 'recordings'))
  const known = new Map<string, Known>()
  const audit = await verifyAudit(at, book, known)
  // An audit that is broken cannot say which recordings there should be.
  const audited = book.faults.length === 0 ? audit : undefined
  let open = 0
  for (const session of [...new Set([...known.keys(), ...folders])].sort()) {
    const found = await verifyRecording(at, session, known.get(session), book, audited)
    if (!found.sealed) open++
  }
  return { intact: book.faults.length === 0, events: audit.events, recordings: folders.length, open, ...book }
}

function entries(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}
