/** `postern end GRANT`: gives a grant back; its sessions are cut. */
import { Command } from 'commander'
import { createClient, VARIABLES } from './client.ts'
import type { GrantAnswer } from './grant.ts'
import { print, visible } from './print.ts'

export function endCommand(): Command {
  return new Command('end')
    .description('give a grant back early; its sessions are cut')
    .addHelpText('after', VARIABLES)
    .argument('<grant>')
    .option('--json', 'print JSON')
    .action(async (grant: string, options: { json?: boolean }) => {
      const client = await createClient()
      const path = `/v1/grants/${encodeURIComponent(grant)}`
      await client.call('DELETE', path)
      // What was over already stays what it was, and is no error: only asking tells.
      const { state, ending } = await client.call<GrantAnswer>('GET', path)
      print(options.json ? JSON.stringify({ id: grant, state }) : visible(words(grant, state, ending)))
    })
}

function words(grant: string, state: string, ending: string | undefined): string {
  return state === 'ended' ? `${grant} given back` : `${grant} was over already: ${ending ?? state}`
}
