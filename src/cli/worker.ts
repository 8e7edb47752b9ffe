/** `postern worker`: one process of `serve --workers N`. Speaks to nobody but the process that started it. */
import { Command } from 'commander'
import type { AnyProtocol } from '../protocol/protocol.ts'
import { createLog } from '../telemetry/log.ts'
import { runWorker } from '../workers/worker.ts'
import { exit } from './exit.ts'
import { Stop } from './stop.ts'

export function workerCommand(protocols: ReadonlyMap<string, AnyProtocol>): Command {
  return new Command('worker')
    .description('a process of `serve --workers`, which starts it')
    .argument('<n>')
    .action((n: string) => {
      if (process.send === undefined)
        throw new Stop(exit.usage, 'only `postern serve --workers` starts workers')
      runWorker(protocols, createLog(undefined, { worker: Number(n) }))
    })
}
