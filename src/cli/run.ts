/** `postern run CONNECTION -- COMMAND`: asks, runs any command with PG*, DATABASE_URL and the like set, gives back. */
import { Command } from 'commander'
import { runChild } from './child.ts'
import { createClient } from './client.ts'
import { withoutToken } from './connect.ts'
import { exit } from './exit.ts'
import { giveBack, type RequestOptions, requestGrant, withRequestOptions } from './grant.ts'
import { Stop } from './stop.ts'

export function runCommand(): Command {
  const command = new Command('run')
    .description('ask for a connection, run a command with its environment set, give it back')
    .argument('<connection>')
    .argument('<command...>', 'the command and its arguments, after --')
  return withRequestOptions(command).action(
    async (connection: string, command: string[], options: RequestOptions) => {
      const [program, ...args] = command
      if (program === undefined)
        throw new Stop(exit.usage, 'which command? postern run CONNECTION -- COMMAND')
      const client = await createClient()
      const grant = await requestGrant(client, connection, options)
      if (grant.state !== 'active')
        throw new Stop(exit.no, `${grant.id} is ${grant.state}: wait for its approval`)
      try {
        process.exitCode = await runChild(program, args, { ...withoutToken(process.env), ...grant.env })
      } finally {
        await giveBack(client, grant)
      }
    },
  )
}
