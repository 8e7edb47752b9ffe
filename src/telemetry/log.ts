/** JSON log lines on stderr. Facts for operators; decisions belong to the audit. Never a token, a secret or a statement. */
import { pino } from 'pino'

export type Log = Pick<pino.Logger, 'debug' | 'info' | 'warn' | 'error'>

export function createLog(level = process.env.POSTERN_LOG ?? 'info'): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  )
}
