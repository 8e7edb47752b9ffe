/** `postern serve`: the gateway in the foreground. SIGTERM and Ctrl-C drain it, SIGHUP reloads its configuration. */
import { flushCompileCache } from 'node:module'
import { Command } from 'commander'
import { ConfigError } from '../config/problem.ts'
import { startGateway } from '../gateway.ts'
import type { AnyProtocol } from '../protocol/protocol.ts'
import { createLog } from '../telemetry/log.ts'
import { exit } from './exit.ts'
import { Stop } from './stop.ts'

export function serveCommand(protocols: ReadonlyMap<string, AnyProtocol>): Command {
  return new Command('serve')
    .description('the gateway: JSON log lines on stderr; ready when /readyz says 200')
    .option('-c, --config <file>', 'the configuration', 'postern.yaml')
    .action(async ({ config }: { config: string }) => {
      const log = createLog()
      const gateway = await startGateway({ file: config, protocols, log }).catch(error => {
        throw error instanceof ConfigError ? new Stop(exit.config, error.message) : error
      })
      // Now, for a gateway that is killed one day would never write it.
      flushCompileCache()
      process.on('SIGHUP', () => void gateway.reload())
      await new Promise<void>(resolve => {
        // A second signal does not hurry: the drain is bounded by itself.
        process.on('SIGTERM', () => resolve())
        process.on('SIGINT', () => resolve())
      })
      await gateway.stop()
    })
}
