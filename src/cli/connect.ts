/**
 * `postern connect CONNECTION [-- arguments]`: asks, runs the protocol's usual client, gives back. Secrets reach the
 * client by environment or by a 0600 file in a folder of its own, never by its command line (attack 204).
 */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { Command } from 'commander'
import type { AnyProtocol } from '../protocol/protocol.ts'
import { runChild } from './child.ts'
import { type Client, createClient, VARIABLES } from './client.ts'
import { exit } from './exit.ts'
import { type GrantAnswer, type RequestOptions, withRequestOptions } from './grant.ts'
import { holding } from './hold.ts'
import { type OwnFolder, ownFolder } from './own-folder.ts'
import { visible } from './print.ts'
import { Stop } from './stop.ts'

type Protocols = ReadonlyMap<string, AnyProtocol>

export function connectCommand(protocols: Protocols): Command {
  const command = new Command('connect')
    .description('ask for a connection, run psql, ssh, curl or kubectl on it, give it back')
    .addHelpText('after', VARIABLES)
    .argument('<connection>')
    .argument('[arguments...]', "the client's own arguments, after --")
  return withRequestOptions(command).action(
    async (connection: string, args: string[], options: RequestOptions) => {
      const client = await createClient()
      await using folder = await ownFolder()
      process.exitCode = await connect({ client, protocols, connection, args, options, folder })
    },
  )
}

interface Connecting {
  readonly client: Client
  readonly protocols: Protocols
  readonly connection: string
  readonly args: readonly string[]
  readonly options: RequestOptions
  readonly folder: OwnFolder
}

async function connect(at: Connecting): Promise<number> {
  const { client, connection, folder, args, options } = at
  const protocol = await protocolOf(at)
  const key = protocol.client.wantsKey ? await makeKey(folder.path) : undefined
  folder.started()
  return holding({ client, connection, options, publicKey: key?.publicKey }, async (grant, started) => {
    const prepared = await prepareClient(protocol, grant, folder.path, args, key?.file)
    started()
    const env = { ...withoutToken(process.env), ...prepared.env }
    return runChild(protocol.client.program, prepared.args, env)
  })
}

async function protocolOf({ client, connection, protocols }: Connecting): Promise<AnyProtocol> {
  const reachable = await client.call<{ connection: string; protocol: string }[]>('GET', '/v1/connections')
  const found = reachable.find(r => r.connection === connection)
  const protocol = found === undefined ? undefined : protocols.get(found.protocol)
  if (protocol !== undefined) return protocol
  const names = reachable.map(r => r.connection).join(', ') || 'nothing'
  throw new Stop(exit.no, `not_permitted: no rule gives this token ${connection}; may ask for: ${names}`)
}

/** One key pair for this one run: the grant opens for it alone, and it is deleted afterwards. */
async function makeKey(folder: string): Promise<{ file: string; publicKey: string }> {
  const file = path.join(folder, 'key')
  try {
    await promisify(execFile)('ssh-keygen', [
      '-q',
      '-t',
      'ed25519',
      '-N',
      '',
      '-C',
      'postern connect',
      '-f',
      file,
    ])
  } catch (error) {
    throw new Stop(exit.unavailable, `ssh-keygen is needed: ${(error as Error).message}`)
  }
  return { file, publicKey: (await readFile(`${file}.pub`, 'utf8')).trim().split(' ').slice(0, 2).join(' ') }
}

/** What clients read where to connect from, and nothing that makes a program run another (LD_PRELOAD, NODE_OPTIONS). */
export const clientsEnv = (env: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) =>
      /^(?:POSTERN_[A-Z_]+|PG(?:HOST|PORT|DATABASE|USER|PASSWORD|SSLMODE))$/.test(name),
    ),
  )

/** The protocol's files in a folder of the run's own, and what its client is told. */
export async function prepareClient(
  protocol: AnyProtocol,
  grant: GrantAnswer,
  folder: string,
  args: readonly string[],
  keyFile?: string,
): Promise<{ readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> }> {
  const { host, url = '' } = grant.endpoint
  // A gateway that is not ours could make an option of it, and of that a command on this machine.
  if (host.startsWith('-') || url.startsWith('-') || grant.credential.username.startsWith('-'))
    throw new Stop(exit.unavailable, `the gateway names an endpoint that is none: ${visible(host)}`)
  const prepared = protocol.client.prepare({
    grant: { ...grant, env: clientsEnv(grant.env) },
    folder,
    args,
    ...(keyFile === undefined ? {} : { keyFile }),
  })
  for (const [name, text] of Object.entries(prepared.files)) {
    await writeFile(path.join(folder, name), text, { mode: 0o600 })
  }
  return prepared
}

/** The client has no use for the agent's token, so it does not get it. */
export function withoutToken(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { POSTERN_TOKEN: _token, POSTERN_TOKEN_FILE: _file, ...rest } = env
  return rest
}
