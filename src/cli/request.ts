/** `postern request CONNECTION`: asks for one connection and prints how to use it. */
import { Command } from 'commander'
import { createClient } from './client.ts'
import { type GrantAnswer, type RequestOptions, requestGrant, withRequestOptions } from './grant.ts'
import { print, visible } from './print.ts'

export function requestCommand(): Command {
  const command = new Command('request')
    .description('ask for one connection')
    .argument('<connection>')
    .option('--public-key <line>', 'an OpenSSH public key: the grant opens for it alone')
    .option('--json', 'print the whole answer as JSON')
  return withRequestOptions(command).action(
    async (connection: string, options: RequestOptions & { publicKey?: string }) => {
      const client = await createClient()
      const grant = await requestGrant(client, connection, options, options.publicKey)
      print(options.json ? JSON.stringify(grant, null, 2) : words(grant))
    },
  )
}

function words(grant: GrantAnswer): string {
  const lines = [
    `YES ${grant.id} ${grant.connection} until ${grant.expires_at} (ended by the ${grant.ends_by})`,
  ]
  if (grant.state === 'pending') lines[0] = `WAIT ${grant.id} ${grant.connection}: needs approval`
  if (grant.narrowed.length > 0) lines.push(`narrowed: ${grant.narrowed.join(', ')}`)
  lines.push(`scope: ${JSON.stringify(grant.scope)}`)
  if (grant.connect !== undefined) lines.push(`connect: ${grant.connect}`)
  if (grant.credential?.password !== undefined)
    lines.push(`password (shown once): ${grant.credential.password}`)
  lines.push(`give back: postern end ${grant.id}`)
  return lines.map(visible).join('\n')
}
