/** Why a gateway does not start: one line for its operator. What is none of these stays what it is, a defect of ours. */
import { ConfigError } from '../config/problem.ts'
import { GatewayError } from '../denial.ts'
import { LedgerBroken } from '../ledger/recover.ts'
import { Taken, Unfit } from '../unfit.ts'
import { exit } from './exit.ts'
import { visible } from './print.ts'
import { Stop } from './stop.ts'

export function notStarted(error: unknown): unknown {
  if (error instanceof ConfigError) return new Stop(exit.config, error.message)
  if (error instanceof LedgerBroken)
    return stop(exit.no, `audit: ${error.message}; see docs/recording.md, After a crash`)
  if (error instanceof Taken) return stop(exit.unavailable, error.message)
  if (error instanceof Unfit) return stop(exit.config, error.message)
  if (error instanceof GatewayError) return stop(exit.unavailable, error.denial.detail)
  const { code, path, syscall } = error as NodeJS.ErrnoException
  if (path === undefined || syscall === undefined) return error
  return stop(
    exit.config,
    `${path}: ${syscall} says ${code}: the gateway's own user must be able to read and write it`,
  )
}

/** Names out of files and out of issuers' answers are among the words. */
function stop(code: number, message: string): Stop {
  return new Stop(code, visible(message))
}
