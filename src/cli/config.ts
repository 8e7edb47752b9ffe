/**
 * `postern config kube CONNECTION`: a kubeconfig without a credential in it. kubectl asks for one when it needs one, by
 * `postern config credential` (client.authentication.k8s.io/v1), which asks the gateway for a grant and keeps it in a 0600
 * file until it ends: kubectl itself keeps nothing from one run to the next.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { type Client, createClient } from './client.ts'
import { exit } from './exit.ts'
import { type RequestOptions, withRequestOptions } from './grant.ts'
import { holding, keeping } from './hold.ts'
import { Stop } from './stop.ts'

const api = 'client.authentication.k8s.io/v1'
const postern = path.resolve(import.meta.dirname, '../../bin/postern')
/** A credential with less left than this is not worth handing out. */
const least = 30_000

export function configCommand(): Command {
  const kube = new Command('kube').description('a kubeconfig that asks for a grant when it is used')
  const credential = new Command('credential').description('what such a kubeconfig runs')
  for (const each of [kube, credential]) withRequestOptions(each.argument('<connection>'))
  kube.action(async (connection: string, options: RequestOptions) => {
    console.log(JSON.stringify(await kubeconfig(await createClient(), connection, options), null, 2))
  })
  credential.action(async (connection: string, options: RequestOptions) => {
    const { password, expires_at } = await credentialFor(await createClient(), connection, options)
    const status = { token: password, expirationTimestamp: expires_at }
    console.log(JSON.stringify({ apiVersion: api, kind: 'ExecCredential', status }))
  })
  return new Command('config')
    .description('ready-made configuration for clients')
    .addCommand(kube)
    .addCommand(credential, { hidden: true })
}

/** Where the cluster's door is, and by which CA it is known, only a grant says: one is asked for, and given back. */
async function kubeconfig(client: Client, name: string, options: RequestOptions): Promise<object> {
  const grant = await holding({ client, connection: name, options }, async granted => granted)
  if (grant.protocol !== 'kubernetes')
    throw new Stop(exit.no, `${name} is no cluster: it speaks ${grant.protocol}`)
  const { url = '', ca } = grant.endpoint
  const exec = {
    apiVersion: api,
    command: postern,
    args: ['config', 'credential', name, ...given(options)],
    env: [{ name: 'POSTERN_URL', value: client.url.origin }],
    interactiveMode: 'Never',
    provideClusterInfo: false,
  }
  const known = ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster: { server: url, ...known } }],
    users: [{ name, user: { exec } }],
  }
}

function given({ ttl, reason, task, scope, rule }: RequestOptions): string[] {
  return Object.entries({ ttl, reason, task, scope, rule }).flatMap(([key, value]) =>
    value === undefined ? [] : [`--${key}`, value],
  )
}

interface Kept {
  readonly id: string
  readonly password: string
  readonly expires_at: string
}

async function credentialFor(client: Client, connection: string, options: RequestOptions): Promise<Kept> {
  const file = keptFile(client, connection, options)
  const kept = await read(file)
  if (kept !== undefined && (await isActive(client, kept))) return kept
  const { id, credential, expires_at } = await keeping({ client, connection, options })
  const fresh = { id, password: credential.password ?? '', expires_at }
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  // Never a moment in which others could read it, or half of it could be read.
  const making = `${file}.${process.pid}`
  await writeFile(making, JSON.stringify(fresh), { mode: 0o600, flag: 'wx' })
  await rename(making, file)
  return fresh
}

function keptFile(client: Client, connection: string, options: RequestOptions): string {
  const asked = JSON.stringify([client.url.origin, connection, given(options)])
  const name = createHash('sha256').update(asked).digest('hex').slice(0, 32)
  return path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'postern', `${name}.json`)
}

async function read(file: string): Promise<Kept | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Kept
  } catch {
    // There is none, or none that is whole: another is asked for.
    return undefined
  }
}

/** It may have been cut, or be another agent's than the token now says: then it is unknown. */
async function isActive(client: Client, { id, expires_at }: Kept): Promise<boolean> {
  if (!(Date.parse(expires_at) - Date.now() > least)) return false
  try {
    return (await client.call<{ state: string }>('GET', `/v1/grants/${id}`)).state === 'active'
  } catch (error) {
    if (error instanceof Stop && error.exitCode === exit.no) return false
    throw error
  }
}
