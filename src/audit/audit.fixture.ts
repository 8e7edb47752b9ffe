/** A data folder for tests, with an audit whose clock and disk the test holds. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Disk, disk as realDisk } from '../ledger/journal.ts'
import { openSealKey } from '../ledger/keys.ts'
import { verifyData } from '../ledger/verify.ts'
import type { Verdict } from '../recording/record.ts'
import { openRecorder, type RecorderOptions } from '../recording/recorder.ts'
import type { Log } from '../telemetry/log.ts'
import type { Clock } from '../words.ts'
import { type AuditOptions, openAudit } from './audit.ts'

export const policy = 'a'.repeat(64)

export const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-ledger-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** 2026-01-01, a millisecond later at every look. */
export function steppingClock(): Clock {
  let ticks = 0
  return { now: () => Date.UTC(2026, 0, 1) + ticks++, mono: () => ticks }
}

/** A disk that does as it is told. */
export function faultyDisk() {
  const state = {
    room: Number.POSITIVE_INFINITY,
    writeError: 'ENOSPC',
    syncError: '',
    syncs: 0,
    shortWrites: false,
  }
  const io: Disk = {
    write(fd, bytes, offset, length) {
      const most = state.shortWrites ? Math.min(7, length) : length
      const size = Math.min(most, state.room)
      if (size <= 0) throw Object.assign(new Error(state.writeError), { code: state.writeError })
      state.room -= size
      return realDisk.write(fd, bytes, offset, size)
    },
    sync(fd) {
      state.syncs++
      return state.syncError === ''
        ? realDisk.sync(fd)
        : Promise.reject(Object.assign(new Error(state.syncError), { code: state.syncError }))
    },
  }
  return { state, io }
}

/** Seals only when the test says so. */
export async function openWorld(data: string, more: Partial<AuditOptions> = {}) {
  const clock = more.clock ?? steppingClock()
  const key = openSealKey(data)
  const audit = await openAudit({
    data,
    clock,
    key,
    policyDigest: () => policy,
    log: silent,
    every: 2 ** 30,
    ...more,
  })
  const record = (session: string, options: Partial<RecorderOptions> = {}) =>
    openRecorder({
      data,
      session,
      opened: { grant: 'g_1', connection: 'web-1' },
      clock,
      key,
      heads: audit,
      log: silent,
      ...options,
    })
  return { audit, clock, key, record, verify: (head?: string) => verify(data, head) }
}

export function verify(data: string, head?: string) {
  const key = openSealKey(data).publicKey
  return verifyData({ data, key, ...(head === undefined ? {} : { head }) })
}

export function allowed(text: string): Verdict {
  return { allow: true, statement: { kind: 'select', text, touches: [{ act: 'read', on: 'public.orders' }] } }
}

export function refused(text: string): Verdict {
  return {
    allow: false,
    statement: { kind: 'delete', text, touches: [] },
    denial: { code: 'statement_refused', detail: 'delete is not in scope' },
  }
}

export const byClient = { how: 'close', why: 'client_closed', text: 'the client went away' } as const
