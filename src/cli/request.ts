/** `postern request CONNECTION`: asks for one connection and prints how to use it. */
import { Command } from 'commander'
import { createClient, VARIABLES } from './client.ts'
import { type GrantAnswer, type RequestOptions, requestGrant, withRequestOptions } from './grant.ts'
import { keeping } from './hold.ts'
import { print, visible } from './print.ts'

interface Options extends RequestOptions {
  readonly publicKey?: string
  readonly wait?: boolean
}

export function requestCommand(): Command {
  const command = new Command('request')
    .description('ask for one connection')
    .addHelpText('after', VARIABLES)
    .argument('<connection>')
    .option('--public-key <line>', 'an OpenSSH public key: the grant opens for it alone')
    .option('--wait', 'where people must approve it, wait until they did')
    .option('--json', 'print the whole answer as JSON')
  return withRequestOptions(command).action(async (connection: string, options: Options) => {
    const client = await createClient()
    const { publicKey } = options
    const grant = options.wait
      ? await keeping({ client, connection, options, publicKey })
      : await requestGrant(client, connection, options, publicKey)
    print(options.json ? JSON.stringify(grant, null, 2) : words(grant, publicKey !== undefined))
  })
}

function words(grant: GrantAnswer, byKey: boolean): string {
  const { id, connection, state, expires_at, ends_by, narrowed, scope, credential } = grant
  const lines = [`YES ${id} ${connection} until ${expires_at} (ended by the ${ends_by})`]
  if (state === 'pending') lines[0] = `WAIT ${id} ${connection}: needs approval`
  if (narrowed.length > 0) lines.push(`narrowed: ${narrowed.join(', ')}`)
  lines.push(`scope: ${JSON.stringify(scope)}`)
  if (state === 'pending') lines.push(...goOn(id, byKey))
  if (grant.connect !== undefined) lines.push(`connect: ${grant.connect}`)
  if (credential?.password !== undefined) lines.push(`password (shown once): ${credential.password}`)
  lines.push(...knownHost(grant), `give back: postern end ${id}`)
  return lines.map(visible).join('\n')
}

/** Asking again would make another grant. */
function goOn(id: string, byKey: boolean): string[] {
  const wait = `is it approved? GET /v1/grants/${id}?wait=30s`
  return byKey ? [wait] : [wait, `its password, once it is: POST /v1/grants/${id}/credential`]
}

/** Without it the first `ssh` would have to trust whatever answers. An answer that waits has no endpoint yet. */
function knownHost({ endpoint }: Partial<GrantAnswer>): string[] {
  if (endpoint?.host_key === undefined) return []
  const { host, port, host_key } = endpoint
  return [`known_hosts: ${port === 22 ? host : `[${host}]:${port}`} ${host_key}`]
}
