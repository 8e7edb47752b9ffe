/** `postern serve`: the gateway in the foreground. SIGTERM and Ctrl-C drain it, SIGHUP reloads its configuration. */
import { flushCompileCache } from 'node:module'
import { Command, InvalidArgumentError } from 'commander'
import { startGateway } from '../gateway.ts'
import type { AnyProtocol } from '../protocol/protocol.ts'
import { createLog, levels } from '../telemetry/log.ts'
import { exit } from './exit.ts'
import { notStarted } from './not-started.ts'
import { Stop } from './stop.ts'

const mostWorkers = 64

function count(text: string): number {
  if (/^[1-9]\d?$/.test(text) && Number(text) <= mostWorkers) return Number(text)
  throw new InvalidArgumentError(`a whole number from 1 to ${mostWorkers}`)
}

function level(text = process.env.POSTERN_LOG ?? 'info'): string {
  if (levels.includes(text)) return text
  throw new Stop(exit.usage, `POSTERN_LOG must be one of ${levels.join(', ')}`)
}

/** Sessions are gone within a second; what is longer is a disk that does not answer. */
const DRAIN = 15_000

export function serveCommand(protocols: ReadonlyMap<string, AnyProtocol>): Command {
  return new Command('serve')
    .description('the gateway: JSON log lines on stderr; ready when /readyz says 200')
    .option('-c, --config <file>', 'the configuration', 'postern.yaml')
    .option(
      '--workers <n>',
      'processes that carry PostgreSQL and SSH, for machines with several cores',
      count,
      1,
    )
    .action(async ({ config, workers }: { config: string; workers: number }) => {
      const log = createLog(level())
      const gateway = await startGateway({ file: config, protocols, log, workers }).catch(error => {
        throw notStarted(error)
      })
      // Now, for a gateway that is killed one day would never write it.
      flushCompileCache()
      process.on('SIGHUP', () => void gateway.reload())
      let failed = false
      await new Promise<void>(resolve => {
        // A defect of ours: what is open is cut and told why, and whoever started us may start us again.
        process.on('uncaughtException', error => {
          log.error({ err: error }, 'a defect: shutting down')
          failed = true
          resolve()
        })
        // A second signal does not hurry: the drain is bounded by itself.
        process.on('SIGTERM', () => resolve())
        process.on('SIGINT', () => resolve())
      })
      setTimeout(() => process.exit(exit.internal), DRAIN).unref()
      await gateway.stop()
      // Timers and sockets of libraries must not keep a stopped gateway alive.
      process.exit(failed ? exit.internal : exit.ok)
    })
}
