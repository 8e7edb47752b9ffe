/** JSON log lines on stderr. Facts for operators; decisions belong to the audit. Never a token, a secret or a statement. */
import { pino } from 'pino'

export type Log = Pick<pino.Logger, 'debug' | 'info' | 'warn' | 'error'>

/** What POSTERN_LOG may be. */
export const levels = [...Object.keys(pino.levels.values), 'silent']

/** `base`: members of every line. */
export function createLog(
  level = process.env.POSTERN_LOG ?? 'info',
  base: { worker: number } | null = null,
): Log {
  return pino(
    { level, base, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  )
}
