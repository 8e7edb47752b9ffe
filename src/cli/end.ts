/** `postern end GRANT`: gives a grant back; its sessions are cut. */
import { Command } from 'commander'
import { createClient, VARIABLES } from './client.ts'
import { print } from './print.ts'

export function endCommand(): Command {
  return new Command('end')
    .description('give a grant back early; its sessions are cut')
    .addHelpText('after', VARIABLES)
    .argument('<grant>')
    .option('--json', 'print JSON')
    .action(async (grant: string, options: { json?: boolean }) => {
      const client = await createClient()
      await client.call('DELETE', `/v1/grants/${encodeURIComponent(grant)}`)
      print(options.json ? JSON.stringify({ id: grant, state: 'ended' }) : `${grant} given back`)
    })
}
