/** What `request`, `connect` and `run` share: the options of a request and the call itself. */
import type { Command } from 'commander'
import type { AnsweredGrant } from '../protocol/protocol.ts'
import type { Client } from './client.ts'
import { exit } from './exit.ts'
import { visible } from './print.ts'
import { Stop } from './stop.ts'

export interface RequestOptions {
  readonly ttl?: string
  readonly reason?: string
  readonly task?: string
  readonly scope?: string
  readonly rule?: string
  readonly json?: boolean
}

export interface GrantAnswer extends AnsweredGrant {
  readonly rule: string
  readonly state: string
  readonly scope: object
  readonly narrowed: readonly string[]
  readonly expires_at: string
  /** Of one that is pending. */
  readonly decide_by?: string
  readonly ends_by: string
  readonly ending?: string
  readonly connect: string
}

export function withRequestOptions(command: Command): Command {
  return command
    .option('--ttl <duration>', 'for how long, such as 10m; cut to what the rule allows')
    .option('--reason <text>', 'why, for the audit')
    .option('--task <text>', 'which task this is for')
    .option('--scope <json>', 'a narrower scope, as JSON in the words of the rule')
    .option('--rule <id>', 'which rule, where several would fit')
}

export function requestGrant(
  client: Client,
  connection: string,
  options: RequestOptions,
  publicKey?: string,
): Promise<GrantAnswer> {
  const { ttl, reason, task, rule } = options
  const body = { connection, ttl, reason, task, rule, scope: scopeOf(options.scope), public_key: publicKey }
  return client.call<GrantAnswer>('POST', '/v1/grants', body)
}

/** What says that there is nothing left to give back. */
const over = ['grant_unknown', 'grant_expired', 'grant_revoked']

/** Whatever happened before keeps its exit code; a grant that stays live is said, for nobody else would notice. */
export async function giveBack(
  client: Client,
  { id, expires_at }: Pick<GrantAnswer, 'id' | 'expires_at'>,
): Promise<void> {
  try {
    await client.call('DELETE', `/v1/grants/${id}`)
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    const { code } = (error.answer ?? {}) as { code?: string }
    if (code !== undefined && over.includes(code)) return
    console.error(visible(`postern: ${id} is not given back and ends at ${expires_at}: ${error.message}`))
  }
}

function scopeOf(text: string | undefined): object | undefined {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as object
  } catch {
    throw new Stop(exit.usage, `--scope is not JSON: ${text}`)
  }
}
