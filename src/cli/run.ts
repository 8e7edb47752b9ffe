/** `postern run CONNECTION -- COMMAND`: asks, runs any command with PG*, KUBECONFIG and the like set, gives back. */
import { Command } from 'commander'
import type { AnyProtocol } from '../protocol/protocol.ts'
import { runChild } from './child.ts'
import { createClient, VARIABLES } from './client.ts'
import { clientsEnv, prepareClient, withoutToken } from './connect.ts'
import { exit } from './exit.ts'
import { type RequestOptions, withRequestOptions } from './grant.ts'
import { holding } from './hold.ts'
import { ownFolder } from './own-folder.ts'
import { Stop } from './stop.ts'

export function runCommand(protocols: ReadonlyMap<string, AnyProtocol>): Command {
  const command = new Command('run')
    .description('ask for a connection, run a command with its environment set, give it back')
    .addHelpText('after', VARIABLES)
    .argument('<connection>')
    .argument('<command...>', 'the command and its arguments, after --')
  return withRequestOptions(command).action(
    async (connection: string, command: string[], options: RequestOptions) => {
      const [program, ...args] = command
      if (program === undefined)
        throw new Stop(exit.usage, 'which command? postern run CONNECTION -- COMMAND')
      const client = await createClient()
      await using folder = await ownFolder()
      folder.started()
      process.exitCode = await holding({ client, connection, options }, async (grant, started) => {
        const protocol = protocols.get(grant.protocol)
        // What its client reads from files (a kubeconfig, a CA), any command may read too.
        const prepares = protocol !== undefined && !protocol.client.wantsKey
        const own = prepares ? (await prepareClient(protocol, grant, folder.path, [])).env : {}
        started()
        return runChild(program, args, { ...withoutToken(process.env), ...clientsEnv(grant.env), ...own })
      })
    },
  )
}
