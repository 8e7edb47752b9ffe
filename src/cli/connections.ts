/** `postern connections`: what this token may ask for. */
import { Command } from 'commander'
import { createClient, VARIABLES } from './client.ts'
import { print, table } from './print.ts'

interface Reachable {
  readonly connection: string
  readonly protocol: string
  readonly rule: string
  readonly ttl: string
  readonly scope: object
  readonly approval: boolean
}

export function connectionsCommand(): Command {
  return new Command('connections')
    .description('what this token may ask for')
    .addHelpText('after', VARIABLES)
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const client = await createClient()
      const reachable = await client.call<Reachable[]>('GET', '/v1/connections')
      if (options.json) return print(JSON.stringify(reachable, null, 2))
      if (reachable.length === 0)
        return print('This token may ask for nothing: no rule names one of its groups.')
      const row = (r: Reachable) => [
        r.connection,
        r.protocol,
        r.ttl,
        r.approval ? 'needs approval' : '',
        r.rule,
      ]
      print(table(['CONNECTION', 'PROTOCOL', 'TTL', '', 'RULE'], reachable.map(row)))
    })
}
