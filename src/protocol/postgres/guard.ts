/**
 * Judges SQL text under a session's scope. Whole strings: one statement too many refuses all of them (attack 75).
 */
import type { Verdict } from '../../recording/record.ts'

export interface PostgresGuard {
  /** Synchronous when the verdict is cached; a promise only on a miss. Never throws, never rejects. */
  judge(sql: string): Verdict | Promise<Verdict>
}
